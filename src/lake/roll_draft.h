// The objects of one roll while they are being built: which event goes into which object depends on the
// events alone, so that a roll repeated after a crash makes the same objects again.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "catalog/catalog.h"
#include "event/meta.h"
#include "lake/raw_object.h"

namespace tarn::lake {

inline constexpr std::uint64_t object_target_bytes = 128ull << 20;  // of lines
inline constexpr std::size_t most_types_kept = 64;

// "raw/bank~1/dt=2026-11-20/hh=18/0-0-2511.ndjson.zst", quarantine entries under "quarantine/".
std::string object_name(const std::string& stream_name, const catalog::ObjectInfo& info);

// One object under construction.
class ObjectDraft {
public:
    void add(const event::StoredEvent& event, const event::Meta& meta);
    bool is_empty() const { return info_.events == 0; }
    // Whether the event belongs into another object: another ingest hour (quarantine: day), or this one is
    // full.
    bool is_closed_to(const event::StoredEvent& event) const;
    // The bytes, and what the catalog keeps of them. The draft is empty afterwards.
    std::pair<std::string, catalog::ObjectInfo> finish(const std::string& stream_name);

private:
    void note_key(const std::optional<std::string_view>& key);
    void note_type(std::string_view type);

    RawObjectBuilder builder_;
    catalog::ObjectInfo info_;
    std::set<std::string, std::less<>> types_;
    bool all_have_keys_ = true;
};

class RollDraft {
public:
    // Called with each finished object.
    using Put = std::function<Status(std::string bytes, catalog::ObjectInfo info)>;

    RollDraft(const catalog::StreamInfo& stream, std::map<Partition, Offset> next_offsets, Put put)
        : stream_(stream), next_offsets_(std::move(next_offsets)), put_(std::move(put)) {}

    Status add(const event::StoredEvent& event);
    Status finish();
    const std::map<Partition, Offset>& next_offsets() const { return next_offsets_; }
    std::uint64_t events() const { return events_; }

private:
    Status end_object(ObjectDraft& draft);

    const catalog::StreamInfo& stream_;
    std::map<Partition, Offset> next_offsets_;
    Put put_;
    std::map<Partition, ObjectDraft> drafts_;
    event::MetaReader meta_reader_;
    std::uint64_t events_ = 0;
};

}  // namespace tarn::lake
