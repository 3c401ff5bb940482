// What commands do that a longer command (tarn replay from) does as well. Each reads the options of the
// context.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"

namespace tarn::cli {

// stream.cc: the settings of a new stream, from --partitions, --key, --type, --time …
Result<codec::Json> stream_settings(Context& context);
// import.cc: starts the import of --SOURCE into `stream` and follows it to its end. `counts` and the job's id
// are given also when it fails half-way.
struct Imported {
    codec::Json counts;
    std::string job;
    std::int64_t duration_us = 0;
};
Status import_sources(Context& context, const std::string& stream, bool again,
                      const std::string& how_to_continue, Imported& imported);
// "31 read = 30 accepted + …"
std::string import_text(const Imported& imported);
// replay_plan.cc: the body of POST /v1/plans.
Result<codec::Json> plan_request(Context& context);
// replay_run.cc: follows a run that has been started or resumed, prints its report; the exit code.
Result<int> follow_run(Context& context, const codec::Json& started);
void print_report(Context& context, const codec::Json& report);
// The body of POST /v1/runs.
Result<codec::Json> run_request(Context& context, const std::string& plan);

}  // namespace tarn::cli
