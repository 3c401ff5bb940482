// A host with a directory for a function's code, for tests. Their program is its own keeper (see main in
// function_host_test.cc).
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "functions/function_host.h"
#include "os/process.h"
#include "os/real_file_system.h"

namespace tarn::functions {

inline bool have(const char* program) {
    return std::system(fmt::format("command -v {} >/dev/null 2>&1", program).c_str()) == 0;
}

class FunctionHostTest : public testing::Test {
protected:
    FunctionHostTest() {
        directory_ = std::filesystem::temp_directory_path() /
                     fmt::format("tarn-functions-{}-{}", ::getpid(),
                                 testing::UnitTest::GetInstance()->current_test_info()->name());
        std::filesystem::create_directories(directory_);
        host_ = *FunctionHost::start({*clock_, *rng_, os::self_path(), {}});
    }
    ~FunctionHostTest() override {
        host_.reset();
        std::filesystem::remove_all(directory_);
    }

    void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
    FunctionSpec python(const std::string& code) {
        write("app.py", code);
        return {.name = "f", .runtime = "python", .directory = directory_.string(), .handler = "app.handler"};
    }
    void declare(const FunctionSpec& spec) {
        const auto version = code_version(spec, *fs_);
        ASSERT_TRUE(version) << version.error().text();
        ASSERT_TRUE(host_->declare(spec, *version));
    }
    InvocationResult call(const std::string& payload, const std::string& context = "",
                          const std::string& function = "f") {
        auto result = host_->invoke_and_wait(function, {payload, context});
        EXPECT_TRUE(result) << result.error().text();
        return result ? *result : InvocationResult{};
    }
    std::string read(const std::string& name) {
        std::ifstream file(directory_ / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::filesystem::path directory_;
    std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::unique_ptr<os::Rng> rng_ = os::make_real_rng();
    std::unique_ptr<os::FileSystem> fs_ = os::make_real_file_system();
    std::unique_ptr<FunctionHost> host_;
};

}  // namespace tarn::functions
