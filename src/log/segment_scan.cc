#include "log/segment_scan.h"

#include <algorithm>

namespace tarn::log {
namespace {

constexpr std::uint64_t search_step = 256 << 10;

bool all_zero(std::string_view bytes) {
    return std::ranges::all_of(bytes, [](char c) { return c == 0; });
}

}  // namespace

void SegmentScan::reset(const os::File& file, SegmentId id, std::uint64_t end) {
    window_.reset(file, end);
    id_ = id;
    position_ = data_begin;
}

SegmentScan::Found SegmentScan::invalid(const char* why) {
    why_ = why;
    return Found::invalid;
}

Result<bool> SegmentScan::at_clean_end() {
    TARN_ASSIGN(const std::string_view mark, window_.view(position_, end_mark_bytes));
    return all_zero(mark);
}

Result<SegmentScan::Found> SegmentScan::next(Expected& expected, RecordHead& head, RecordView& view) {
    TARN_ASSIGN(const std::string_view fixed, window_.view(position_, head_bytes));
    if (!decode_head(fixed, head)) {
        TARN_ASSIGN(const bool clean, at_clean_end());
        return clean ? Found::clean_end : invalid("no record begins here");
    }
    if (!id_.owns(head)) return invalid("the record belongs to another segment");
    if (head.length > window_.end() - position_) return invalid("the record reaches beyond the end");
    TARN_ASSIGN(const std::string_view record, window_.view(position_, head.length));
    if (record.size() < head.length) return invalid("the file is shorter than the record");
    if (!head_verifies(head, record)) return invalid("the record's header does not fit its checksum");
    if (expected.sequence && *expected.sequence != head.first_sequence)
        return invalid("the sequence does not continue");
    if (expected.chain && chain_of(head, *expected.chain, record.data()) != head.chain) {
        return invalid("the chain is broken");
    }
    if (!payloads_verify(head, record)) return invalid("the payloads do not fit their checksum");
    if (!read_record(head, record, view)) return invalid("the entry table does not add up");
    expected.sequence = head.end_sequence();
    expected.chain = head.chain;
    position_ += head.length;
    return Found::record;
}

Result<std::optional<std::uint64_t>> SegmentScan::find_start(std::uint64_t from) {
    for (std::uint64_t at = padded(from); at + head_bytes <= window_.end();) {
        TARN_ASSIGN(const std::string_view bytes, window_.view(at, search_step));
        if (bytes.size() < 40) break;
        const std::uint64_t last = (bytes.size() - 40) & ~std::uint64_t{7};
        for (std::uint64_t i = 0; i <= last; i += 8) {
            if (load<std::uint32_t>(bytes.data() + i) != record_magic) continue;
            RecordHead head;
            head.incarnation = load<std::uint32_t>(bytes.data() + i + 12);
            head.segment = load<std::uint64_t>(bytes.data() + i + 32);
            if (id_.owns(head)) return std::optional(at + i);
        }
        at += last + 8;
    }
    return std::optional<std::uint64_t>();
}

Result<std::optional<RecordHead>> SegmentScan::head_at(std::uint64_t position) {
    RecordHead head;
    TARN_ASSIGN(const std::string_view fixed, window_.view(position, head_bytes));
    if (!decode_head(fixed, head) || !id_.owns(head) || head.length > window_.end() - position) {
        return std::optional<RecordHead>();
    }
    TARN_ASSIGN(const std::string_view bytes, window_.view(position, head.payloads_begin()));
    if (!head_verifies(head, bytes)) return std::optional<RecordHead>();
    return std::optional(head);
}

Result<std::optional<SegmentScan::Record>> SegmentScan::find_record(std::uint64_t from, Sequence at_least) {
    for (std::uint64_t at = from;;) {
        TARN_ASSIGN(const auto start, find_start(at));
        if (!start) return std::optional<Record>();
        TARN_ASSIGN(const auto head, head_at(*start));
        if (head && head->first_sequence >= at_least) {
            TARN_ASSIGN(const std::string_view record, window_.view(*start, head->length));
            if (record.size() == head->length && payloads_verify(*head, record))
                return std::optional(Record{*start, *head});
        }
        at = *start + 8;
    }
}

Result<std::uint64_t> SegmentScan::find_end_mark(std::uint64_t from) {
    for (std::uint64_t at = padded(from); at + end_mark_bytes <= window_.end();) {
        TARN_ASSIGN(const std::string_view bytes, window_.view(at, search_step));
        if (bytes.size() < end_mark_bytes) break;
        const std::uint64_t last = (bytes.size() - end_mark_bytes) & ~std::uint64_t{7};
        for (std::uint64_t i = 0; i <= last; i += 8) {
            if (all_zero(bytes.substr(i, end_mark_bytes))) return at + i;
        }
        at += last + 8;
    }
    return window_.end();
}

}  // namespace tarn::log
