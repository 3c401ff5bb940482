#include "functions/environment.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace tarn::functions {
namespace {

std::string inherited(const char* name, const char* otherwise) {
    const char* const value = std::getenv(name);
    return fmt::format("{}={}", name, value != nullptr ? value : otherwise);
}

}  // namespace

std::vector<std::string> environment_of(const FunctionSpec& spec, const std::string& version,
                                        const std::string& instance, std::uint16_t port) {
    std::vector<std::string> list = {
        inherited("PATH", "/usr/local/bin:/usr/bin:/bin"),
        inherited("HOME", "/tmp"),
        "LANG=C.UTF-8",
        "TZ=UTC",
        fmt::format("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{}", port),
        fmt::format("AWS_LAMBDA_FUNCTION_NAME={}", spec.name),
        fmt::format("AWS_LAMBDA_FUNCTION_VERSION={}", version),
        fmt::format("AWS_LAMBDA_FUNCTION_MEMORY_SIZE={}", spec.memory_bytes >> 20),
        fmt::format("AWS_LAMBDA_LOG_GROUP_NAME=/tarn/{}", spec.name),
        fmt::format("AWS_LAMBDA_LOG_STREAM_NAME={}", instance),
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "AWS_REGION=us-east-1",
        "AWS_DEFAULT_REGION=us-east-1",
        fmt::format("LAMBDA_TASK_ROOT={}", spec.directory),
        fmt::format("LAMBDA_RUNTIME_DIR={}", spec.directory),
        fmt::format("_HANDLER={}", spec.handler),
        fmt::format("TARN_FUNCTION_INSTANCE={}", instance),
    };
    for (const auto& [name, value] : spec.environment) list.push_back(fmt::format("{}={}", name, value));
    return list;
}

bool is_reserved_variable(std::string_view name) {
    static constexpr std::array<std::string_view, 7> reserved = {"AWS_LAMBDA_RUNTIME_API",
                                                                 "AWS_LAMBDA_FUNCTION_NAME",
                                                                 "AWS_LAMBDA_FUNCTION_VERSION",
                                                                 "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                                                 "AWS_LAMBDA_MAX_CONCURRENCY",
                                                                 "_HANDLER",
                                                                 "LAMBDA_TASK_ROOT"};
    return std::ranges::find(reserved, name) != reserved.end();
}

}  // namespace tarn::functions
