// Generated pairs against the authority's answers; driven by tests/real-patterns, which runs
//   pattern_pairs generate SEED COUNT | java -jar ruler-oracle.jar | pattern_pairs compare SEED COUNT DOUBTS
//
//   generate SEED COUNT    writes COUNT lines {"pattern":TEXT,"event":TEXT}
//   compare SEED COUNT     reads their answers, makes the same pairs again, prints each disagreement and a
//   summary;
//                          exit 1 when there is any
//   record SEED COUNT      reads their answers, writes lines {"pattern":TEXT,"event":TEXT,"answer":TEXT}
//   answers                reads lines with pattern and event, writes our answers
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "pattern_verdict.h"

namespace tarn::test {
namespace {

std::string line_of(const Pair& pair) {
    return fmt::format("\"pattern\":{},\"event\":{}", codec::quoted(pair.pattern), codec::quoted(pair.event));
}

int generate(std::uint64_t seed, std::uint64_t count) {
    PatternGenerator generator(seed);
    for (std::uint64_t i = 0; i < count; ++i) std::cout << '{' << line_of(generator.next()) << "}\n";
    return std::cout.flush() ? 0 : 1;
}

int record(std::uint64_t seed, std::uint64_t count) {
    PatternGenerator generator(seed);
    std::string answer;
    for (std::uint64_t i = 0; i < count && std::getline(std::cin, answer); ++i)
        std::cout << '{' << line_of(generator.next())
                  << ",\"answer\":" << codec::quoted(without_location(answer)) << "}\n";
    return std::cout.flush() ? 0 : 1;
}

class Comparison {
public:
    explicit Comparison(const std::string& doubts) : doubts_(doubts) {}

    void add(const Pair& pair, const std::string& theirs) {
        ++pairs_;
        matched_ += theirs == "true" ? 1 : 0;
        refused_ += theirs.starts_with("error:") ? 1 : 0;
        const std::string naive = naive_verdict(pair), ours = our_verdict(pair);
        if (naive != ours) {
            ++wrong_;
            fmt::print("the referee says {}, the matcher {}\n  {{{}}}\n", naive, ours, line_of(pair));
        }
        if (same_verdict(theirs, ours)) return;
        const auto reason = deliberate_difference(pair, theirs);
        if (!reason.empty()) {
            ++deliberate_[std::string(reason)];
            return;
        }
        ++doubtful_;
        doubts_ << '{' << line_of(pair) << "}\n";
    }

    void print() const {
        fmt::print("{} pairs: {} match, {} refused\n", pairs_, matched_, refused_);
        for (const auto& [reason, count] : deliberate_)
            fmt::print("  {} differ on purpose: {}\n", count, reason);
        fmt::print("  {} differ for no known reason\n", doubtful_);
    }
    std::uint64_t pairs() const { return pairs_; }
    bool ok() { return wrong_ == 0 && doubts_.flush(); }

private:
    std::ofstream doubts_;
    std::uint64_t pairs_ = 0, matched_ = 0, refused_ = 0, doubtful_ = 0, wrong_ = 0;
    std::map<std::string, std::uint64_t> deliberate_;
};

int compare(std::uint64_t seed, std::uint64_t count, const std::string& doubts) {
    PatternGenerator generator(seed);
    Comparison comparison(doubts);
    std::string answer;
    while (comparison.pairs() < count && std::getline(std::cin, answer))
        comparison.add(generator.next(), answer);
    comparison.print();
    if (comparison.pairs() < count)
        fmt::print("the answers ended after {} of {} pairs\n", comparison.pairs(), count);
    return comparison.ok() && comparison.pairs() == count ? 0 : 1;
}

int recheck(const std::string& doubts, std::uint64_t rounds) {
    std::ifstream in(doubts);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::vector<std::map<std::string, int>> answers(lines.size());
    std::string answer;
    for (std::uint64_t round = 0; round < rounds; ++round)
        for (auto& counts : answers)
            if (std::getline(std::cin, answer)) ++counts[answer];
    int disagree = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto pair = codec::Json::parse(lines[i]);
        if (!pair) return 2;
        const std::string ours = our_verdict({(*pair)["pattern"].as_string(), (*pair)["event"].as_string()});
        if (std::ranges::any_of(answers[i],
                                [&](const auto& entry) { return same_verdict(entry.first, ours); }))
            continue;
        ++disagree;
        fmt::print("the authority says {}, we say {}\n  {}\n",
                   answers[i].empty() ? "nothing" : without_location(answers[i].begin()->first), ours,
                   lines[i]);
    }
    fmt::print("of {} pairs in doubt the authority contradicts itself about {}; {} disagree\n", lines.size(),
               lines.size() - static_cast<std::size_t>(disagree), disagree);
    return disagree == 0 ? 0 : 1;
}

int answers() {
    for (std::string line; std::getline(std::cin, line);) {
        const auto pair = codec::Json::parse(line);
        if (!pair) return 2;
        std::cout << our_verdict({(*pair)["pattern"].as_string(), (*pair)["event"].as_string()}) << '\n';
    }
    return std::cout.flush() ? 0 : 1;
}

int run(const std::vector<std::string>& arguments) {
    if (arguments.size() == 1 && arguments[0] == "answers") return answers();
    if (arguments.size() < 3) return 2;
    const auto seed = std::strtoull(arguments[1].c_str(), nullptr, 10);
    const auto count = std::strtoull(arguments[2].c_str(), nullptr, 10);
    if (arguments[0] == "recheck") return recheck(arguments[1], count);
    if (arguments[0] == "compare" && arguments.size() == 4) return compare(seed, count, arguments[3]);
    if (arguments[0] == "generate") return generate(seed, count);
    return arguments[0] == "record" ? record(seed, count) : 2;
}

}  // namespace
}  // namespace tarn::test

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    return tarn::test::run({argv + 1, argv + argc});
}
