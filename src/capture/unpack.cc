#include "capture/unpack.h"

#include <fmt/core.h>

#include <memory>
#include <string>

#include "codec/zstd.h"

namespace tarn::capture {
namespace {

constexpr std::size_t block_bytes = 1u << 20;

Failure unreadable(const SourceFile& source, const Error& error) {
    return fail(Code::unreadable_source, fmt::format("{}: {}", source.path, error.message));
}

Failure damaged(const SourceFile& source, const Error& error) {
    return fail(Code::truncated_archive, fmt::format("{}: {}", source.path, error.message));
}

Status refuse_zip(const SourceFile& source, std::string_view head) {
    if (!head.starts_with(std::string_view("PK\x03\x04", 4))) return {};
    return fail(Code::not_built,
                fmt::format("{}: importing from .zip archives is not built yet", source.path),
                {.next = "unpack it and import the directory"});
}

}  // namespace

Unpacked unpack(os::FileSystem& fs, const SourceFile& source, std::uint64_t& bytes_read,
                const OnPiece& on_piece) {
    Unpacked result;
    const auto file = fs.open(source.path, os::OpenMode::read);
    if (!file) return {unreadable(source, file.error()), {}};
    const auto size = (*file)->size();
    if (!size) return {unreadable(source, size.error()), {}};

    const auto sink = [&](std::string_view piece) -> Status {
        result.consumer = on_piece(piece);
        return result.consumer;
    };
    // Small files are many: no block is larger than its file.
    std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, *size + 1)), '\0');
    std::unique_ptr<codec::Unpacker> unpacker;
    for (std::uint64_t at = 0;;) {
        const auto read = (*file)->read_at(at, block);
        if (!read) return {unreadable(source, read.error()), {}};
        if (*read == 0) break;
        const std::string_view bytes(block.data(), *read);
        if (at == 0) {
            if (Status refused = refuse_zip(source, bytes); !refused) return {refused, {}};
            unpacker = codec::make_unpacker(bytes);
        }
        at += *read;
        bytes_read += *read;
        const Status fed = unpacker->feed(bytes, sink);
        if (!result.consumer) return result;
        if (!fed) return {damaged(source, fed.error()), {}};
        if (*read < block.size()) break;  // the end, as the file is now
    }
    if (unpacker == nullptr) return result;
    if (const Status finished = unpacker->finish(); !finished)
        result.file = damaged(source, finished.error());
    return result;
}

}  // namespace tarn::capture
