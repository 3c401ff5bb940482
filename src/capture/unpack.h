// Reads a source file in blocks and unpacks .gz and .zst, recognised by content.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "capture/sources.h"

namespace tarn::capture {

using OnPiece = std::function<Status(std::string_view)>;

// What became of reading one file. At most one of the two has failed.
struct Unpacked {
    Status file;  // unreadable_source, truncated_archive, not_built: what came before was given to `on_piece`
    Status consumer;  // the error on_piece returned: reading stopped there
};

// Adds what it reads from disk to `bytes_read`. An empty file gives no piece.
Unpacked unpack(os::FileSystem& fs, const SourceFile& source, std::uint64_t& bytes_read,
                const OnPiece& on_piece);

}  // namespace tarn::capture
