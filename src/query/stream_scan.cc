#include "query/stream_scan.h"

#include <algorithm>
#include <utility>

namespace tarn::query {

void ReadState::add(const std::string& stream, std::uint64_t events,
                    const std::map<Partition, Offset>& last) {
    const std::scoped_lock lock(mutex_);
    events_ += events;
    auto& known = last_[stream];
    for (const auto& [partition, offset] : last) known[partition] = std::max(known[partition], offset);
}

void ReadState::add_damage(const Error& error) {
    const std::scoped_lock lock(mutex_);
    damage_.insert(error.text());
}

std::uint64_t ReadState::events() const {
    const std::scoped_lock lock(mutex_);
    return events_;
}

std::vector<std::string> ReadState::damage() const {
    const std::scoped_lock lock(mutex_);
    return {damage_.begin(), damage_.end()};
}

codec::Json ReadState::positions_json() const {
    const std::scoped_lock lock(mutex_);
    codec::Json out = codec::Json::object();
    for (const auto& [stream, partitions] : last_) {
        codec::Json offsets = codec::Json::object();
        for (const auto& [partition, offset] : partitions) offsets.set(std::to_string(partition), offset);
        out.set(stream, std::move(offsets));
    }
    return out;
}

// Objects one after the other, then the tail: merging by sequence would hold a frame of every partition, and
// SQL promises no order without ORDER BY anyway.
StreamScan::StreamScan(TableSource source, std::vector<bool> wanted, bool quarantine, std::size_t hash_column)
    : source_(std::move(source)), wanted_(std::move(wanted)) {
    options_.quarantine = quarantine;
    options_.in_sequence = false;
    options_.with_hash = wanted_[hash_column];
    options_.skip_damage = true;
    options_.on_damage = [&read = source_.read](const Error& error) { read.add_damage(error); };
}

Status StreamScan::open() {
    TARN_ASSIGN(scan_, lake::Scan::open(source_.store, source_.fs, source_.view, options_));
    return {};
}

Result<std::size_t> StreamScan::fill(duck::ChunkWriter& chunk) {
    if (scan_ == nullptr) TARN_TRY(open());
    const std::size_t capacity = chunk.capacity();
    std::size_t row = 0;
    for (; row < capacity; ++row) {
        TARN_ASSIGN(const event::StoredEvent* event, scan_->next());
        if (event == nullptr) break;
        set_row(chunk, row, *event);
        Offset& last = last_[event->position.partition];
        last = std::max(last, event->position.offset);
    }
    if (!options_.quarantine && row > 0) source_.read.add(source_.view.name, row, last_);
    return row;
}

}  // namespace tarn::query
