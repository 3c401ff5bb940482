#include "lake/tail_cursor.h"

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

// Extents are read one by one, so that damage in one costs no more than the rest of it.
Result<bool> TailCursor::next_record() {
    for (;;) {
        if (reader_ == nullptr) {
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
