// Reads the #include lines of src/ against src/layers.txt, and keeps raw system calls inside os/: an arrow
// broken once is broken for ever, so a test holds the line.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace {

namespace stdfs = std::filesystem;
using Table = std::map<std::string, std::set<std::string>>;

stdfs::path source_root() { return stdfs::path(TARN_SOURCE_DIR) / "src"; }

std::vector<std::string> lines_of(const stdfs::path& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

Table direct_table() {
    Table table;
    for (const auto& line : lines_of(source_root() / "layers.txt")) {
        const auto colon = line.find(':');
        if (line.starts_with('#') || colon == std::string::npos) continue;
        std::istringstream names(line.substr(colon + 1));
        auto& allowed = table[line.substr(0, colon)];
        for (std::string name; names >> name;) allowed.insert(name);
    }
    return table;
}

// What a folder may include is transitive.
Table closed_table() {
    Table table = direct_table();
    for (bool grown = true; grown;) {
        grown = false;
        for (auto& [folder, allowed] : table) {
            const std::size_t before = allowed.size();
            for (const auto& name : std::set<std::string>(allowed))
                allowed.insert(table[name].begin(), table[name].end());
            allowed.insert("base");
            grown = grown || allowed.size() != before;
        }
    }
    return table;
}

std::vector<stdfs::path> sources() {
    std::vector<stdfs::path> found;
    for (const auto& entry : stdfs::recursive_directory_iterator(source_root()))
        if (entry.path().extension() == ".h" || entry.path().extension() == ".cc")
            found.push_back(entry.path());
    return found;
}

std::string folder_of(const stdfs::path& path) {
    return stdfs::relative(path, source_root()).begin()->string();
}

TEST(Layers, EveryFolderIsInTheTableAndTheTableHasNoCycle) {
    const Table table = closed_table();
    for (const auto& [folder, allowed] : direct_table())
        EXPECT_FALSE(closed_table()[folder].contains(folder) && folder != "base")
            << folder << " reaches itself";
    for (const auto& path : sources()) EXPECT_TRUE(table.contains(folder_of(path))) << path;
}

TEST(Layers, IncludesGoOneWay) {
    Table table = closed_table();
    const std::regex include(R"rx(^#include "([a-z]+)/[^"]+"$)rx");
    for (const auto& path : sources()) {
        const std::string folder = folder_of(path);
        for (const auto& line : lines_of(path)) {
            std::smatch match;
            if (!std::regex_match(line, match, include)) continue;
            const std::string to = match[1];
            EXPECT_TRUE(to == folder || table[folder].contains(to) ||
                        to == "duckdb")  // third_party; LibrariesStayWhereTheyBelong says where
                << path << ": " << folder << " may not include " << to;
        }
    }
}

TEST(Layers, LibrariesStayWhereTheyBelong) {
    const std::map<std::string, std::set<std::string>> homes = {
        {"sqlite3.h", {"sqlite", "state"}},
        {"duckdb/duckdb.h", {"duck"}},
        {"curl/curl.h", {"net"}},
        {"CLI/CLI.hpp", {"cli"}},
        {"yaml-cpp/yaml.h", {"server"}},
        {"simdjson.h", {"codec"}},
        {"zstd.h", {"codec"}},
        {"openssl/evp.h", {"codec", "net"}},
        {"re2/re2.h", {"event"}},
    };
    for (const auto& path : sources()) {
        for (const auto& line : lines_of(path)) {
            for (const auto& [header, folders] : homes) {
                const bool includes =
                    line == "#include <" + header + ">" || line == "#include \"" + header + "\"";
                EXPECT_TRUE(!includes || folders.contains(folder_of(path))) << path << " includes " << header;
            }
        }
    }
}

TEST(Layers, SystemCallsForFilesTimeAndChanceStayInOs) {
    const std::regex banned(
        R"((^|[^\w.>:])(::)?(open|openat|creat|write|pwrite|fsync|fdatasync|rename|unlink|time|rand|srand|random|gettimeofday|clock_gettime|usleep)\()");
    const std::set<std::string> exempt = {"os", "net"};  // sockets and their event loop live in net
    for (const auto& path : sources()) {
        const std::string name = path.filename().string();
        const bool test =
            name.ends_with("_test.cc") || name.ends_with("_fuzz.cc") || name.ends_with("_bench.cc");
        if (exempt.contains(folder_of(path)) || test || name == "interrupt.cc")
            continue;  // a signal handler may only write(2)
        int number = 0;
        for (std::string line : lines_of(path)) {
            ++number;
            line = std::regex_replace(line, std::regex(R"(//.*$|"([^"\\]|\\.)*")"), "");
            std::smatch match;
            if (!std::regex_search(line, match, banned)) continue;
            // A declaration or a call of our own function of that name has a type or nothing but a name
            // before it.
            if (!std::regex_search(
                    line,
                    std::regex(
                        R"(::(open|openat|creat|write|pwrite|fsync|fdatasync|rename|unlink|time|rand|srand|random|gettimeofday|clock_gettime|usleep)\()")) &&
                !std::regex_search(
                    line,
                    std::regex(
                        R"(\b(fsync|fdatasync|pwrite|openat|creat|srand|gettimeofday|clock_gettime|usleep)\()")))
                continue;
            if (std::regex_search(line, std::regex(R"(\w::(open|write|rename|time|random)\()"))) continue;
            ADD_FAILURE() << path << ":" << number << ": " << line;
        }
    }
}

TEST(Layers, NoFolderOrFileCollectsEverything) {
    for (const auto& path : sources()) {
        const std::string name = path.stem().string();
        for (const char* word : {"util", "common", "manager", "helpers", "misc"})
            EXPECT_EQ(name.find(word), std::string::npos) << path;
    }
}

}  // namespace
