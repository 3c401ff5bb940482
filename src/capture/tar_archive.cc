// Archive over .tar, packed or not.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>

#include "capture/archive.h"
#include "capture/tar_scanner.h"

namespace tarn::capture {
namespace {

// A packed archive can only be read from its beginning, and its members need not stand in the order of their
// names. So many bytes of members, consecutive by name, are gathered in one pass.
constexpr std::uint64_t window_bytes = 64u << 20;

class TarArchive final : public Archive {
public:
    TarArchive(os::FileSystem& fs, std::string path, std::function<Status()> stopped)
        : path_(std::move(path)), file_(fs, path_), reader_(file_, path_, std::move(stopped)) {}

    Status read_index(std::uint64_t& bytes_read) {
        TarScanner scanner([&](TarMember member) { members_.push_back(std::move(member)); });
        Status broken;
        Unpacked read = reader_.read(bytes_read, [&](std::string_view piece) -> Status {
            broken = scanner.feed(piece);
            return broken;
        });
        if (!read.consumer && broken) return read.consumer;
        if (!read.file)
            damage_ = with_members(read.file.error());
        else if (Status ended = broken ? scanner.finish() : broken; !ended)
            damage_ = with_members(in_path(std::move(ended.error())));
        std::ranges::stable_sort(members_, {}, &TarMember::name);
        return {};
    }

    std::size_t size() const override { return members_.size(); }
    const std::string& name(std::size_t member) const override { return members_[member].name; }
    const Status& damage() const override { return damage_; }

private:
    Unpacked read(std::size_t index, const OnPiece& on_piece) override {
        const TarMember& member = members_[index];
        if (member.is_sparse)
            return {
                fail(Code::unreadable_source,
                     fmt::format("{}/{}: a sparse member: its bytes are not the file's", path_, member.name),
                     {.place = {.source = path_ + "/" + member.name},
                      .next = "pack it again without --sparse"}),
                {}};
        if (member.size > window_bytes) return stream(member, on_piece);
        if (!window_.contains(index))
            if (Unpacked loaded = load(index); !loaded.file || !loaded.consumer) return loaded;
        const std::string& bytes = window_[index];
        return {{}, bytes.empty() ? Status() : on_piece(bytes)};
    }

    Unpacked load(std::size_t first) {
        window_.clear();
        std::uint64_t total = 0;
        std::vector<std::size_t> wanted;
        for (std::size_t i = first; i < members_.size() && total + members_[i].size <= window_bytes; ++i) {
            total += members_[i].size;
            wanted.push_back(i);
            window_[i].reserve(static_cast<std::size_t>(members_[i].size));
        }
        std::ranges::sort(wanted, {}, [&](std::size_t i) { return members_[i].at; });
        std::size_t next = 0;
        return pass([&](std::uint64_t at, std::string_view piece) -> Result<bool> {
            for (std::size_t i = next; i < wanted.size(); ++i) {
                const TarMember& member = members_[wanted[i]];
                if (member.at >= at + piece.size()) break;
                window_[wanted[i]].append(part(member, at, piece));
                if (member.at + member.size <= at + piece.size()) next = i + 1;
            }
            return next < wanted.size();
        });
    }

    Unpacked stream(const TarMember& member, const OnPiece& on_piece) {
        return pass([&](std::uint64_t at, std::string_view piece) -> Result<bool> {
            if (const auto bytes = part(member, at, piece); !bytes.empty()) TARN_TRY(on_piece(bytes));
            return at + piece.size() < member.at + member.size;
        });
    }

    // Reads from the beginning until `fn` returns false.
    Unpacked pass(const std::function<Result<bool>(std::uint64_t, std::string_view)>& fn) {
        std::uint64_t at = 0, not_counted = 0;
        bool enough = false;
        Unpacked read = reader_.read(not_counted, [&](std::string_view piece) -> Status {
            TARN_ASSIGN(const bool more, fn(at, piece));
            at += piece.size();
            enough = !more;
            return more ? Status() : fail(Code::interrupted, "enough was read");
        });
        if (enough) return {};
        // Members that are listed are there: damage behind them is not theirs.
        return {{}, std::move(read.consumer)};
    }

    static std::string_view part(const TarMember& member, std::uint64_t at, std::string_view piece) {
        const std::uint64_t begin = std::max(at, member.at);
        const std::uint64_t end = std::min(at + piece.size(), member.at + member.size);
        if (begin >= end) return {};
        return piece.substr(static_cast<std::size_t>(begin - at), static_cast<std::size_t>(end - begin));
    }

    Error in_path(Error error) const {
        error.message = fmt::format("{}: {}", path_, error.message);
        error.place.source = path_;
        return error;
    }

    Status with_members(Error error) const {
        error.message += fmt::format("; the {} members before that were read", members_.size());
        return fail(std::move(error));
    }

    const std::string path_;
    FileBytes file_;
    SourceReader reader_;
    std::vector<TarMember> members_;  // by name
    Status damage_;
    std::map<std::size_t, std::string> window_;
};

}  // namespace

ArchiveKind archive_kind(std::string_view path) {
    constexpr std::array<std::string_view, 5> tars = {".tar", ".tgz", ".tar.gz", ".tar.zst", ".tzst"};
    for (const std::string_view suffix : tars)
        if (path.ends_with(suffix)) return ArchiveKind::tar;
    return path.ends_with(".zip") || path.ends_with(".jar") ? ArchiveKind::zip : ArchiveKind::none;
}

Result<std::unique_ptr<Archive>> open_tar(os::FileSystem& fs, const std::string& path,
                                          std::function<Status()> stopped, std::uint64_t& bytes_read) {
    auto archive = std::make_unique<TarArchive>(fs, path, std::move(stopped));
    TARN_TRY(archive->read_index(bytes_read));
    return archive;
}

}  // namespace tarn::capture
