#include "capture/sources.h"

#include <fmt/core.h>
#include <fnmatch.h>

#include <deque>
#include <filesystem>
#include <map>
#include <set>

namespace tarn::capture {
namespace {

bool is_glob(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

}  // namespace

std::string without_packing(std::string_view name) {
    for (const std::string_view suffix : {".gz", ".zst"})
        if (name.size() > suffix.size() && name.ends_with(suffix))
            return std::string(name.substr(0, name.size() - suffix.size()));
    return std::string(name);
}

namespace {

std::string canonical(const std::string& path) {
    std::error_code failed;
    const auto real = std::filesystem::canonical(path, failed);
    if (!failed) return real.string();
    const auto absolute = std::filesystem::absolute(path, failed);
    return failed ? path : absolute.lexically_normal().string();
}

class Lister {
public:
    explicit Lister(os::FileSystem& fs) : fs_(fs) {}

    void add(const std::string& source) {
        auto info = fs_.stat(source);
        if (!info) return failed(source, info.error().message);
        found_.clear();
        if (*info) {
            (*info)->is_link = true;  // or not: stat does not tell
            walk(source, **info);
        } else if (is_glob(source)) {
            matched_ = false;
            match(source);
            if (!matched_) return failed(source, "no file matches");
        } else {
            return failed(source, "no such file or directory");
        }
        // Folders behind links come last: what can be reached without one has its own path then.
        while (!linked_folders_.empty()) {
            const std::string folder = std::move(linked_folders_.front());
            linked_folders_.pop_front();
            walk_folder(folder);
        }
        keep_found();
    }

    SourceList take() { return std::move(list_); }

private:
    struct Found {
        std::string identity;
        bool is_link = false;
    };

    void failed(const std::string& source, std::string_view why) {
        list_.failed.push_back(make_error(Code::unreadable_source, fmt::format("{}: {}", source, why),
                                          {.place = {.source = source}}));
    }

    // One file under several names is one source; its own name is preferred to that of a link.
    void keep_found() {
        std::map<std::string, std::string> path_of;  // by identity
        for (const auto& [path, found] : found_) {
            const auto [known, is_new] = path_of.try_emplace(found.identity, path);
            if (!is_new && found_[known->second].is_link && !found.is_link) known->second = path;
        }
        for (auto& [path, found] : found_)
            if (path_of[found.identity] == path && seen_.insert(found.identity).second)
                list_.files.push_back({path, std::move(found.identity), without_packing(path)});
    }

    void walk(const std::string& path, const os::FileInfo& info) {
        matched_ = true;
        if (info.is_directory) return walk_folder(path);
        if (info.is_regular) {
            found_[path] = {info.is_link ? canonical(path) : identity_in_its_folder(path), info.is_link};
            return;
        }
        const auto target = fs_.stat(path);
        failed(path, target && !*target ? "a link to nothing"
                                        : "not a regular file but a pipe, a device or a socket: tarn put "
                                          "reads those");
    }

    // Each folder once: links may lead to a folder that is read already, or around in a circle.
    void walk_folder(const std::string& path) {
        if (!folders_.insert(canonical(path)).second) return;
        const auto entries = fs_.list(path);
        if (!entries) return failed(path, entries.error().message);
        for (const os::FileInfo& entry : *entries) {
            std::string below = os::join(path, entry.name);
            if (entry.is_directory && entry.is_link)
                linked_folders_.push_back(std::move(below));
            else
                walk(below, entry);
        }
    }

    std::string identity_in_its_folder(const std::string& path) {
        const std::string folder = os::parent_of(path);
        if (folder != last_folder_) {
            last_folder_ = folder;
            last_folder_identity_ = canonical(folder);
        }
        return os::join(last_folder_identity_, path.substr(path.rfind('/') + 1));
    }

    void match(const std::string& pattern) {
        std::vector<std::string> parts;
        std::size_t at = pattern.starts_with('/') ? 1 : 0;
        while (at <= pattern.size()) {
            const std::size_t slash = std::min(pattern.find('/', at), pattern.size());
            if (slash > at) parts.push_back(pattern.substr(at, slash - at));
            at = slash + 1;
        }
        expand(pattern.starts_with('/') ? "/" : "", parts, 0);
    }

    void expand(const std::string& folder, const std::vector<std::string>& parts, std::size_t next) {
        const std::string& part = parts[next];
        const bool is_last = next + 1 == parts.size();
        if (!is_glob(part)) return expand_plain(os::join(folder, part), parts, next);
        const bool any_depth = part == "**";
        if (any_depth && !is_last) expand(folder, parts, next + 1);
        const auto entries = fs_.list(folder.empty() ? "." : folder);
        if (!entries) return;  // not a directory, or not readable: matches nothing
        for (const os::FileInfo& entry : *entries) {
            if (::fnmatch(any_depth ? "*" : part.c_str(), entry.name.c_str(), FNM_PERIOD) != 0) continue;
            const std::string path = os::join(folder, entry.name);
            if (is_last && !(any_depth && entry.is_directory)) {
                walk(path, entry);
            } else if (entry.is_directory &&
                       !(any_depth && entry.is_link)) {  // as a shell: ** takes no links
                expand(path, parts, any_depth ? next : next + 1);
            }
        }
    }

    void expand_plain(const std::string& path, const std::vector<std::string>& parts, std::size_t next) {
        const auto info = fs_.stat(path);
        if (!info || !*info) return;
        if (next + 1 == parts.size()) return walk(path, **info);
        if ((*info)->is_directory) expand(path, parts, next + 1);
    }

    os::FileSystem& fs_;
    SourceList list_;
    std::set<std::string> seen_;              // identities
    std::set<std::string> folders_;           // read, by where they really are
    std::map<std::string, Found> found_;      // of one source, by path
    std::deque<std::string> linked_folders_;  // to be read yet
    bool matched_ = false;
    std::string last_folder_, last_folder_identity_;
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
    return lister.take();
}

}  // namespace tarn::capture
