#include "capture/tar_scanner.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace tarn::capture {
namespace {

constexpr std::size_t block_bytes = 512;
constexpr std::uint64_t max_text_bytes = 1u << 20;  // of a long name or a pax header

std::string_view until_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

// Octal digits between blanks and NUL, or GNU's big-endian number with the first bit set.
std::optional<std::uint64_t> number(std::string_view field) {
    if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
        std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x3F;
        for (const char c : field.substr(1)) {
            if ((value >> 55) != 0) return std::nullopt;
            value = (value << 8) | static_cast<unsigned char>(c);
        }
        return value;
    }
    field = until_nul(field);
    while (field.starts_with(' ')) field.remove_prefix(1);
    while (field.ends_with(' ')) field.remove_suffix(1);
    std::uint64_t value = 0;
    if (field.empty()) return value;
    const auto [end, problem] = std::from_chars(field.data(), field.data() + field.size(), value, 8);
    if (problem != std::errc() || end != field.data() + field.size()) return std::nullopt;
    return value;
}

// The sum of all bytes, the field of the sum itself taken as blanks.
std::uint64_t checksum(std::string_view header) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i)
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    return sum;
}

std::string name_in(std::string_view header) {
    const std::string name(until_nul(header.substr(0, 100)));
    const std::string_view prefix = until_nul(header.substr(345, 155));
    // GNU's own magic has other things in the place of the prefix.
    if (header.substr(257, 6) != std::string_view("ustar\0", 6) || prefix.empty()) return name;
    return std::string(prefix) + "/" + name;
}

std::string without_dot(std::string name) {
    while (name.starts_with("./")) name.erase(0, 2);
    return name;
}

}  // namespace

Status TarScanner::feed(std::string_view bytes) {
    while (!bytes.empty() && !ended_) {
        if (part_ == Part::header) {
            const std::size_t wanted = std::min(bytes.size(), block_bytes - block_.size());
            block_.append(bytes.substr(0, wanted));
            bytes.remove_prefix(wanted);
            seen_ += wanted;
            if (block_.size() == block_bytes) TARN_TRY(header());
            continue;
        }
        const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
        if (part_ == Part::long_name || part_ == Part::pax) block_.append(bytes.substr(0, taken));
        left_ -= taken;
        const auto skipped =
            left_ > 0 ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size() - taken, padding_));
        padding_ -= skipped;
        bytes.remove_prefix(taken + skipped);
        seen_ += taken + skipped;
        if (left_ == 0 && padding_ == 0) TARN_TRY(end_of_part());
    }
    return {};
}

Status TarScanner::finish() const {
    if (ended_ || (part_ == Part::header && block_.empty())) return {};
    if (part_ == Part::file)
        return fail(Code::truncated_archive,
                    fmt::format("the tar is cut off after {} bytes, within {}", seen_, member_.name),
                    {.place = {.source = {}, .byte = seen_}});
    return fail(Code::truncated_archive, fmt::format("the tar is cut off after {} bytes", seen_),
                {.place = {.source = {}, .byte = seen_}});
}

Status TarScanner::header() {
    const std::string header = std::move(block_);
    block_.clear();
    block_at_ = seen_ - block_bytes;
    if (header.find_first_not_of('\0') == std::string::npos) {
        ended_ = true;
        return {};
    }
    const auto sum = number(std::string_view(header).substr(148, 8));
    if (!sum || *sum != checksum(header)) return damaged("expected the header of a member");
    const auto size = number(std::string_view(header).substr(124, 12));
    if (!size) return damaged("the size of a member is not a number");
    return begin(header, *size);
}

Status TarScanner::begin(std::string_view header, std::uint64_t size) {
    const char type = header[156];
    const bool is_file = type == '0' || type == '\0' || type == '7' || type == 'S';
    if (type == 'L')
        part_ = Part::long_name;
    else if (type == 'x')
        part_ = Part::pax;
    else
        part_ = is_file ? Part::file : Part::other;
    if (type == 'L' || type == 'x') {
        if (size > max_text_bytes) return damaged("a name of more than 1 MiB");
    } else {
        if (has_long_size_) size = long_size_;
        std::string name = long_name_.empty() ? name_in(header) : std::move(long_name_);
        member_ = {without_dot(std::move(name)), seen_, size, is_sparse_ || type == 'S'};
        // Old archives mark a directory by its name alone; links and directories have no bytes.
        if (is_file && member_.name.ends_with('/')) part_ = Part::other;
        if (type == '1' || type == '2' || type == '5') size = 0;
        if (type != 'K' && type != 'g') {
            long_name_.clear();
            has_long_size_ = is_sparse_ = false;
        }
    }
    constexpr std::uint64_t most = std::uint64_t{1} << 62;
    if (size > most) return damaged("the size of a member is impossible");
    left_ = size;
    padding_ = (block_bytes - size % block_bytes) % block_bytes;
    return size == 0 ? end_of_part() : Status();
}

Status TarScanner::end_of_part() {
    const Part part = std::exchange(part_, Part::header);
    if (part == Part::file) on_member_(std::move(member_));
    if (part == Part::long_name) long_name_ = until_nul(block_);
    Status read;
    if (part == Part::pax) read = read_pax();
    block_.clear();
    return read;
}

// Records "LENGTH KEY=VALUE\n".
Status TarScanner::read_pax() {
    std::string_view rest = block_;
    while (!rest.empty()) {
        std::size_t length = 0;
        const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), length);
        const auto digits = static_cast<std::size_t>(end - rest.data());
        if (problem != std::errc() || length > rest.size() || length < digits + 2 || *end != ' ' ||
            rest[length - 1] != '\n')
            return damaged("a pax header is not as it must be");
        const std::string_view record = rest.substr(digits + 1, length - digits - 2);
        rest.remove_prefix(length);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos) return damaged("a pax header is not as it must be");
        const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
        if (key == "path") long_name_ = until_nul(value);
        if (key.starts_with("GNU.sparse.")) is_sparse_ = true;
        if (key != "size") continue;
        const auto [last, bad] = std::from_chars(value.data(), value.data() + value.size(), long_size_);
        if (bad != std::errc() || last != value.data() + value.size())
            return damaged("the size of a member is not a number");
        has_long_size_ = true;
    }
    return {};
}

Failure TarScanner::damaged(std::string_view what) const {
    return fail(Code::truncated_archive, fmt::format("the tar is damaged at byte {}: {}", block_at_, what),
                {.place = {.source = {}, .byte = block_at_}});
}

}  // namespace tarn::capture
