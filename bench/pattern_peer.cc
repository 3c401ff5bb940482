#include "bench/pattern_peer.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/shared_data.h"

namespace tarn::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSlowFrom = 10'000;  // rules, from which Event Ruler may need minutes
constexpr std::size_t kSampleEvery = 100;  // events
constexpr double kRounds = 8;              // seconds of warming up and measuring

std::string find_jar(const Scratch& scratch) {
    if (const char* set = std::getenv("TARN_RULER_JAR")) return set;
    const fs::path scripts = oracle_scripts();
    if (scripts.empty() || !runs("java -version") || !runs("mvn -version")) return "";
    const std::string copy = scratch.path("ruler");
    if (!runs(fmt::format("cp -r {}/ruler {} && chmod -R u+w {} && cd {} && mvn -q package", scripts.string(),
                          copy, copy, copy)))
        return "";
    return copy + "/target/ruler-oracle.jar";
}

// Quamina is not to be had as a package; its recorded ratio to Event Ruler in one run stands in for it.
double best_peer(double ruler, std::size_t count) {
    const double quamina = count <= 100 ? 1.9 : count <= 1000 ? 1.26 : 0;
    return ruler * std::max(1.0, quamina);
}

void write_lines(const std::string& path, const Lines& lines) {
    std::ofstream out(path);
    for (const std::string& line : lines) out << line << '\n';
}

Lines sample_of(const Lines& events) {
    Lines sample;
    for (std::size_t i = 0; i < events.size(); i += kSampleEvery) sample.push_back(events[i]);
    return sample;
}

}  // namespace

fs::path oracle_scripts() {
    const auto data = test::shared_data("cloudtrail-invictus");
    if (!data) return {};
    fs::path scripts = data->parent_path().parent_path() / "oracles";
    return fs::exists(scripts / "rules.py") ? scripts : fs::path();
}

bool runs(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

std::unique_ptr<Ruler> Ruler::find(const Scratch& scratch) {
    std::string jar = find_jar(scratch);
    if (jar.empty()) {
        fmt::print(stderr, "patterns: Event Ruler is absent: no comparison\n");
        return nullptr;
    }
    const char* set = std::getenv("TARN_BENCH_PEER_SECONDS");
    const double seconds = set == nullptr ? 400 : std::max(1.0, std::strtod(set, nullptr));
    return std::unique_ptr<Ruler>(new Ruler(scratch, std::move(jar), seconds));
}

// Null when it did not answer in time.
Result<codec::Json> Ruler::ask(const std::string& rules, std::size_t count, const Lines& events) {
    const std::string out = scratch_.path("ruler.json"), asked = scratch_.path("ruler-events.ndjson");
    write_lines(asked, events);
    const int status = std::system(fmt::format("timeout {} java -Xmx8g -jar {} bench --rules {} --events {} "
                                               "--limit {} --rounds 1 > {} 2> {}.log",
                                               seconds_, jar_, rules, asked, count, out, out)
                                       .c_str());
    constexpr int kTimedOut = 124;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kTimedOut) return codec::Json();
    const auto lines = lines_of(out, 1);
    if (status != 0 || lines.empty()) {
        const auto log = lines_of(out + ".log", 1);
        return fail(Code::internal, fmt::format("Event Ruler failed at {} rules: {}", count,
                                                log.empty() ? "no answer" : log.front()));
    }
    return codec::Json::parse(lines.front());
}

Status Ruler::compare(const RuleBench& ours, const std::string& rules, const Lines& events,
                      codec::Json& point) {
    const bool sampled = ours.rules() >= kSlowFrom;
    Lines asked = sampled ? sample_of(events) : events;
    auto asked_ruler = ask(rules, ours.rules(), asked);
    if (!asked_ruler) {
        point.set("ruler", asked_ruler.error().message);
        return {};
    }
    codec::Json answer = std::move(*asked_ruler);
    if (sampled && answer.is_object()) {
        const double all = answer["load_ms"].as_double() / 1000 + kRounds +
                           static_cast<double>(events.size()) / answer["events_per_s"].as_double();
        if (all < 0.9 * seconds_) {
            TARN_ASSIGN(codec::Json full, ask(rules, ours.rules(), events));
            if (full.is_object()) answer = std::move(full), asked = events;
        }
    }
    if (!answer.is_object()) {
        // Loading counts: it is what the peer gave in that time.
        point.set("ruler", fmt::format("no answer in {} s", seconds_))
            .set("ruler_events_per_s_below", static_cast<double>(asked.size()) / seconds_);
        return {};
    }
    if (answer["digest"].as_string() != ours.digest(asked))
        return fail(Code::internal,
                    fmt::format("{}: other rules matched than with Event Ruler", point.dump()));
    const double peer = answer["events_per_cpu_s"].as_double();
    point.set("ruler_events_per_cpu_s", peer)
        .set("ruler_events", static_cast<std::uint64_t>(asked.size()))
        .set("ruler_load_s", answer["load_ms"].as_double() / 1000);
    // Below half an event a second it writes 0.
    if (peer > 0)
        point.set("times_best_peer", point["events_per_cpu_s"].as_double() / best_peer(peer, ours.rules()));
    return {};
}

}  // namespace tarn::bench
