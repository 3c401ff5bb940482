#include "server/data_directory.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

namespace tarn::server {
namespace {

constexpr const char* marker_name = "tarn.json";
constexpr const char* owner_name = "owner.json";
constexpr const char* lock_name = "lock";

std::optional<Owner> read_owner(os::FileSystem& fs, const std::string& directory) {
    const auto text = os::read_file(fs, os::join(directory, owner_name));
    if (!text) return std::nullopt;
    const auto json = codec::Json::parse(*text);
    if (!json) return std::nullopt;
    return Owner{static_cast<int>((*json)["pid"].as_int()), (*json)["command"].as_string(),
                 (*json)["since"].as_string(), (*json)["url"].as_string()};
}

Error locked_error(os::FileSystem& fs, const std::string& directory) {
    const auto owner = read_owner(fs, directory);
    if (!owner)
        return make_error(Code::directory_locked, fmt::format("{} is in use by another process", directory),
                          {.next = "wait until it has ended, or use another directory with --data"});
    std::string who = fmt::format("{} is in use by pid {} ({}, since {}", directory, owner->pid,
                                  owner->command, owner->since);
    if (owner->url.empty())
        return make_error(
            Code::directory_locked, who + ")",
            {.next = fmt::format("wait until it has ended, or stop it with: kill {}", owner->pid)});
    return make_error(Code::directory_locked, fmt::format("{}, {})", who, owner->url),
                      {.next = fmt::format("point commands at it with --server {}, or stop it with: kill {}",
                                           owner->url, owner->pid)});
}

// Looks only: whether the directory is ours to open. nullopt means it is new.
Result<std::optional<int>> stored_version(os::FileSystem& fs, const std::string& directory) {
    const auto text = os::read_file(fs, os::join(directory, marker_name));
    if (!text) {
        if (text.error().kind != ErrorKind::not_found) return fail(text.error());
        return std::optional<int>();
    }
    const auto json = codec::Json::parse(*text);
    if (!json || !(*json)["format"].is_number())
        return fail(Code::not_a_data_directory,
                    fmt::format("{}/{} is not readable as Tarn's marker", directory, marker_name));
    return std::optional(static_cast<int>((*json)["format"].as_int()));
}

Status check_new(os::FileSystem& fs, const std::string& directory) {
    const auto files = fs.list(directory);
    if (!files) return files.error().kind == ErrorKind::not_found ? Status() : fail(files.error());
    for (const auto& file : *files) {
        // A crash in the very first start may leave the lock and a temporary marker.
        if (file.name == lock_name || file.name == "tarn.json.new" || file.name == "lost+found") continue;
        return fail(Code::not_a_data_directory,
                    fmt::format("{} holds other files ({}) and no {}", directory, file.name, marker_name),
                    {.next = "choose an empty or new directory with --data"});
    }
    return {};
}

}  // namespace

std::optional<Owner> live_owner(os::FileSystem& fs, const std::string& directory) {
    // Looking must not make the lock's file.
    const auto held = fs.stat(os::join(directory, lock_name));
    if (!held || !*held) return std::nullopt;
    const auto lock = fs.lock(os::join(directory, lock_name));
    if (lock || lock.error().code != Code::directory_locked) return std::nullopt;
    return read_owner(fs, directory);
}

Result<std::unique_ptr<DataDirectory>> DataDirectory::take(os::FileSystem& fs, os::Clock& clock, os::Rng& rng,
                                                           const std::string& path,
                                                           const std::string& command) {
    TARN_ASSIGN(const std::optional<int> version, stored_version(fs, path));
    if (version && *version > data_format_version)
        return fail(
            Code::newer_format,
            fmt::format("{} has format {}, this Tarn knows up to {}", path, *version, data_format_version),
            {.next = "use a newer tarn; the directory was not touched"});
    if (!version) TARN_TRY(check_new(fs, path));
    TARN_TRY(fs.make_directories(path));

    std::unique_ptr<DataDirectory> directory(new DataDirectory(fs, path));
    auto lock = fs.lock(directory->file(lock_name));
    if (!lock) {
        if (lock.error().code == Code::directory_locked) return fail(locked_error(fs, path));
        return fail(std::move(lock.error()));
    }
    directory->lock_ = std::move(*lock);
    if (!version) {
        directory->is_new_ = true;
        codec::Json marker;
        marker.set("format", data_format_version)
            .set("id", os::make_uuid7(clock.now(), rng))
            .set("created", format_rfc3339(clock.now()));
        TARN_TRY(os::write_file_durably(fs, directory->file(marker_name), marker.dump_pretty()));
    }
    directory->owner_ =
        Owner{::getpid(), command, format_rfc3339(Time{clock.now().us / 1'000'000 * 1'000'000}), ""};
    // On a full disk the record may not fit; the lock is what counts.
    (void)directory->write_owner();
    return directory;
}

Result<std::string> DataDirectory::id() const {
    TARN_ASSIGN(const auto marker, os::read_file(fs_, file(marker_name)));
    TARN_ASSIGN(const auto json, codec::Json::parse(marker));
    return json["id"].as_string();
}

// The record stays: only the lock says whether somebody is there.
DataDirectory::~DataDirectory() = default;

Status DataDirectory::announce(const std::string& url) {
    owner_.url = url;
    return write_owner();
}

// Rewritten in place and always of one size, so that it needs no space on a full disk. A reader that meets it
// half written takes the owner as unknown.
Status DataDirectory::write_owner() {
    constexpr std::size_t record_bytes = 4096;
    codec::Json json;
    json.set("pid", owner_.pid)
        .set("command", owner_.command)
        .set("since", owner_.since)
        .set("url", owner_.url);
    std::string text = json.dump();
    text.resize(std::max(record_bytes, text.size() + 1), ' ');
    text.back() = '\n';
    TARN_ASSIGN(const auto record, fs_.open(file(owner_name), os::OpenMode::create));
    TARN_TRY(record->write_at(0, text));
    return record->sync();
}

}  // namespace tarn::server
