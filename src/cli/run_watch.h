// What a terminal shows of a run, and what its keys do: + and - change the pace, p pauses, q leaves.
#pragma once

#include <optional>
#include <string>

#include "cli/watch.h"

namespace tarn::cli {

// How far a run is: sent of all, rate, what is left, pace, throttling, lag, failures by cause.
std::string describe_run(const codec::Json& progress);

// Twice or half the pace, as text; from `max` half of the `rate` it has. nullopt: there is nothing to change.
std::optional<std::string> changed_pace(const std::string& pace, double rate, bool faster);

// The end report of the run that the job executes.
Result<codec::Json> watch_run(Context& context, const std::string& run, const std::string& job);

// --progress text|ndjson; bad_usage.
Result<bool> wants_ndjson_progress(const Arguments& arguments);

}  // namespace tarn::cli
