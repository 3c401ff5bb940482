// Reads a source and unpacks .gz and .zst, recognised by content.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::capture {

using OnPiece = std::function<Status(std::string_view)>;

// What became of reading. At most one of the two has failed.
struct Unpacked {
    Status file;      // unreadable_source, truncated_archive: what came before was given to `on_piece`
    Status consumer;  // the error on_piece returned: reading stopped there
};

// The bytes of a source as they lie somewhere, packed or not. They can be read again and again.
class Bytes {
public:
    virtual ~Bytes() = default;
    virtual Unpacked read(const OnPiece& on_piece) = 0;
};

class FileBytes final : public Bytes {
public:
    FileBytes(os::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    Unpacked read(const OnPiece& on_piece) override;

private:
    os::FileSystem& fs_;
    const std::string path_;
};

// Gives the unpacked bytes, of which every one is right. The checksum of packed data stands behind it, and a
// damaged byte goes on for a while as wrong output before anything is noticed; so packed data is unpacked to
// its end once before any of it is given away. Then it gives
//   all of it when it is whole,
//   all there is when it is cut off,
//   the members before the damaged one (most files have one member only) when it is damaged.
// Single-threaded.
class SourceReader {
public:
    // `path` is for messages. Errors of `stopped` end a read as the consumer's.
    SourceReader(Bytes& bytes, std::string path, std::function<Status()> stopped)
        : bytes_(bytes), path_(std::move(path)), stopped_(std::move(stopped)) {}

    // Adds what it reads to `bytes_read`, the first time only. An empty source gives no piece.
    Unpacked read(std::uint64_t& bytes_read, const OnPiece& on_piece);

private:
    Unpacked check(std::uint64_t& bytes_read);
    Unpacked unpack_checked(const OnPiece& on_piece);
    Unpacked unpack(std::uint64_t* bytes_read, const OnPiece& on_piece, std::uint64_t& checked);
    Failure damaged(const Error& error) const;

    Bytes& bytes_;
    const std::string path_;
    const std::function<Status()> stopped_;
    // After the check of a packed source:
    std::optional<std::uint64_t> right_;  // so many unpacked bytes are right
    Status file_;                         // what is wrong with the rest
    std::string held_;                    // all of them, when they are few
    bool holds_all_ = false;
    bool counted_ = false;
};

}  // namespace tarn::capture
