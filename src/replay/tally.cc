#include "replay/tally.h"

#include <fmt/core.h>

#include <algorithm>

#include "codec/hash.h"

namespace tarn::replay {
namespace {

using codec::Json;

constexpr std::size_t first_samples = 3;
constexpr std::size_t top_keys = 10;
constexpr std::size_t most_types = 10'000;
constexpr std::size_t most_schemas = 8;  // listed of a type

ManifestEntry entry_of(const event::StoredEvent& event, const event::Meta& meta) {
    ManifestEntry entry;
    entry.stream = event.position.stream;
    entry.partition = event.position.partition;
    entry.offset = event.position.offset;
    entry.sequence = event.sequence;
    // Without a key the partition is the unit of order; the seed keeps the two kinds apart.
    const std::string partition = std::to_string(event.position.partition);
    entry.key_hash = meta.key ? codec::xxh3_64(*meta.key) : codec::xxh3_64(partition, 1);
    entry.hash = event.hash;
    entry.time_us = meta.time.us;
    entry.bytes = static_cast<std::uint32_t>(event.payload.size());
    return entry;
}

Json sample_of(const event::StoredEvent& event, const event::Meta& meta, std::string_view stream) {
    Json sample = Json::object();
    sample.set("position", event::position_text(event.position.partition, event.position.offset));
    if (!stream.empty()) sample.set("stream", stream);
    sample.set("id", meta.id).set("type", meta.type).set("time", format_rfc3339(meta.time));
    sample.set("key", meta.key ? Json(*meta.key) : Json());
    sample.set("bytes", event.payload.size());
    constexpr std::size_t shown_bytes = 500;
    if (event.form != event::PayloadForm::base64 && event.payload.size() <= shown_bytes)
        sample.set("payload", event.payload);
    return sample;
}

}  // namespace

Tally::Tally(ManifestWriter& manifest, const PositionSet& delivered, const std::set<std::string>& marked)
    : manifest_(manifest), delivered_(delivered) {
    for (const std::string& type : marked) by_type_[type] = 0;
}

Status Tally::add(const Selected& selected, std::string_view stream) {
    const event::StoredEvent& event = selected.event;
    const event::Meta& meta = selected.meta;
    const ManifestEntry entry = entry_of(event, meta);
    TARN_TRY(manifest_.add(entry));
    ++events;
    bytes += event.payload.size();
    count_type(meta);
    if (meta.key) keys_.add(*meta.key, entry.key_hash);
    without_key += !meta.key;
    duplicate_keys += meta.duplicate_keys;
    first_time = std::min(first_time, meta.time);
    last_time = std::max(last_time, meta.time);
    already_delivered += delivered_.contains(event.position);
    if (events <= first_samples) samples_.push_back(sample_of(event, meta, stream));
    last_ = event.position;
    return {};
}

void Tally::count_type(const event::Meta& meta) {
    const auto known = by_type_.find(meta.type);
    if (known != by_type_.end())
        ++known->second;
    else if (by_type_.size() < most_types)
        by_type_.emplace(meta.type, 1);
    else
        ++other_types_;
    constexpr std::string_view name = "dataschema";
    if (meta.attributes.find(name) == std::string_view::npos) return;
    const auto raw = codec::find_member(meta.attributes, name);
    const auto schema = raw ? codec::scalar_text(*raw) : std::nullopt;
    if (!schema || (schemas_.size() >= most_types && !schemas_.contains(meta.type))) return;
    auto& schemas = schemas_[std::string(meta.type)];
    if (schemas.size() <= most_schemas) schemas.insert(*schema);
}

Json Tally::by_type() const {
    std::vector<std::pair<std::string, std::uint64_t>> types;
    for (const auto& [type, count] : by_type_)
        if (count > 0) types.emplace_back(type, count);
    std::ranges::stable_sort(types, [](const auto& a, const auto& b) { return a.second > b.second; });
    Json json = Json::object();
    for (const auto& [type, count] : types) json.set(type, count);
    if (other_types_ > 0) json.set("(other types)", other_types_);
    return json;
}

std::vector<std::string> Tally::types() const {
    std::vector<std::string> types;
    for (const auto& [type, count] : by_type_)
        if (count > 0) types.push_back(type);
    return types;
}

std::vector<std::string> Tally::mixed_types() const {
    std::vector<std::string> mixed;
    for (const auto& [type, schemas] : schemas_) {
        if (schemas.size() < 2) continue;
        std::string list;
        for (const std::string& schema : schemas) list += (list.empty() ? "" : ", ") + schema;
        mixed.push_back(fmt::format("{} ({})", type, list));
    }
    return mixed;
}

Result<Json> Tally::most_frequent_keys(os::FileSystem& fs, const std::string& manifest_path) const {
    constexpr std::size_t candidates = 1000;
    auto top = keys_.top(keys_.is_exact() ? top_keys : candidates);
    if (!keys_.is_exact()) {
        std::map<std::uint64_t, std::uint64_t> exact;
        for (const auto& each : top) exact[each.hash] = 0;
        TARN_ASSIGN(const auto manifest, ManifestReader::open(fs, manifest_path));
        ManifestEntry entry;
        while (true) {
            TARN_ASSIGN(const bool more, manifest->next(entry));
            if (!more) break;
            if (const auto found = exact.find(entry.key_hash); found != exact.end()) ++found->second;
        }
        for (auto& each : top) each.count = exact[each.hash];
        std::ranges::stable_sort(top, [](const auto& a, const auto& b) { return a.count > b.count; });
    }
    Json json = Json::array();
    for (std::size_t i = 0; i < std::min(top_keys, top.size()); ++i)
        json.push(Json::object().set("key", top[i].key).set("count", top[i].count));
    return json;
}

Result<Json> Tally::samples(lake::Lake& lake, const Selection& selection) const {
    Json json = Json::array(samples_);
    if (events <= first_samples) return json;
    TARN_ASSIGN(const lake::OwnedEvent last, lake.get(last_));
    event::MetaReader reader;
    const auto source =
        std::ranges::find(selection.sources, last_.stream, [](const Source& each) { return each.info.id; });
    const std::string& name = source->info.name;
    json.push(
        sample_of(last.event, reader.read(last.event, name), selection.selects_from_several() ? name : ""));
    return json;
}

}  // namespace tarn::replay
