// The picture of a run's throughput: inline SVG without script; hovering a bar gives its values as a title.
#pragma once

#include <string>

#include "codec/json.h"

namespace tarn::report {

// `samples`: [{t: seconds, done: events}], ascending. "" when there are fewer than two.
std::string throughput_svg(const codec::Json& samples);
// The same values as a table, at most twenty rows.
std::string throughput_table(const codec::Json& samples);

}  // namespace tarn::report
