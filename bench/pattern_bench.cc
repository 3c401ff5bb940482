// Many patterns on one stream against Event Ruler, the library behind EventBridge: same rules, same events,
// same run, one thread, from the event's bytes to the list of rules. What matched is compared before speed.
//
// The rules over CloudTrail events come from the shared oracles (rules.py), those over webhooks are made here
// from the payloads; without the shared data a set of our own is measured alone.
// TARN_BENCH_POINTS=KIND:RULES,… measures these points only; pattern_peer.h has the settings of the peer.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "bench/pattern_peer.h"
#include "pattern/naive.h"
#include "tests/shared_data.h"

namespace tarn::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMixed = "mixed";
constexpr const char* kWebhooks = "webhooks";

struct Point {
    std::string kind;
    std::size_t rules;
};

std::vector<Point> all_points() {
    std::vector<Point> points;
    for (const char* kind : {"exact", "prefix", "numeric", "anything-but", "wildcard", kMixed})
        for (const std::size_t count : {1, 10, 100, 1000, 10'000, 100'000}) points.push_back({kind, count});
    for (const std::size_t count : {10, 1000, 10'000}) points.push_back({kWebhooks, count});
    return points;
}

std::vector<Point> wanted_points() {
    const char* set = std::getenv("TARN_BENCH_POINTS");
    if (set == nullptr) return all_points();
    std::vector<Point> points;
    for (std::string_view rest = set; !rest.empty();) {
        const std::string_view one = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
        const auto colon = one.find(':');
        const std::string count(colon == std::string_view::npos ? "" : one.substr(colon + 1));
        points.push_back({std::string(one.substr(0, colon)), std::strtoull(count.c_str(), nullptr, 10)});
    }
    return points;
}

// ---- CloudTrail

Result<Lines> cloudtrail_events(const Scratch& scratch) {
    const auto records = test::shared_data("cloudtrail-invictus");
    const std::string plain = scratch.path("records.ndjson"), events = scratch.path("events.ndjson");
    if (!runs(fmt::format("zstd -dqf {}/records.ndjson.zst -o {}", records->string(), plain)) ||
        std::system(
            fmt::format("python3 {}/rules.py events {} > {}", oracle_scripts().string(), plain, events)
                .c_str()) != 0)
        return fail(Code::internal, "the CloudTrail events could not be made");
    return lines_of(events);
}

Status write_cloudtrail_rules(const Scratch& scratch, const std::string& kind, std::size_t most,
                              const std::string& to) {
    if (std::system(fmt::format("python3 {}/rules.py rules {} {} {} > {}", oracle_scripts().string(),
                                scratch.path("events.ndjson"), kind, most, to)
                        .c_str()) == 0)
        return {};
    return fail(Code::internal, fmt::format("rules.py made no rules of kind {}", kind));
}

// How many times slower 10,000 rules are than 10 when no more of them match: all but the first ten are rules
// that cannot.
Result<double> slowdown(const Lines& rules, const Lines& events) {
    constexpr std::size_t kFew = 10, kMany = 10'000, kCanMatchEvery = 100;
    Lines many;
    for (std::size_t i = 0; i < rules.size() && many.size() < kMany; ++i)
        if (i < kFew || i % kCanMatchEvery != 0) many.push_back(rules[i]);
    TARN_ASSIGN(const RuleBench ten, RuleBench::load(Lines(rules.begin(), rules.begin() + kFew)));
    TARN_ASSIGN(const RuleBench all, RuleBench::load(many));
    return ten.rate(events) / all.rate(events);
}

// ---- webhooks

// The example payloads of three generations of an API, 9 KB each, as they are.
Result<Lines> webhook_events() {
    const auto data = test::shared_data("github-webhooks");
    if (!data) return fail(Code::internal, test::missing_shared_data("github-webhooks"));
    const Scratch scratch;
    Lines events;
    for (const char* generation : {"ghes-31", "ghes-34", "api.github.com"}) {
        const std::string plain = scratch.path(generation);
        if (!runs(fmt::format("zstd -dqf {}/{}.index.json.zst -o {}", data->string(), generation, plain)))
            return fail(Code::internal, fmt::format("{} cannot be decompressed", generation));
        std::ifstream in(plain);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        TARN_ASSIGN(const codec::Json types, codec::Json::parse(text));
        for (const codec::Json& type : types.elements())
            for (const codec::Json& payload : type["examples"].elements()) events.push_back(payload.dump());
    }
    return events;
}

// A value that asks for this text, or for one that does not occur, in each of the ways that people use.
std::string webhook_value(const std::string& text, std::size_t way) {
    const std::string half = text.substr(0, text.size() / 2);
    switch (way % 5) {
        case 0:
            return fmt::format(R"({{"prefix":{}}})", codec::quoted(half));
        case 1:
            return fmt::format(R"({{"wildcard":{}}})", codec::quoted(half + "*"));
        case 2:
            return fmt::format(R"({{"equals-ignore-case":{}}})", codec::quoted(text));
        case 3:
            return fmt::format(R"({{"anything-but":[{}]}})", codec::quoted(text + "-other"));
        default:
            return codec::quoted(text);
    }
}

bool is_simple(const pattern::naive::Leaf& leaf) {
    constexpr std::size_t kMost = 60;
    return leaf.type == codec::JsonType::string && !leaf.text.empty() && leaf.text.size() < kMost &&
           std::ranges::all_of(leaf.text, [](unsigned char c) { return c >= 'A' && c < 0x7f && c != '\\'; });
}

// Rule i asks for three leaves of payload i, in ways that take turns; one rule in a hundred can match, the
// others ask for a sender that is none.
Lines webhook_rules(const Lines& events, std::size_t count) {
    constexpr std::size_t kCanMatchEvery = 100;
    Lines rules;
    for (std::size_t i = 0; rules.size() < count; ++i) {
        const auto leaves = pattern::naive::leaves_of(events[i % events.size()]);
        std::map<std::string, std::string> fields;
        for (std::size_t tried = 0; fields.size() < 2 && tried < leaves.size(); ++tried) {
            const auto& leaf = leaves[(7919 * i + 31 * tried) % leaves.size()];
            if (is_simple(leaf)) fields[leaf.path] = webhook_value(leaf.text, i + tried);
        }
        const bool can_match = rules.size() % kCanMatchEvery == 0;
        fields["sender.login"] =
            can_match ? R"({"exists":true})" : codec::quoted(fmt::format("nobody-{}", rules.size()));
        std::string rule;
        for (const auto& [path, value] : fields)
            rule += fmt::format("{}{}:[{}]", rule.empty() ? "" : ",", codec::quoted(path), value);
        rules.push_back("{" + rule + "}");
    }
    return rules;
}

// ---- points

class PatternBench {
public:
    PatternBench() : ruler_(Ruler::find(scratch_)) {}

    Result<codec::Json> run() {
        codec::Json points = codec::Json::array();
        double smallest = 1e9, ten = 0;
        std::uint64_t unanswered = 0;
        for (const Point& point : wanted_points()) {
            TARN_ASSIGN(codec::Json measured, measure(point));
            fmt::print(stderr, "{}\n", measured.dump());
            if (const auto& times = measured["times_best_peer"]; times.is_number())
                smallest = std::min(smallest, times.as_double());
            if (measured["ruler"].is_string()) ++unanswered;
            if (point.kind == "exact" && point.rules == 10) ten = measured["events_per_cpu_s"].as_double();
            points.push(std::move(measured));
        }
        codec::Json json = result(ten, "events/cpu-s with 10 rules", 500'000);
        if (smallest < 1e9) json.set("times_best_peer_at_least", smallest);
        json.set("peer_unanswered", unanswered).set("points", std::move(points));
        return json;
    }

private:
    Result<codec::Json> measure(const Point& point) {
        const bool webhooks = point.kind == kWebhooks;
        Lines& events = webhooks ? webhook_events_ : cloudtrail_events_;
        if (events.empty()) {
            TARN_ASSIGN(events, webhooks ? webhook_events() : cloudtrail_events(scratch_));
        }
        TARN_ASSIGN(const std::string rules, rules_of(point));
        const Lines patterns = lines_of(rules, point.rules);
        TARN_ASSIGN(const RuleBench ours, RuleBench::load(patterns));
        codec::Json json;
        json.set("kind", point.kind).set("rules", static_cast<std::uint64_t>(ours.rules()));
        constexpr std::size_t kMostForReferee = 1000;
        if (webhooks && ours.rules() <= kMostForReferee && ours.digest(events) != ours.referee_digest(events))
            return fail(Code::internal,
                        fmt::format("{}: other rules matched than by the referee", json.dump()));
        json.set("events_per_cpu_s", ours.rate(events))
            .set("matches_per_event", ours.matches_per_event(events))
            .set("add_us", ours.add_us())
            .set("compile_us", ours.compile_us())
            .set("bytes_per_rule", ours.bytes_per_rule());
        if (point.kind == kMixed && point.rules == 10'000) {
            TARN_ASSIGN(const double times, slowdown(lines_of(rules), events));
            json.set("times_slower_than_10_rules_with_the_same_matches", times);
        }
        if (ruler_) TARN_TRY(ruler_->compare(ours, rules, events, json));
        return json;
    }

    // The file of the rules: as many as any point takes, so that each has the first of them.
    Result<std::string> rules_of(const Point& point) {
        constexpr std::size_t kMore = 200;  // for slowdown()
        std::size_t most = 0;
        for (const Point& other : wanted_points())
            if (other.kind == point.kind) most = std::max(most, other.rules + kMore);
        const std::string path = scratch_.path(point.kind + ".ndjson");
        if (fs::exists(path)) return path;
        if (point.kind != kWebhooks) {
            TARN_TRY(write_cloudtrail_rules(scratch_, point.kind, most, path));
            return path;
        }
        std::ofstream out(path);
        for (const std::string& rule : webhook_rules(webhook_events_, most)) out << rule << '\n';
        return path;
    }

    const Scratch scratch_;
    std::unique_ptr<Ruler> ruler_;
    Lines cloudtrail_events_, webhook_events_;
};

// The same form of rules over events of our own: one rule in a hundred can match.
Result<codec::Json> alone() {
    Lines events, rules;
    for (std::uint64_t i = 0; i < 2000; ++i) events.push_back(sample_event(i));
    for (std::size_t i = 0; i < 10'000; ++i)
        rules.push_back(fmt::format(
            R"({{"SourceInstitution":["NORDBANK"],"TargetAccount":["{}-{:05}"],"Amount":[{{"anything-but":"{}"}}]}})",
            i % 100 == 0 ? "ACC" : "XYZ", i, i));
    TARN_ASSIGN(const RuleBench ours, RuleBench::load(rules));
    if (ours.matches_per_event(events) == 0) return fail(Code::internal, "nothing matched");
    codec::Json json = result(ours.rate(events), "events/cpu-s", 500'000);
    json.set("rules", static_cast<std::uint64_t>(rules.size()))
        .set("add_us", ours.add_us())
        .set("bytes_per_rule", ours.bytes_per_rule());
    return json;
}

Result<codec::Json> patterns() {
    if (!oracle_scripts().empty()) return PatternBench().run();
    fmt::print(stderr, "patterns: {}; measuring a set of our own, without a peer\n",
               test::missing_shared_data("cloudtrail-invictus"));
    return alone();
}

}  // namespace

std::vector<Bench> pattern_benches() {
    return {{"patterns",
             "1 to 100,000 patterns of six kinds on CloudTrail events, and on webhooks, beside Event Ruler",
             patterns}};
}

}  // namespace tarn::bench
