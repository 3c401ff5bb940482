#include "lake/pending.h"

#include "log/reader.h"

namespace tarn::lake {

namespace {
constexpr std::uint64_t line_overhead_bytes = 100;  // position, sequence, time and punctuation of a line
}

void PendingTracker::begin(std::map<StreamId, Sequence> rolled) {
    const std::lock_guard lock(mutex_);
    rolled_ = std::move(rolled);
    end_ = 0;
}

void PendingTracker::count(StreamId stream, const log::Arrivals::Events& events) {
    PendingEvents& pending = pending_[stream];
    if (pending.events == 0) {
        pending.first_sequence = events.first_sequence;
        pending.oldest_ingested = events.first_ingested;
        pending.noticed_us = clock_.monotonic_us();
    }
    pending.events += events.events;
    pending.bytes += events.bytes + events.events * line_overhead_bytes;
}

Status PendingTracker::read_until(Sequence until) {
    const log::Tail tail = log_.tail(end());
    log::Reader reader(fs_, tail.extents);
    log::RecordView record;
    for (;;) {
        TARN_ASSIGN(const bool more, reader.next(record));
        if (!more || record.first_sequence >= until) break;
        const std::lock_guard lock(mutex_);
        const auto known = rolled_.find(record.stream);
        const Sequence first = std::max(end_, known == rolled_.end() ? 0 : known->second);
        for (const event::StoredEvent& event : record.events)
            if (event.sequence >= first)
                count(record.stream,
                      {1, event.meta.size() + event.payload.size(), event.sequence, event.ingested});
        end_ = std::max(end_, record.first_sequence + record.events.size());
    }
    const std::lock_guard lock(mutex_);
    end_ = std::max(end_, until);
    return {};
}

Status PendingTracker::catch_up() {
    const Sequence wanted = log_.durable_end();
    while (end() < wanted) {
        if (!told_) told_ = log_.take_arrivals();
        if (end() < told_->from) TARN_TRY(read_until(told_->from));
        const std::lock_guard lock(mutex_);
        for (const auto& [stream, events] : told_->streams) count(stream, events);
        end_ = std::max(end_, told_->until);
        told_.reset();
    }
    return {};
}

void PendingTracker::rolled(StreamId stream, Sequence until) {
    const std::lock_guard lock(mutex_);
    rolled_[stream] = std::max(rolled_[stream], until);
    pending_.erase(stream);
}

void PendingTracker::forget(StreamId stream) {
    const std::lock_guard lock(mutex_);
    pending_.erase(stream);
}

std::map<StreamId, PendingEvents> PendingTracker::pending() const {
    const std::lock_guard lock(mutex_);
    return pending_;
}

Sequence PendingTracker::end() const {
    const std::lock_guard lock(mutex_);
    return end_;
}

Sequence PendingTracker::start_of(StreamId stream, Sequence rolled_sequence) const {
    const std::lock_guard lock(mutex_);
    const auto pending = pending_.find(stream);
    return std::max(rolled_sequence, pending == pending_.end() ? end_ : pending->second.first_sequence);
}

}  // namespace tarn::lake
