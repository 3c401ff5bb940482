// Archives as sources: each regular file within is read as if it lay in a folder. Nothing is unpacked to
// disk.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "capture/unpack.h"

namespace tarn::capture {

enum class ArchiveKind { none, tar, zip };
// By the name: .tar, .tgz, .tar.gz, .tar.zst, .tzst; .zip, .jar.
ArchiveKind archive_kind(std::string_view path);

// Single-threaded.
class Archive {
public:
    virtual ~Archive() = default;
    // In byte order of the names; what stands twice keeps its order.
    virtual std::size_t size() const = 0;
    virtual const std::string& name(std::size_t member) const = 0;
    // The member's bytes, packed as it may itself be. Cheapest in ascending order. Valid until the next call.
    Bytes& open(std::size_t member) {
        bytes_.member = member;
        return bytes_;
    }
    // What is wrong with the archive behind the members that are listed: truncated_archive,
    // unreadable_source.
    virtual const Status& damage() const = 0;

protected:
    virtual Unpacked read(std::size_t member, const OnPiece& on_piece) = 0;

private:
    class MemberBytes final : public Bytes {
    public:
        explicit MemberBytes(Archive& archive) : archive_(archive) {}
        Unpacked read(const OnPiece& on_piece) override { return archive_.read(member, on_piece); }
        std::size_t member = 0;

    private:
        Archive& archive_;
    };
    MemberBytes bytes_{*this};
};

// `stopped` ends reading; its error is all that these fail with. Adds what is read to `bytes_read`, once.
Result<std::unique_ptr<Archive>> open_tar(os::FileSystem& fs, const std::string& path,
                                          std::function<Status()> stopped, std::uint64_t& bytes_read);
Result<std::unique_ptr<Archive>> open_zip(os::FileSystem& fs, const std::string& path,
                                          std::function<Status()> stopped, std::uint64_t& bytes_read);

}  // namespace tarn::capture
