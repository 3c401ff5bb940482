#include "capture/sources.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include <array>
#include <filesystem>
#include <set>

namespace tarn::capture {
namespace {

constexpr int max_folder_depth = 64;  // a symbolic link to a parent would go on for ever

bool is_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

std::string without_packing(std::string_view name) {
    for (const std::string_view suffix : {".gz", ".zst"})
        if (name.size() > suffix.size() && name.ends_with(suffix))
            return std::string(name.substr(0, name.size() - suffix.size()));
    return std::string(name);
}

std::string identity_of(const std::string& path) {
    std::error_code failed;
    const auto absolute = std::filesystem::absolute(path, failed);
    return failed ? path : absolute.lexically_normal().string();
}

Status refuse_archive(const std::string& path) {
    constexpr std::array<std::string_view, 7> suffixes = {".tar",  ".tgz", ".tar.gz", ".tar.zst",
                                                          ".tzst", ".zip", ".jar"};
    for (const std::string_view suffix : suffixes)
        if (path.ends_with(suffix))
            return fail(Code::not_built,
                        fmt::format("{}: importing from {} archives is not built yet; nothing was imported",
                                    path, suffix),
                        {.next = "unpack it and import the directory"});
    return {};
}

class Lister {
public:
    explicit Lister(os::FileSystem& fs) : fs_(fs) {}

    void add(const std::string& source) {
        auto info = fs_.stat(source);
        if (!info) return failed(source, info.error().message);
        std::set<std::string> paths;
        if (*info) {
            walk(source, (*info)->is_directory, 0, paths);
        } else if (is_glob(source)) {
            match(source, paths);
            if (paths.empty()) return failed(source, "no file matches");
        } else {
            return failed(source, "no such file or directory");
        }
        for (const std::string& path : paths) keep(path);
    }

    SourceList take() { return std::move(list_); }

private:
    void failed(const std::string& source, std::string_view why) {
        list_.failed.push_back(make_error(Code::unreadable_source, fmt::format("{}: {}", source, why)));
    }

    void keep(const std::string& path) {
        std::string identity = identity_of(path);
        if (!seen_.insert(identity).second) return;
        list_.files.push_back({path, std::move(identity), without_packing(path)});
    }

    void walk(const std::string& path, bool is_directory, int depth, std::set<std::string>& paths) {
        if (!is_directory) {
            paths.insert(path);
            return;
        }
        if (depth == max_folder_depth)
            return failed(path, fmt::format("more than {} folders deep", max_folder_depth));
        const auto entries = fs_.list(path);
        if (!entries) return failed(path, entries.error().message);
        for (const os::FileInfo& entry : *entries)
            walk(os::join(path, entry.name), entry.is_directory, depth + 1, paths);
    }

    void match(const std::string& pattern, std::set<std::string>& paths) {
        std::vector<std::string> parts;
        std::size_t at = pattern.starts_with('/') ? 1 : 0;
        while (at <= pattern.size()) {
            const std::size_t slash = std::min(pattern.find('/', at), pattern.size());
            if (slash > at) parts.push_back(pattern.substr(at, slash - at));
            at = slash + 1;
        }
        expand(pattern.starts_with('/') ? "/" : "", parts, 0, 0, paths);
    }

    void expand(const std::string& folder, const std::vector<std::string>& parts, std::size_t next, int depth,
                std::set<std::string>& paths) {
        if (depth == max_folder_depth)
            return failed(folder, fmt::format("more than {} folders deep", max_folder_depth));
        const std::string& part = parts[next];
        const bool is_last = next + 1 == parts.size();
        if (!is_glob(part)) return expand_plain(os::join(folder, part), parts, next, depth, paths);
        const bool any_depth = part == "**";
        if (any_depth && !is_last) expand(folder, parts, next + 1, depth, paths);
        const auto entries = fs_.list(folder.empty() ? "." : folder);
        if (!entries) return;  // not a directory, or not readable: matches nothing
        for (const os::FileInfo& entry : *entries) {
            if (::fnmatch(any_depth ? "*" : part.c_str(), entry.name.c_str(), FNM_PERIOD) != 0) continue;
            const std::string path = os::join(folder, entry.name);
            if (is_last && !(any_depth && entry.is_directory)) {
                walk(path, entry.is_directory, depth, paths);
            } else if (entry.is_directory) {
                expand(path, parts, any_depth ? next : next + 1, depth + 1, paths);
            }
        }
    }

    void expand_plain(const std::string& path, const std::vector<std::string>& parts, std::size_t next,
                      int depth, std::set<std::string>& paths) {
        const auto info = fs_.stat(path);
        if (!info || !*info) return;
        if (next + 1 == parts.size()) return walk(path, (*info)->is_directory, depth, paths);
        if ((*info)->is_directory) expand(path, parts, next + 1, depth + 1, paths);
    }

    os::FileSystem& fs_;
    SourceList list_;
    std::set<std::string> seen_;
};

}  // namespace

Result<SourceList> list_sources(os::FileSystem& fs, const std::vector<std::string>& sources) {
    if (sources.empty())
        return fail(Code::bad_usage, "no source was given",
                    {.next = "name files, directories or globs to import"});
    Lister lister(fs);
    for (const std::string& source : sources) {
        if (source.empty())
            return fail(Code::bad_usage, "a source is empty: expected a file, directory or glob");
        lister.add(source);
    }
    SourceList list = lister.take();
    for (const SourceFile& file : list.files) TARN_TRY(refuse_archive(file.path));
    return list;
}

}  // namespace tarn::capture
