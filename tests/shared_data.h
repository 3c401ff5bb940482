// Where the real data sets lie that are not part of the repository: $TARN_SHARED, else ../shared beside the
// sources.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace tarn::test {

// The folder of the sources: the nearest one above the test binary that holds CMakePresets.json. (__FILE__
// will not do: the compiler's cache makes it relative.)
inline std::filesystem::path source_dir() {
    namespace fs = std::filesystem;
    std::error_code ignored;
    fs::path dir = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    while (dir.has_relative_path() && !fs::exists(dir / "CMakePresets.json", ignored))
        dir = dir.parent_path();
    return dir;
}

// A folder of what is shared, or nullopt when it is not there: then skip, loudly.
inline std::optional<std::filesystem::path> shared_folder(const std::string& name) {
    namespace fs = std::filesystem;
    const char* const set = std::getenv("TARN_SHARED");
    const fs::path shared = set != nullptr ? fs::path(set) : source_dir().parent_path() / "shared";
    std::error_code ignored;
    const fs::path dir = shared / name;
    if (!fs::is_directory(dir, ignored)) return std::nullopt;
    return dir;
}

// The folder <shared>/data/<name>, or nullopt:
//   const auto dir = test::shared_data("json-bad-input");
//   if (!dir) GTEST_SKIP() << test::missing_shared_data("json-bad-input");
inline std::optional<std::filesystem::path> shared_data(const std::string& name) {
    return shared_folder("data/" + name);
}

inline std::string missing_shared_data(const std::string& name) {
    return "data set " + name + " is not there: set TARN_SHARED to the folder that holds data/" + name;
}

}  // namespace tarn::test
