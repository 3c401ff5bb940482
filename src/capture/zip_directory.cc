#include "capture/zip_directory.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

namespace tarn::capture {
namespace {

constexpr std::size_t end_bytes = 22, end64_bytes = 56, locator_bytes = 20, entry_bytes = 46,
                      local_bytes = 30;
constexpr std::uint64_t max_directory_bytes = 1u << 30;

std::uint64_t little(std::string_view bytes, std::size_t at, int size) {
    std::uint64_t value = 0;
    for (int i = size; i-- > 0;)
        value = (value << 8) | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
    return value;
}

Failure damaged(std::uint64_t byte, std::string_view what) {
    return fail(Code::truncated_archive, fmt::format("the zip is damaged at byte {}: {}", byte, what),
                {.place = {.source = {}, .byte = byte}});
}

Result<std::string> read(const os::File& file, std::uint64_t at, std::uint64_t size) {
    std::string bytes(static_cast<std::size_t>(size), '\0');
    TARN_ASSIGN(const std::size_t got, file.read_at(at, bytes));
    if (got != size)
        return fail(Code::truncated_archive, fmt::format("the zip is cut off after {} bytes", at + got),
                    {.place = {.source = {}, .byte = at + got}});
    return bytes;
}

struct Directory {
    std::uint64_t at = 0, size = 0, entries = 0;
};

// The record at the very end, behind which only a comment may stand.
Result<Directory> find_directory(const os::File& file, std::uint64_t file_size) {
    const std::uint64_t tail_size = std::min<std::uint64_t>(file_size, end_bytes + 65'535);
    const std::uint64_t tail_at = file_size - tail_size;
    TARN_ASSIGN(const std::string tail, read(file, tail_at, tail_size));
    constexpr std::string_view signature("PK\x05\x06", 4);
    std::size_t found = std::string::npos;
    for (std::size_t at = tail.rfind(signature); at != std::string::npos;
         at = at == 0 ? std::string::npos : tail.rfind(signature, at - 1)) {
        if (at + end_bytes > tail.size() || at + end_bytes + little(tail, at + 20, 2) != tail.size())
            continue;
        found = at;
        break;
    }
    if (found == std::string::npos)
        return fail(Code::truncated_archive,
                    fmt::format("the zip is cut off or none: its directory is not at the end of its {} bytes",
                                file_size),
                    {.place = {.source = {}, .byte = file_size}});
    Directory directory{little(tail, found + 16, 4), little(tail, found + 12, 4),
                        little(tail, found + 10, 2)};
    const bool is_64 =
        directory.at == UINT32_MAX || directory.size == UINT32_MAX || directory.entries == 0xFFFF;
    if (is_64 && found >= locator_bytes && tail.substr(found - locator_bytes, 4) == "PK\x06\x07") {
        const std::uint64_t at = little(tail, found - locator_bytes + 8, 8);
        if (at > file_size - std::min<std::uint64_t>(file_size, end64_bytes))
            return damaged(tail_at + found - locator_bytes, "its zip64 directory lies outside of it");
        TARN_ASSIGN(const std::string end, read(file, at, end64_bytes));
        if (!end.starts_with("PK\x06\x06")) return damaged(at, "expected the zip64 directory's end");
        directory = {little(end, 48, 8), little(end, 40, 8), little(end, 32, 8)};
    }
    if (directory.size > max_directory_bytes || directory.at > file_size ||
        directory.size > file_size - directory.at)
        return damaged(tail_at + found, "its directory lies outside of it");
    return directory;
}

// Numbers that do not fit in 32 bits stand in an extra field, in this order.
void read_zip64(std::string_view extra, ZipMember& member) {
    while (extra.size() >= 4) {
        const auto size = static_cast<std::size_t>(little(extra, 2, 2));
        if (size > extra.size() - 4) return;
        std::string_view field = extra.substr(4, size);
        if (little(extra, 0, 2) == 1)
            for (std::uint64_t* value : {&member.size, &member.packed_size, &member.header_at}) {
                if (*value != UINT32_MAX || field.size() < 8) continue;
                *value = little(field, 0, 8);
                field.remove_prefix(8);
            }
        extra.remove_prefix(4 + size);
    }
}

}  // namespace

Result<std::vector<ZipMember>> read_zip_directory(const os::File& file) {
    TARN_ASSIGN(const std::uint64_t file_size, file.size());
    TARN_ASSIGN(const Directory directory, find_directory(file, file_size));
    TARN_ASSIGN(const std::string text, read(file, directory.at, directory.size));
    std::vector<ZipMember> members;
    std::string_view rest = text;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
        const std::uint64_t at = directory.at + (text.size() - rest.size());
        if (rest.size() < entry_bytes || !rest.starts_with("PK\x01\x02"))
            return damaged(at, "expected an entry of the directory");
        const std::uint64_t name = little(rest, 28, 2), extra = little(rest, 30, 2),
                            note = little(rest, 32, 2);
        if (rest.size() - entry_bytes < name + extra + note)
            return damaged(at, "an entry of the directory is cut off");
        ZipMember member{.name = std::string(rest.substr(entry_bytes, name)),
                         .header_at = little(rest, 42, 4),
                         .packed_size = little(rest, 20, 4),
                         .size = little(rest, 24, 4),
                         .crc = static_cast<std::uint32_t>(little(rest, 16, 4)),
                         .method = static_cast<std::uint16_t>(little(rest, 10, 2)),
                         .is_encrypted = (little(rest, 8, 2) & 1) != 0};
        read_zip64(rest.substr(entry_bytes + name, extra), member);
        while (member.name.starts_with("./")) member.name.erase(0, 2);
        if (!member.name.empty() && !member.name.ends_with('/')) members.push_back(std::move(member));
        rest.remove_prefix(entry_bytes + name + extra + note);
    }
    return members;
}

Result<std::uint64_t> zip_data_begin(const os::File& file, const ZipMember& member) {
    TARN_ASSIGN(const std::uint64_t file_size, file.size());
    if (member.header_at > file_size || file_size - member.header_at < local_bytes)
        return damaged(member.header_at, "the member lies outside of it");
    TARN_ASSIGN(const std::string header, read(file, member.header_at, local_bytes));
    if (!header.starts_with("PK\x03\x04")) return damaged(member.header_at, "expected a member");
    const std::uint64_t begin =
        member.header_at + local_bytes + little(header, 26, 2) + little(header, 28, 2);
    if (begin > file_size || member.packed_size > file_size - begin)
        return damaged(member.header_at, "the member goes on behind its end");
    return begin;
}

}  // namespace tarn::capture
