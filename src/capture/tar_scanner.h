// Reads a .tar while its bytes stream by: ustar, pax and GNU long names. Nothing is unpacked to disk, so
// names are only names.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::capture {

struct TarMember {
    std::string name;      // without a leading ./
    std::uint64_t at = 0;  // where its bytes begin in the archive
    std::uint64_t size = 0;
    bool is_sparse = false;  // its bytes are not its content: cannot be read
};

// Regular files only; directories, links (what they lead to is a member of its own) and devices are passed
// over. Memory is bounded by one name. Single-threaded.
class TarScanner {
public:
    // A member is told when its last byte has come.
    explicit TarScanner(std::function<void(TarMember)> on_member) : on_member_(std::move(on_member)) {}

    // truncated_archive with the byte when it is not a tar from there on.
    Status feed(std::string_view bytes);
    // truncated_archive when it ends within a member.
    Status finish() const;
    bool ended() const { return ended_; }  // what follows is padding

private:
    enum class Part { header, long_name, pax, other, file };
    Status header();
    Status begin(std::string_view header, std::uint64_t size);
    Status end_of_part();
    Status read_pax();
    Failure damaged(std::string_view what) const;

    std::function<void(TarMember)> on_member_;
    std::uint64_t seen_ = 0;      // bytes fed
    std::uint64_t block_at_ = 0;  // where the header under way begins
    std::string block_;           // a header, or the text of a long name
    Part part_ = Part::header;
    std::uint64_t left_ = 0;     // of the part's bytes
    std::uint64_t padding_ = 0;  // after them
    TarMember member_;
    std::string long_name_;  // for the next member
    std::uint64_t long_size_ = 0;
    bool has_long_size_ = false, is_sparse_ = false;
    bool ended_ = false;
};

}  // namespace tarn::capture
