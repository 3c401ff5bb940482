#include "capture/unpack.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "codec/zstd.h"

namespace tarn::capture {
namespace {

constexpr std::size_t block_bytes = 1u << 20;
// What unpacks to less is kept from the check instead of being unpacked twice.
constexpr std::size_t held_bytes = 8u << 20;

Failure unreadable(const std::string& path, const Error& error) {
    return fail(Code::unreadable_source, fmt::format("{}: {}", path, error.message),
                {.place = {.source = path}});
}

}  // namespace

Unpacked FileBytes::read(const OnPiece& on_piece) {
    const auto file = fs_.open(path_, os::OpenMode::read);
    if (!file) return {unreadable(path_, file.error()), {}};
    const auto size = (*file)->size();
    if (!size) return {unreadable(path_, size.error()), {}};
    // Small files are many: no block is larger than its file.
    std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, *size + 1)), '\0');
    for (std::uint64_t at = 0;;) {
        const auto read = (*file)->read_at(at, block);
        if (!read) return {unreadable(path_, read.error()), {}};
        if (*read == 0) return {};
        at += *read;
        if (Status taken = on_piece(std::string_view(block.data(), *read)); !taken) return {{}, taken};
        if (*read < block.size()) return {};  // the end, as the file is now
    }
}

Unpacked SourceReader::read(std::uint64_t& bytes_read, const OnPiece& on_piece) {
    if (right_) return unpack_checked(on_piece);
    const bool count = !counted_;
    bool begun = false;
    bool packed = false;
    Unpacked plain = bytes_.read([&](std::string_view piece) -> Status {
        TARN_TRY(stopped_());
        if (!std::exchange(begun, true) && codec::is_packed(piece)) {
            packed = true;
            return fail(Code::interrupted, "it is read in another way");
        }
        counted_ = true;
        if (count) bytes_read += piece.size();
        return on_piece(piece);
    });
    if (!packed) return plain;
    Unpacked checked = check(bytes_read);
    return checked.consumer ? unpack_checked(on_piece) : checked;
}

// The consumer's error of its answer is that of `stopped`.
Unpacked SourceReader::check(std::uint64_t& bytes_read) {
    held_.clear();
    holds_all_ = true;
    std::uint64_t all = 0;
    std::uint64_t checked = 0;
    Unpacked read = unpack(
        &bytes_read,
        [&](std::string_view piece) -> Status {
            all += piece.size();
            holds_all_ = holds_all_ && held_.size() + piece.size() <= held_bytes;
            if (holds_all_) held_.append(piece);
            return {};
        },
        checked);
    if (!read.consumer) return read;
    if (!holds_all_) std::string().swap(held_);
    const bool is_cut_off = !read.file && checked == UINT64_MAX;
    right_ = read.file || is_cut_off ? all : checked;
    file_ = std::move(read.file);
    return {};
}

Unpacked SourceReader::unpack_checked(const OnPiece& on_piece) {
    if (holds_all_) {
        std::string_view rest = std::string_view(held_).substr(0, static_cast<std::size_t>(*right_));
        for (; !rest.empty(); rest.remove_prefix(std::min(rest.size(), block_bytes)))
            if (Status taken = on_piece(rest.substr(0, block_bytes)); !taken) return {{}, taken};
        return {file_, {}};
    }
    std::uint64_t left = *right_;
    std::uint64_t checked = 0;
    bool ended = false;
    const Unpacked read = unpack(
        nullptr,
        [&](std::string_view piece) -> Status {
            piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left)));
            left -= piece.size();
            if (!piece.empty()) TARN_TRY(on_piece(piece));
            ended = left == 0 && !file_;
            return ended ? fail(Code::interrupted, "the rest is damaged") : Status();
        },
        checked);
    if (!ended && !read.consumer) return read;
    // It has changed since the check when it says less now.
    if (left > 0 && !read.file) return read;
    return {file_, {}};
}

// One pass. `checked` says how much of the output belongs to members that have ended; all (UINT64_MAX) when
// the data is not wrong but cut off.
Unpacked SourceReader::unpack(std::uint64_t* bytes_read, const OnPiece& on_piece, std::uint64_t& checked) {
    std::unique_ptr<codec::Unpacker> unpacker;
    Status consumer;
    const auto sink = [&](std::string_view piece) -> Status {
        consumer = on_piece(piece);
        return consumer;
    };
    const bool count = bytes_read != nullptr && !std::exchange(counted_, true);
    Unpacked read = bytes_.read([&](std::string_view piece) -> Status {
        consumer = stopped_();
        if (!consumer) return consumer;  // kept: TARN_TRY would move the error out
        if (count) *bytes_read += piece.size();
        if (unpacker == nullptr) unpacker = codec::make_unpacker(piece);
        return unpacker->feed(piece, sink);
    });
    if (!consumer) return {{}, consumer};
    if (!read.file || unpacker == nullptr) return {std::move(read.file), {}};
    checked = unpacker->checked_bytes();
    if (!read.consumer) return {damaged(read.consumer.error()), {}};
    const Status finished = unpacker->finish();
    if (finished) return {};
    checked = UINT64_MAX;
    return {damaged(finished.error()), {}};
}

Failure SourceReader::damaged(const Error& error) const {
    return fail(Code::truncated_archive, fmt::format("{}: {}", path_, error.message),
                {.place = {.source = path_, .byte = error.place.byte}});
}

}  // namespace tarn::capture
