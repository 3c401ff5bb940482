// A set of rules over a list of events: what matched, and how fast, in one thread from the event's bytes to
// the list of rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "pattern/rule_set.h"

namespace tarn::bench {

using Lines = std::vector<std::string>;

// The lines of a file that are not empty, at most so many.
Lines lines_of(const std::string& path, std::size_t most = SIZE_MAX);

class RuleBench {
public:
    // Refuses what does not compile.
    static Result<RuleBench> load(const Lines& patterns);

    // FNV-1a over the sorted rule numbers of each event, as the oracles compute it.
    std::string digest(const Lines& events) const;
    // By the referee, which shares nothing with the matcher: slow.
    std::string referee_digest(const Lines& events) const;
    double matches_per_event(const Lines& events) const;
    // Events per second of this thread's time: the best of three rounds.
    double rate(const Lines& events) const;

    std::size_t rules() const { return compiled_.size(); }
    double compile_us() const { return compile_us_; }  // each, by a rule
    double add_us() const { return add_us_; }
    double bytes_per_rule() const { return bytes_per_rule_; }

private:
    std::vector<pattern::Rule> compiled_;
    std::unique_ptr<pattern::RuleSet> set_ = std::make_unique<pattern::RuleSet>();
    double compile_us_ = 0, add_us_ = 0, bytes_per_rule_ = 0;
};

}  // namespace tarn::bench
