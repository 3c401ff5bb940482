#include "verify/candidates.h"

#include <deque>
#include <unordered_map>

#include "codec/hash.h"
#include "event/meta.h"
#include "state/touch_reader.h"

namespace tarn::verify {
namespace {

constexpr std::size_t candidates_shown = 3;  // a difference: of many events any may be the cause

using Newest = std::deque<Position>;

Result<std::vector<std::string>> name_all(lake::Lake& lake, const Newest& positions) {
    std::vector<std::string> names;
    event::MetaReader reader;
    for (const Position& position : positions) {
        TARN_ASSIGN(const auto view, lake.view(position.stream));
        TARN_ASSIGN(const lake::OwnedEvent found, lake.get(position));
        const event::Meta& meta = reader.read(found.event, view.name);
        state::Touch touch;
        touch.stream = view.name;
        touch.type = meta.type;
        touch.position = position;
        touch.time = meta.time;
        names.push_back(touch.text());
    }
    return names;
}

}  // namespace

Status name_candidates(const Subject& subject, std::vector<state::Difference>& differences) {
    std::unordered_map<std::uint64_t, Newest> of_key;
    for (const auto& difference : differences)
        if (difference.events.empty()) of_key[codec::xxh3_64(difference.key)];
    if (of_key.empty()) return {};
    TARN_TRY(subject.replay.for_each_entry(
        subject.report["run"].as_string(),
        [&](const replay::ManifestEntry& entry, std::string_view outcome) -> Status {
            const auto found = outcome == "acknowledged" ? of_key.find(entry.key_hash) : of_key.end();
            if (found == of_key.end()) return {};
            found->second.push_back({entry.stream, entry.partition, entry.offset});
            if (found->second.size() > candidates_shown) found->second.pop_front();
            return {};
        }));
    for (auto& difference : differences) {
        if (!difference.events.empty()) continue;
        TARN_ASSIGN(difference.events, name_all(subject.lake, of_key[codec::xxh3_64(difference.key)]));
    }
    return {};
}

}  // namespace tarn::verify
