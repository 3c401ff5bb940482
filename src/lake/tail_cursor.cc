#include "lake/tail_cursor.h"

#include <fmt/core.h>

namespace tarn::lake {

bool TailCursor::takes(const event::StoredEvent& event) const {
    if (event.sequence < view_.rolled_sequence || event.sequence >= view_.tail.end_sequence) return false;
    if (!filter_.takes_partition(event.position.partition)) return false;
    return filter_.takes_sequence(event.sequence) &&
           filter_.takes_offset(event.position.partition, event.position.offset);
}

Status TailCursor::damaged(Error error) {
    if (!options_.skip_damage || error.kind != ErrorKind::corrupt) return fail(std::move(error));
    if (options_.on_damage) options_.on_damage(error);
    return {};
}

// What the gap hides from this reader, if anything: events that no object holds and that it would take.
std::optional<Error> TailCursor::missing_in(const log::Gap& gap) const {
    if (gap.until <= std::max(view_.rolled_sequence, options_.from_sequence) ||
        gap.first >= options_.until_sequence)
        return std::nullopt;
    std::string events;
    for (const log::Gap::Lost& lost : gap.lost) {
        if (lost.stream != view_.stream || !filter_.takes_partition(lost.partition)) continue;
        if (!filter_.takes_any_offset(lost.partition, lost.first, lost.last)) continue;
        events += events.empty() ? "" : ", ";
        events += event::position_text(lost.partition, lost.first);
        if (lost.last > lost.first) events += fmt::format(" to {}", lost.last);
    }
    if (events.empty() && !gap.others) return std::nullopt;
    const std::string some =
        fmt::format("up to {} events, of which some may be this stream's,", gap.until - gap.first);
    return make_error(Code::log_corrupt,
                      fmt::format("{}: {} cannot be read", gap.what, events.empty() ? some : events),
                      {.place = {.source = gap.path, .byte = gap.begin}, .next = "tarn fsck"});
}

// Each gap stands before an extent. Who wants certain offsets alone is told at the end, and of events that
// nobody knows only when something is still wanted.
Status TailCursor::report_gaps() {
    const auto& gaps = view_.tail.gaps;
    const bool at_end = next_extent_ == view_.tail.extents.size();
    if (filter_.wants_certain_offsets() && !at_end) return {};
    while (next_gap_ < gaps.size() && (at_end || gaps[next_gap_].extent <= next_extent_)) {
        std::optional<Error> missing = missing_in(gaps[next_gap_++]);
        if (missing && !filter_.all_given(counts_.events)) TARN_TRY(damaged(std::move(*missing)));
    }
    return {};
}

// Extents are read one by one, so that damage in one costs no more than the rest of it.
Result<bool> TailCursor::next_record() {
    for (;;) {
        if (reader_ == nullptr) {
            TARN_TRY(report_gaps());
            if (next_extent_ == view_.tail.extents.size()) return false;
            const log::Extent& extent = view_.tail.extents[next_extent_++];
            counts_.bytes_read += extent.end - extent.begin;
            reader_ = std::make_unique<log::Reader>(fs_, std::vector{extent});
        }
        auto more = reader_->next(record_);
        if (more && *more) return true;
        if (!more) TARN_TRY(damaged(std::move(more.error())));
        reader_.reset();
    }
}

Result<const event::StoredEvent*> TailCursor::next() {
    for (;;) {
        while (next_event_ < record_.events.size()) {
            const event::StoredEvent& event = record_.events[next_event_++];
            if (takes(event)) return &event;
        }
        record_.events.clear();
        next_event_ = 0;
        TARN_ASSIGN(const bool more, next_record());
        if (!more) return nullptr;
        if (record_.stream != view_.stream) record_.events.clear();
    }
}

}  // namespace tarn::lake
