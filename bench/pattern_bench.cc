// Many patterns on one stream against Event Ruler, the library behind EventBridge: same rules, same events,
// same run, one thread, from the event's bytes to the list of rules. What matched is compared before speed.
//
// The rules and events come from the shared oracles (rules.py); without them a set of our own is measured
// alone. TARN_BENCH_RULES=N limits the number of rules; TARN_RULER_JAR names a built oracle (else maven
// builds one).
#include <fmt/core.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/bench.h"
#include "pattern/compile.h"
#include "pattern/rule_set.h"
#include "tests/shared_data.h"

namespace tarn::bench {
namespace {

namespace fs = std::filesystem;

double thread_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double heap_bytes() {
    const auto info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

std::vector<std::string> lines_of(const std::string& path, std::size_t most) {
    std::vector<std::string> lines;
    std::ifstream in(path);
    for (std::string line; lines.size() < most && std::getline(in, line);)
        if (!line.empty()) lines.push_back(std::move(line));
    return lines;
}

// FNV-1a over the sorted rule numbers of each event, as the oracle computes it.
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

struct Measured {
    double per_second = 0, matches = 0, add_us = 0, compile_us = 0, bytes_per_rule = 0;
    std::string digest;
};

double rate(const pattern::RuleSet& set, const std::vector<std::string>& events) {
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
                set.match(event, scratch, rules);
            }
            done += events.size();
            end = thread_seconds();
        }
        best = std::max(best, static_cast<double>(done) / (end - begin));
    }
    return best;
}

Result<Measured> measure(const std::vector<std::string>& patterns, const std::vector<std::string>& events) {
    Measured measured;
    std::vector<pattern::Rule> compiled;
    double begin = thread_seconds();
    for (const std::string& text : patterns) {
        TARN_ASSIGN(pattern::Rule rule, pattern::compile_rule(text));
        compiled.push_back(std::move(rule));
    }
    const auto count = static_cast<double>(patterns.size());
    measured.compile_us = (thread_seconds() - begin) * 1e6 / count;
    pattern::RuleSet set;
    const double heap = heap_bytes();
    begin = thread_seconds();
    for (std::size_t i = 0; i < compiled.size(); ++i) set.add(i, compiled[i]);
    measured.add_us = (thread_seconds() - begin) * 1e6 / count;
    measured.bytes_per_rule = (heap_bytes() - heap) / count;
    pattern::Scratch scratch;
    std::vector<pattern::RuleId> rules;
    Digest digest;
    for (const std::string& event : events) {
        rules.clear();
        set.match(event, scratch, rules);
        measured.matches += static_cast<double>(rules.size()) / static_cast<double>(events.size());
        digest.add(rules);
    }
    measured.digest = digest.text();
    measured.per_second = rate(set, events);
    return measured;
}

// ---- the oracle

struct Oracle {
    fs::path scripts;  // rules.py
    std::string jar;   // empty: not there
    std::string events;
};

bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

std::string find_jar(const fs::path& scripts, const Scratch& scratch) {
    if (const char* set = std::getenv("TARN_RULER_JAR")) return set;
    if (!runs("java -version") || !runs("mvn -version")) return "";
    const std::string copy = scratch.path("ruler");
    if (!runs(fmt::format("cp -r {}/ruler {} && chmod -R u+w {} && cd {} && mvn -q package", scripts.string(),
                          copy, copy, copy)))
        return "";
    return copy + "/target/ruler-oracle.jar";
}

std::optional<Oracle> find_oracle(const Scratch& scratch) {
    const auto records = test::shared_data("cloudtrail-invictus");
    if (!records) {
        fmt::print(stderr, "patterns: {}; measuring a set of our own, without a peer\n",
                   test::missing_shared_data("cloudtrail-invictus"));
        return std::nullopt;
    }
    Oracle oracle{records->parent_path().parent_path() / "oracles", "", scratch.path("events.ndjson")};
    const std::string plain = scratch.path("records.ndjson");
    if (!runs(fmt::format("zstd -dqf {}/records.ndjson.zst -o {}", records->string(), plain)) ||
        std::system(
            fmt::format("python3 {}/rules.py events {} > {}", oracle.scripts.string(), plain, oracle.events)
                .c_str()) != 0)
        return std::nullopt;
    oracle.jar = find_jar(oracle.scripts, scratch);
    if (oracle.jar.empty()) fmt::print(stderr, "patterns: Event Ruler is absent: no comparison\n");
    return oracle;
}

// Null when it takes longer than anybody waits.
codec::Json ask_ruler(const Oracle& oracle, const Scratch& scratch, const std::string& rules,
                      std::size_t count) {
    const std::string out = scratch.path("ruler.json");
    const std::string command =
        fmt::format("timeout 300 java -Xmx8g -jar {} bench --rules {} --events {} --limit {} --rounds 1",
                    oracle.jar, rules, oracle.events, count);
    if (std::system(fmt::format("{} > {} 2>/dev/null", command, out).c_str()) != 0) return {};
    const auto lines = lines_of(out, 1);
    if (lines.empty()) return {};
    auto answer = codec::Json::parse(lines.front());
    return answer ? std::move(*answer) : codec::Json();
}

