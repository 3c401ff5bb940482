// Archive over .zip.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "capture/archive.h"
#include "capture/zip_directory.h"
#include "codec/zstd.h"

namespace tarn::capture {
namespace {

constexpr std::size_t block_bytes = 1u << 20;

class ZipArchive final : public Archive {
public:
    ZipArchive(os::FileSystem& fs, std::string path, std::function<Status()> stopped)
        : fs_(fs), path_(std::move(path)), stopped_(std::move(stopped)) {}

    void read_index(std::uint64_t& bytes_read) {
        damage_ = read_members(bytes_read);
        std::ranges::stable_sort(members_, {}, &ZipMember::name);
    }

    std::size_t size() const override { return members_.size(); }
    const std::string& name(std::size_t member) const override { return members_[member].name; }
    const Status& damage() const override { return damage_; }

private:
    Status read_members(std::uint64_t& bytes_read) {
        auto file = fs_.open(path_, os::OpenMode::read);
        if (!file) return unreadable(path_, file.error());
        file_ = std::move(*file);
        if (const auto size = file_->size()) bytes_read += *size;
        auto members = read_zip_directory(*file_);
        if (!members) return unreadable(path_, members.error());
        members_ = std::move(*members);
        return {};
    }

    // The checksum stands with the member and counts at its end: a member is unpacked once to be checked and
    // once more to be given away.
    Unpacked read(std::size_t index, const OnPiece& on_piece) override {
        const ZipMember& member = members_[index];
        if (!checked_.contains(index)) {
            Unpacked checked = unpack(member, [](std::string_view) -> Status { return {}; });
            if (!checked.file || !checked.consumer) return checked;
            checked_.insert(index);
        }
        return unpack(member, on_piece);
    }

    Unpacked unpack(const ZipMember& member, const OnPiece& on_piece) {
        const std::string where = path_ + "/" + member.name;
        if (member.is_encrypted || (member.method != 0 && member.method != 8))
            return {fail(Code::unreadable_source,
                         fmt::format("{}: {}", where,
                                     member.is_encrypted
                                         ? "it is encrypted"
                                         : fmt::format("packed by method {}: expected none or deflate",
                                                       member.method)),
                         {.place = {.source = where}, .next = "pack it again without"}),
                    {}};
        const auto begin = zip_data_begin(*file_, member);
        if (!begin) return {unreadable(where, begin.error()), {}};

        std::uint64_t size = 0;
        std::uint32_t crc = 0;
        Status consumer;
        const auto sink = [&](std::string_view piece) -> Status {
            size += piece.size();
            if (size > member.size) return fail(Code::truncated_archive, "more bytes than its entry says");
            crc = codec::crc32_of(piece, crc);
            consumer = on_piece(piece);
            return consumer;
        };
        Status done = unpack_data(*begin, member, sink, consumer);
        if (!consumer) return {{}, consumer};
        if (done && (size != member.size || crc != member.crc))
            done = fail(Code::truncated_archive, "its size or checksum is not what its entry says");
        if (done) return {};
        Error error = done.error();
        error.message = fmt::format("the member at byte {} is damaged: {}", member.header_at, error.message);
        error.place.byte = member.header_at;
        return {unreadable(where, error), {}};
    }

    Status unpack_data(std::uint64_t at, const ZipMember& member, const OnPiece& sink, Status& consumer) {
        const auto unpacker =
            member.method == 0 ? codec::make_plain_unpacker() : codec::make_deflate_unpacker();
        std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes, member.packed_size)),
                          '\0');
        for (std::uint64_t left = member.packed_size; left > 0;) {
            consumer = stopped_();
            if (!consumer) return consumer;  // kept: TARN_TRY would move the error out
            const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, block.size()));
            TARN_ASSIGN(const std::size_t got, file_->read_at(at, std::span<char>(block).first(wanted)));
            if (got == 0) return fail(Code::truncated_archive, "the file ends within it");
            TARN_TRY(unpacker->feed(std::string_view(block).substr(0, got), sink));
            at += got;
            left -= got;
        }
        return unpacker->finish();
    }

    static Failure unreadable(const std::string& where, const Error& error) {
        const Code code =
            error.code == Code::truncated_archive ? Code::truncated_archive : Code::unreadable_source;
        return fail(code, fmt::format("{}: {}", where, error.message),
                    {.place = {.source = where, .byte = error.place.byte}});
    }

    os::FileSystem& fs_;
    const std::string path_;
    const std::function<Status()> stopped_;
    std::unique_ptr<os::File> file_;
    std::vector<ZipMember> members_;  // by name
    std::set<std::size_t> checked_;
    Status damage_;
};

}  // namespace

Result<std::unique_ptr<Archive>> open_zip(os::FileSystem& fs, const std::string& path,
                                          std::function<Status()> stopped, std::uint64_t& bytes_read) {
    auto archive = std::make_unique<ZipArchive>(fs, path, std::move(stopped));
    archive->read_index(bytes_read);
    return archive;
}

}  // namespace tarn::capture
