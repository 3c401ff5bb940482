// The pictures of a report: inline SVG without script; hovering a bar gives its values as a title, and a
// table beside it says the same in text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "codec/json.h"

namespace tarn::report {

// `samples`: [{t: seconds, done: events}], ascending. "" when there are fewer than two.
std::string throughput_svg(const codec::Json& samples);
// The same values as a table, at most twenty rows.
std::string throughput_table(const codec::Json& samples);

// `latency`: the report's {p50_us, …, buckets: [[up to µs, answers],…]}. "" when there is none.
std::string latency_svg(const codec::Json& latency);
std::string latency_table(const codec::Json& latency);

// One bar a row, the longest as wide as the page. Labels are data: they are escaped and cut.
struct Bar {
    std::string label;
    std::uint64_t value = 0;
    std::string_view kind;  // CSS class of its colour
};
std::string bars_svg(const std::vector<Bar>& bars, std::string_view what);

}  // namespace tarn::report
