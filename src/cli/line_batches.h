// Cuts the lines that a put reads into requests: whole lines, neither too many bytes nor too many events in
// one. Where it cuts depends on the bytes alone and not on how they arrived, so that the same input under the
// same idempotency key gives the same requests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::cli {

class LineBatches {
public:
    struct Limits {
        std::size_t bytes;
        std::size_t lines;
    };
    struct Batch {
        std::string body;
        std::uint64_t lines = 0;
    };
    explicit LineBatches(Limits limits) : limits_(limits) {}

    void add(std::string_view bytes);
    bool has_line() const { return whole_ != 0; }
    // A batch is as large as batches become: more input will not change it.
    bool has_full_batch() const { return has_line() && waiting_.size() >= limits_.bytes; }
    // As many whole lines as the limits allow, at least one when there is one.
    Batch take();
    // The line that has no LF yet.
    std::size_t unfinished_bytes() const { return waiting_.size() - whole_; }
    Batch take_unfinished();

private:
    const Limits limits_;
    std::string waiting_;
    std::size_t whole_ = 0;  // how much of it are whole lines
};

}  // namespace tarn::cli
