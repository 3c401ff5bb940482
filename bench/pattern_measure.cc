#include "bench/pattern_measure.h"

#include <fmt/core.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <fstream>

#include "pattern/compile.h"
#include "pattern/naive.h"

namespace tarn::bench {
namespace {

double thread_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double heap_bytes() {
    const auto info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

class Digest {
public:
    void add(std::vector<pattern::RuleId>& rules) {
        std::ranges::sort(rules);
        for (const pattern::RuleId rule : rules) add(static_cast<std::uint32_t>(rule));
        add(0xFFFF'FFFFu);
    }
    std::string text() const { return fmt::format("{:016x}", state_); }

private:
    void add(std::uint32_t value) {
        for (int i = 0; i < 4; ++i) state_ = (state_ ^ (value >> (8 * i) & 0xFF)) * 0x100000001b3;
    }
    std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace

Lines lines_of(const std::string& path, std::size_t most) {
    Lines lines;
    std::ifstream in(path);
    for (std::string line; lines.size() < most && std::getline(in, line);)
        if (!line.empty()) lines.push_back(std::move(line));
    return lines;
}

Result<RuleBench> RuleBench::load(const Lines& patterns) {
    RuleBench bench;
    double begin = thread_seconds();
    for (const std::string& text : patterns) {
        TARN_ASSIGN(pattern::Rule rule, pattern::compile_rule(text));
        bench.compiled_.push_back(std::move(rule));
    }
    const auto count = static_cast<double>(patterns.size());
    bench.compile_us_ = (thread_seconds() - begin) * 1e6 / count;
    const double heap = heap_bytes();
    begin = thread_seconds();
    for (std::size_t i = 0; i < patterns.size(); ++i) bench.set_->add(i, bench.compiled_[i]);
    bench.add_us_ = (thread_seconds() - begin) * 1e6 / count;
    bench.bytes_per_rule_ = (heap_bytes() - heap) / count;
    return bench;
}

std::string RuleBench::digest(const Lines& events) const {
    pattern::Scratch scratch;
    std::vector<pattern::RuleId> rules;
    Digest digest;
    for (const std::string& event : events) {
        rules.clear();
        set_->match(event, scratch, rules);
        digest.add(rules);
    }
    return digest.text();
}

std::string RuleBench::referee_digest(const Lines& events) const {
    std::vector<pattern::RuleId> rules;
    Digest digest;
    for (const std::string& event : events) {
        rules.clear();
        const auto leaves = pattern::naive::leaves_of(event);
        for (std::size_t i = 0; i < compiled_.size(); ++i)
            if (pattern::naive::matches(compiled_[i], leaves)) rules.push_back(i);
        digest.add(rules);
    }
    return digest.text();
}

double RuleBench::matches_per_event(const Lines& events) const {
    pattern::Scratch scratch;
    std::vector<pattern::RuleId> rules;
    for (const std::string& event : events) set_->match(event, scratch, rules);
    return static_cast<double>(rules.size()) / static_cast<double>(events.size());
}

double RuleBench::rate(const Lines& events) const {
    pattern::Scratch scratch;
    std::vector<pattern::RuleId> rules;
    double best = 0;
    for (int round = 0; round < 3; ++round) {
        const double begin = thread_seconds();
        double end = begin;
        std::size_t done = 0;
        while (end - begin < 0.7) {
            for (const std::string& event : events) {
                rules.clear();
                set_->match(event, scratch, rules);
            }
            done += events.size();
            end = thread_seconds();
        }
        best = std::max(best, static_cast<double>(done) / (end - begin));
    }
    return best;
}

}  // namespace tarn::bench
