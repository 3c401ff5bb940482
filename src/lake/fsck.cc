#include "lake/fsck.h"

#include <fmt/core.h>

#include <set>

#include "codec/hash.h"
#include "lake/object_cursor.h"

namespace tarn::lake {

namespace {

class Check {
public:
    Check(catalog::Catalog& catalog, objects::ObjectStore& store) : catalog_(catalog), store_(store) {}

    Status run();
    std::vector<Finding> take() { return std::move(findings_); }

private:
    void found(std::string place, std::string what, std::string next) {
        findings_.push_back({std::move(place), std::move(what), std::move(next)});
    }
    void found(const Error& error) { found(error.place.text(), error.message, advice_for(error)); }
    static std::string advice_for(const Error& error);

    Status check_stream(const catalog::StreamInfo& stream, const std::map<Partition, Offset>& next_offsets);
    void check_density(const catalog::StreamInfo& stream, const std::vector<catalog::ObjectInfo>& objects,
                       const std::map<Partition, Offset>& next_offsets);
    bool check_bytes(const catalog::ObjectInfo& info);
    void check_events(const catalog::ObjectInfo& info);
    Status find_strangers(const std::vector<objects::ObjectEntry>& entries);

    catalog::Catalog& catalog_;
    objects::ObjectStore& store_;
    std::vector<Finding> findings_;
};

std::string Check::advice_for(const Error& error) {
    if (error.code == Code::object_missing)
        return "put the object back from a copy; its events are lost otherwise";
    return "put a good copy in its place; the undamaged frames are still read";
}

// The cheapest complete test: if the bytes are those that were put, everything else is as it was then.
bool Check::check_bytes(const catalog::ObjectInfo& info) {
    const auto bytes = store_.get(info.name);
    if (!bytes) {
        found(bytes.error());
        return false;
    }
    if (bytes->size() != info.bytes)
        found(info.name, fmt::format("{} bytes long, the catalog says {}", bytes->size(), info.bytes),
              "put a good copy in its place");
    else if (codec::sha256_hex(*bytes) != info.sha256)
        found(info.name, "its SHA-256 is not the one in the catalog", "put a good copy in its place");
    return true;
}

// Frame by frame and line by line, so that damage is named with its byte.
void Check::check_events(const catalog::ObjectInfo& info) {
    ScanOptions options;
    options.quarantine = info.partition == quarantine_partition;
    options.skip_damage = true;
    bool damaged = false;
    options.on_damage = [&](const Error& error) {
        damaged = true;
        found(error);
    };
    ScanCounts counts;
    const EventFilter filter(options);
    ObjectCursor cursor(store_, options, filter, counts);
    cursor.add(info);
    std::uint64_t events = 0;
    Sequence last_sequence = 0;
    for (;;) {
        const auto event = cursor.next();
        if (!event) return found(event.error());
        if (*event == nullptr) break;
        ++events;
        if ((*event)->sequence <= last_sequence)
            found(info.name,
                  fmt::format("offset {}: its sequence does not ascend", (*event)->position.offset),
                  "report it");
        last_sequence = (*event)->sequence;
    }
    if (!damaged && (events != info.events || last_sequence != info.last_sequence))
        found(info.name,
              fmt::format("{} events up to sequence {}, the catalog says {} up to {}", events, last_sequence,
                          info.events, info.last_sequence),
              "report it");
}

// `objects` are in order of (partition, first).
void Check::check_density(const catalog::StreamInfo& stream, const std::vector<catalog::ObjectInfo>& objects,
                          const std::map<Partition, Offset>& next_offsets) {
    std::map<Partition, Offset> next;
    for (const catalog::ObjectInfo& info : objects) {
        Offset& expected = next[info.partition];
        if (info.first != expected)
            found(info.name,
                  fmt::format("begins at offset {} of partition {}, the objects before it end at {}",
                              info.first, info.partition, expected),
                  "compare the list of objects with a copy of the lake");
        expected = info.last + 1;
    }
    for (const auto& [partition, offset] : next_offsets)
        if (next[partition] != offset)
            found(fmt::format("stream {}, partition {}", stream.name, partition),
                  fmt::format("{} events were rolled, the objects hold {}", offset, next[partition]),
                  "compare the list of objects with a copy of the lake");
}

Status Check::check_stream(const catalog::StreamInfo& stream,
                           const std::map<Partition, Offset>& next_offsets) {
    TARN_ASSIGN(const auto objects, catalog_.objects(stream.id));
    check_density(stream, objects, next_offsets);
    for (const catalog::ObjectInfo& info : objects)
        if (check_bytes(info)) check_events(info);
    return {};
}

// A roll may be putting objects at this very moment: what the catalog knows, or may be about to know, is
// asked for last.
Status Check::find_strangers(const std::vector<objects::ObjectEntry>& entries) {
    std::set<std::string> known;
    TARN_ASSIGN(const auto streams, catalog_.streams());
    std::vector<std::string> rolling;
    for (const catalog::StreamInfo& stream : streams) {
        TARN_ASSIGN(const auto unfinished, catalog_.pending_roll(stream.id));
        if (unfinished) rolling.push_back(fmt::format("/{}~{}/", stream.name, stream.id.value));
        TARN_ASSIGN(const auto objects, catalog_.objects(stream.id));
        for (const catalog::ObjectInfo& info : objects) known.insert(info.name);
    }
    const auto is_of_roll = [&](const std::string& name) {
        return std::ranges::any_of(
            rolling, [&](const std::string& part) { return name.find(part) != std::string::npos; });
    };
    for (const objects::ObjectEntry& entry : entries)
        if (!known.contains(entry.name) && !is_of_roll(entry.name))
            found(entry.name,
                  "not in the catalog: its stream was deleted, or it does not belong here (harmless)",
                  "remove it if it is not missed");
    return {};
}

Status Check::run() {
    TARN_ASSIGN(auto entries, store_.list("raw/"));
    TARN_ASSIGN(const auto quarantined, store_.list("quarantine/"));
    entries.insert(entries.end(), quarantined.begin(), quarantined.end());

    TARN_ASSIGN(const auto all_offsets, catalog_.next_offsets());
    TARN_ASSIGN(const auto streams, catalog_.streams());
    for (const catalog::StreamInfo& stream : streams) {
        std::map<Partition, Offset> next_offsets;
        for (const auto& [place, next] : all_offsets)
            if (place.first == stream.id) next_offsets[place.second] = next;
        TARN_TRY(check_stream(stream, next_offsets));
    }
    return find_strangers(entries);
}

}  // namespace

Result<std::vector<Finding>> check_objects(catalog::Catalog& catalog, objects::ObjectStore& store) {
    Check check(catalog, store);
    TARN_TRY(check.run());
    return check.take();
}

}  // namespace tarn::lake