// Quamina is not to be had as a package; its recorded ratio to Event Ruler in one run stands in for it.
double best_peer(double ruler, std::size_t count) {
    const double quamina = count <= 100 ? 1.9 : count <= 1000 ? 1.26 : 0;
    return ruler * std::max(1.0, quamina);
}

std::size_t most_rules() {
    const char* set = std::getenv("TARN_BENCH_RULES");
    return set == nullptr ? 100'000 : static_cast<std::size_t>(std::strtoull(set, nullptr, 10));
}

Result<codec::Json> point(const Oracle& oracle, const Scratch& scratch, const std::string& kind,
                          const std::string& rules, std::size_t count,
                          const std::vector<std::string>& events) {
    TARN_ASSIGN(const Measured ours, measure(lines_of(rules, count), events));
    codec::Json json;
    json.set("kind", kind)
        .set("rules", static_cast<std::uint64_t>(count))
        .set("events_per_cpu_s", ours.per_second)
        .set("matches_per_event", ours.matches)
        .set("add_us", ours.add_us)
        .set("compile_us", ours.compile_us)
        .set("bytes_per_rule", ours.bytes_per_rule);
    const codec::Json ruler = oracle.jar.empty() ? codec::Json() : ask_ruler(oracle, scratch, rules, count);
    if (!ruler.is_object()) return json;
    if (ruler["digest"].as_string() != ours.digest)
        return fail(Code::internal,
                    fmt::format("{} {}: other rules matched than with Event Ruler", kind, count));
    const double peer = ruler["events_per_cpu_s"].as_double();
    json.set("ruler_events_per_cpu_s", peer).set("times_best_peer", ours.per_second / best_peer(peer, count));
    return json;
}

Result<codec::Json> against_ruler(const Oracle& oracle, const Scratch& scratch) {
    const auto events = lines_of(oracle.events, SIZE_MAX);
    codec::Json points = codec::Json::array();
    double smallest = 1e9, ten = 0;
    for (const char* kind : {"exact", "prefix", "numeric", "anything-but", "wildcard", "mixed"}) {
        const std::string rules = scratch.path(std::string(kind) + ".ndjson");
        if (std::system(fmt::format("python3 {}/rules.py rules {} {} {} > {}", oracle.scripts.string(),
                                    oracle.events, kind, most_rules(), rules)
                            .c_str()) != 0)
            return fail(Code::internal, "rules.py failed");
        for (const std::size_t count : {1, 10, 100, 1000, 10'000, 100'000}) {
            if (count > most_rules()) break;
            TARN_ASSIGN(codec::Json measured, point(oracle, scratch, kind, rules, count, events));
            fmt::print(stderr, "{}\n", measured.dump());
            if (const auto& times = measured["times_best_peer"]; times.is_number())
                smallest = std::min(smallest, times.as_double());
            if (std::string_view(kind) == "exact" && count == 10)
                ten = measured["events_per_cpu_s"].as_double();
            points.push(std::move(measured));
        }
    }
    codec::Json json = result(ten, "events/cpu-s with 10 rules", 500'000);
    if (smallest < 1e9) json.set("times_best_peer_at_least", smallest);
    json.set("points", std::move(points));
    return json;
}

// The same form of rules over events of our own: one rule in a hundred can match.
Result<codec::Json> alone() {
    std::vector<std::string> events, rules;
    for (std::uint64_t i = 0; i < 2000; ++i) events.push_back(sample_event(i));
    for (std::size_t i = 0; i < std::min<std::size_t>(most_rules(), 10'000); ++i)
        rules.push_back(fmt::format(
            R"({{"SourceInstitution":["NORDBANK"],"TargetAccount":["{}-{:05}"],"Amount":[{{"anything-but":"{}"}}]}})",
            i % 100 == 0 ? "ACC" : "XYZ", i, i));
    TARN_ASSIGN(const Measured ours, measure(rules, events));
    if (ours.matches == 0) return fail(Code::internal, "nothing matched");
    codec::Json json = result(ours.per_second, "events/cpu-s", 500'000);
    json.set("rules", static_cast<std::uint64_t>(rules.size()))
        .set("add_us", ours.add_us)
        .set("bytes_per_rule", ours.bytes_per_rule);
    return json;
}

Result<codec::Json> patterns() {
    const Scratch scratch;
    const auto oracle = find_oracle(scratch);
    return oracle ? against_ruler(*oracle, scratch) : alone();
}

}  // namespace

std::vector<Bench> pattern_benches() {
    return {{"patterns", "1 to 100,000 patterns of six kinds on CloudTrail events, beside Event Ruler",
             patterns}};
}

}  // namespace tarn::bench
