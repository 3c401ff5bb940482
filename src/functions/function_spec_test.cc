#include "functions/function_spec.h"

#include <gtest/gtest.h>

#include "functions/function_host_fixture.h"

namespace tarn::functions {
namespace {

class CodeVersionTest : public FunctionHostTest {
protected:
    std::string version() {
        const auto made = code_version(spec_, *fs_);
        EXPECT_TRUE(made) << made.error().text();
        return made.value_or("");
    }
    void write_below(const std::string& below, const std::string& name, const std::string& text) {
        std::filesystem::create_directories(directory_ / below);
        write(below + "/" + name, text);
    }
    FunctionSpec spec_ = python("def handler(event, context): pass\n");
};

TEST_F(CodeVersionTest, ChangesWithAnyFileOfTheCode) {
    const std::string before = version();
    write_below("lib", "help.py", "x = 1\n");
    const std::string with_help = version();
    EXPECT_NE(with_help, before);
    write_below("lib", "help.py", "x = 2\n");
    EXPECT_NE(version(), with_help);
}

TEST_F(CodeVersionTest, StaysWhenOnlyWhatIsNotCodeChanges) {
    const std::string before = version();
    write_below("__pycache__", "app.cpython-311.pyc", "compiled");
    write_below(".git", "HEAD", "ref: refs/heads/main\n");
    EXPECT_EQ(version(), before);
}

// `dir: .` with ./tarn-data beside the code: every captured event would be another version.
TEST_F(CodeVersionTest, StaysWhenTarnsOwnDataIsBelowTheCode) {
    const std::string before = version();
    write_below("tarn-data", "tarn.json", "{}");
    write_below("tarn-data/wal", "0000000001.log", "events");
    EXPECT_EQ(version(), before);
}

TEST_F(CodeVersionTest, SaysWhereTheCodeWasExpected) {
    spec_.directory += "/nowhere";
    const auto missing = code_version(spec_, *fs_);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().text().find("/nowhere"), std::string::npos) << missing.error().text();
}

}  // namespace
}  // namespace tarn::functions
