// What a stream is told at creation: its partitions, the format of what comes in, and where attributes are
// found. The JSON form is the same as a stream's block in tarn.yaml (contract, "tarn.yaml").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "codec/json.h"
#include "event/event.h"
#include "event/replay_mark.h"

namespace tarn::event {

enum class TimeUnit : std::uint8_t { rfc3339, s, ms, us, ns };

// One place where a value may be found.
struct Rule {
    enum class From : std::uint8_t { path, name_group, constant };
    From from = From::path;
    std::string what;  // dotted path, group name of name_pattern, or the constant
    TimeUnit unit = TimeUnit::rfc3339;
};
using Rules = std::vector<Rule>;  // the first that exists

struct Mapping {
    Rules id, type, source, subject, time, key;
};

struct RollSettings {
    std::int64_t age_us = 60'000'000;
    std::uint64_t size_bytes = 128ull << 20;
};

struct StreamSettings {
    std::uint32_t partitions = 1;  // 1..1024, never changes
    std::optional<Format> format;  // nullopt: auto
    std::string name_pattern;      // regular expression (RE2/ECMAScript) with named groups, "" when none
    Mapping mapping;
    RollSettings roll;
    std::size_t max_event_bytes = 1 << 20;
    std::map<std::string, ReplayMark> replay;  // by event type; what is not named is not marked
    // `replayed: mark | drop`: events that a run had sent, and that come in by a front door.
    bool drops_replayed = false;

    // Unknown keys and wrong types are bad_config errors naming the key and the nearest known one.
    static Result<StreamSettings> from_json(const codec::Json& json);
    codec::Json to_json() const;
};

bool is_valid_stream_name(std::string_view name);  // contract of Code::bad_stream_name

}  // namespace tarn::event
