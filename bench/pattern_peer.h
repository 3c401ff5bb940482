// Event Ruler, the library behind EventBridge, as the peer: the benchmark driver of the shared oracles.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "bench/bench.h"
#include "bench/pattern_measure.h"

namespace tarn::bench {

class Ruler {
public:
    // Null when the oracles, Java or Maven are absent, which is said. TARN_RULER_JAR names a built oracle;
    // TARN_BENCH_PEER_SECONDS is how long one point may take it, loading included (400).
    static std::unique_ptr<Ruler> find(const Scratch& scratch);

    // Sets ruler_… and times_best_peer of a measured point: the same first rules of the file, the same
    // events. Fails when other rules matched. From 10,000 rules it is asked about every hundredth event
    // first, and about all when it would answer in time; where it does not answer at all the point says so.
    Status compare(const RuleBench& ours, const std::string& rules, const Lines& events, codec::Json& point);

private:
    Ruler(const Scratch& scratch, std::string jar, double seconds)
        : scratch_(scratch), jar_(std::move(jar)), seconds_(seconds) {}

    Result<codec::Json> ask(const std::string& rules, std::size_t count, const Lines& events);

    const Scratch& scratch_;
    std::string jar_;
    double seconds_;
};

// rules.py beside the shared data; empty when that is absent.
std::filesystem::path oracle_scripts();
// Did the shell command succeed?
bool runs(const std::string& command);

}  // namespace tarn::bench
