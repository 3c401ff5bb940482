#include "lake/roll_draft.h"

#include <fmt/core.h>

#include "codec/hash.h"

namespace tarn::lake {

namespace {

constexpr std::int64_t hour_us = 3'600'000'000;
constexpr std::int64_t day_us = 24 * hour_us;

std::int64_t floor_of(Time time, std::int64_t unit_us) {
    const std::int64_t whole = time.us / unit_us;
    return time.us % unit_us < 0 ? whole - 1 : whole;
}

}  // namespace

std::string object_name(const std::string& stream_name, const catalog::ObjectInfo& info) {
    const std::string day = day_of(info.first_ingested);
    if (info.partition == quarantine_partition)
        return fmt::format("quarantine/{}~{}/dt={}/{}-{}.ndjson.zst", stream_name, info.stream.value, day,
                           info.first, info.last);
    return fmt::format("raw/{}~{}/dt={}/hh={}/{}-{}-{}.ndjson.zst", stream_name, info.stream.value, day,
                       hour_of(info.first_ingested), info.partition, info.first, info.last);
}

bool ObjectDraft::is_closed_to(const event::StoredEvent& event) const {
    const std::int64_t unit_us = info_.partition == quarantine_partition ? day_us : hour_us;
    return builder_.raw_bytes() >= object_target_bytes ||
           floor_of(event.ingested, unit_us) != floor_of(info_.first_ingested, unit_us);
}

void ObjectDraft::note_type(std::string_view type) {
    if (types_.size() > most_types_kept || types_.contains(type)) return;
    types_.emplace(type);
}

void ObjectDraft::note_key(const std::optional<std::string_view>& key) {
    if (!key) all_have_keys_ = false;
    if (!all_have_keys_) return;
    if (info_.events == 0 || *key < info_.min_key) info_.min_key = *key;
    if (info_.events == 0 || *key > info_.max_key) info_.max_key = *key;
}

void ObjectDraft::add(const event::StoredEvent& event, const event::Meta& meta) {
    builder_.add(event, meta.time);
    note_key(meta.key);
    note_type(meta.type);
    if (info_.events == 0) {
        info_.stream = event.position.stream;
        info_.partition = event.position.partition;
        info_.first = event.position.offset;
        info_.first_sequence = event.sequence;
        info_.first_ingested = info_.last_ingested = event.ingested;
        info_.min_time = info_.max_time = meta.time;
    }
    info_.last = event.position.offset;
    info_.last_sequence = event.sequence;
    info_.first_ingested = std::min(info_.first_ingested, event.ingested);
    info_.last_ingested = std::max(info_.last_ingested, event.ingested);
    info_.min_time = std::min(info_.min_time, meta.time);
    info_.max_time = std::max(info_.max_time, meta.time);
    ++info_.events;
}

std::pair<std::string, catalog::ObjectInfo> ObjectDraft::finish(const std::string& stream_name) {
    info_.raw_bytes = builder_.raw_bytes();
    std::string bytes = builder_.finish();
    info_.name = object_name(stream_name, info_);
    info_.bytes = bytes.size();
    info_.sha256 = codec::sha256_hex(bytes);
    if (types_.size() <= most_types_kept) info_.types.assign(types_.begin(), types_.end());
    if (!all_have_keys_) info_.min_key = info_.max_key = "";
    catalog::ObjectInfo info = std::exchange(info_, {});
    types_.clear();
    all_have_keys_ = true;
    return {std::move(bytes), std::move(info)};
}

Status RollDraft::end_object(ObjectDraft& draft) {
    auto [bytes, info] = draft.finish(stream_.name);
    return put_(std::move(bytes), std::move(info));
}

Status RollDraft::add(const event::StoredEvent& event) {
    const Partition partition = event.position.partition;
    Offset& next = next_offsets_[partition];
    if (event.position.offset != next)
        return fail(
            Code::log_corrupt,
            fmt::format("stream {}, partition {}: the log goes on at offset {}, the objects end before {}",
                        stream_.name, partition, event.position.offset, next),
            {.next = "tarn fsck"});
    ObjectDraft& draft = drafts_[partition];
    if (!draft.is_empty() && draft.is_closed_to(event)) TARN_TRY(end_object(draft));
    draft.add(event, meta_reader_.read(event, stream_.name));
    ++next;
    ++events_;
    return {};
}

Status RollDraft::finish() {
    for (auto& [partition, draft] : drafts_)
        if (!draft.is_empty()) TARN_TRY(end_object(draft));
    return {};
}

}  // namespace tarn::lake
