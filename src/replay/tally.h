// What the scan of a plan sees: writes the manifest and counts what the document tells. Its memory does not
// grow with the events.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "replay/key_counter.h"
#include "replay/manifest.h"
#include "replay/position_set.h"
#include "replay/selection.h"

namespace tarn::replay {

class Tally {
public:
    // `marked`: event types that must be counted by name, however many there are.
    Tally(ManifestWriter& manifest, const PositionSet& delivered, const std::set<std::string>& marked);

    // `stream`: named in samples; "" where there is only one.
    Status add(const Selected& selected, std::string_view stream);

    codec::Json by_type() const;             // most frequent first
    std::vector<std::string> types() const;  // sorted
    // Types that come with more than one dataschema: "order (2: …/1, …/2)".
    std::vector<std::string> mixed_types() const;
    std::uint64_t keys() const { return keys_.distinct(); }
    bool keys_are_exact() const { return keys_.is_exact(); }
    // Reads the manifest again when the counts are not exact.
    Result<codec::Json> most_frequent_keys(os::FileSystem& fs, const std::string& manifest_path) const;
    // The first three and the last, which is read again: only now it is known to be the last.
    Result<codec::Json> samples(lake::Lake& lake, const Selection& selection) const;

    std::uint64_t events = 0, bytes = 0, without_key = 0, duplicate_keys = 0, already_delivered = 0;
    Time first_time{INT64_MAX}, last_time{INT64_MIN};

private:
    void count_type(const event::Meta& meta);

    ManifestWriter& manifest_;
    const PositionSet& delivered_;
    std::map<std::string, std::uint64_t, std::less<>> by_type_;
    std::uint64_t other_types_ = 0;  // events of types that are not listed
    std::map<std::string, std::set<std::string, std::less<>>, std::less<>> schemas_;  // by type
    KeyCounter keys_;
    std::vector<codec::Json> samples_;
    Position last_;
};

}  // namespace tarn::replay
