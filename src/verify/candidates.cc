#include "verify/candidates.h"

#include <deque>
#include <unordered_map>

#include "codec/hash.h"

namespace tarn::verify {
namespace {

constexpr std::size_t candidates_shown = 3;  // a difference: of many events any may be the cause

using Newest = std::deque<replay::ManifestEntry>;

}  // namespace

Status name_candidates(const Subject& subject, std::vector<state::Difference>& differences) {
    std::unordered_map<std::uint64_t, Newest> of_key;
    for (const auto& difference : differences)
        if (difference.events.empty()) of_key[codec::xxh3_64(difference.key)];
    if (of_key.empty()) return {};
    TARN_TRY(subject.replay.for_each_entry(
        subject.run(), [&](const replay::ManifestEntry& entry, std::string_view outcome) -> Status {
            const auto found = outcome == "acknowledged" ? of_key.find(entry.key_hash) : of_key.end();
            if (found == of_key.end()) return {};
            found->second.push_back(entry);
            if (found->second.size() > candidates_shown) found->second.pop_front();
            return {};
        }));
    for (auto& difference : differences) {
        if (!difference.events.empty()) continue;
        for (const replay::ManifestEntry& entry : of_key[codec::xxh3_64(difference.key)])
            difference.events.push_back(subject.event_text(entry));
        difference.are_candidates = !difference.events.empty();
    }
    return {};
}

}  // namespace tarn::verify
