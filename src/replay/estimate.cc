#include "replay/estimate.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tarn::replay {
namespace {

using codec::Json;

// A run of fewer events says more about starting than about going on.
constexpr std::uint64_t fewest_events = 1'000;
constexpr std::size_t most_runs = 5;

std::string kind_of(std::string_view target) { return std::string(target.substr(0, target.find(':'))); }
// https:// costs and takes what http:// does.
std::string kind_of(const TargetAddress& target) {
    const std::string kind = kind_of(target.text());
    return kind == "https" ? "http" : kind;
}

double default_rate(TargetKind kind) {
    switch (kind) {
        case TargetKind::null:
            return 500'000;
        case TargetKind::file:
            return 200'000;
        case TargetKind::http:
        case TargetKind::exec:
        case TargetKind::declared:
            return 1'000;
        case TargetKind::function:
            return 5'000;
        default:
            return 60'000;
    }
}

struct Measured {
    std::vector<double> rates;
    Json runs = Json::array();

    void take(const Json& run) {
        const auto& samples = run["throughput"].elements();
        if (samples.empty() || rates.size() >= most_runs) return;
        const std::uint64_t done = samples.back()["done"].as_uint();
        const double seconds = static_cast<double>(run["active_us"].as_int()) / 1e6;
        if (done < fewest_events || seconds <= 0) return;
        rates.push_back(static_cast<double>(done) / seconds);
        runs.push(run["run"]);
    }
    double median() {
        std::ranges::sort(rates);
        return rates[rates.size() / 2];
    }
};

// Runs that held themselves back say nothing.
Measured measured_by(const std::vector<catalog::Document>& runs, const TargetAddress& target,
                     bool same_target) {
    Measured measured;
    for (const catalog::Document& run : runs) {
        if (run.body["pace"].as_string() != "max") continue;
        const std::string& text = run.body["target"].as_string();
        const std::string kind = kind_of(text) == "https" ? "http" : kind_of(text);
        if (same_target ? text == target.text() : kind == kind_of(target)) measured.take(run.body);
    }
    return measured;
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

Json by_rate(std::uint64_t events, double rate, std::string_view basis) {
    return Json::object()
        .set("seconds", rounded(static_cast<double>(events) / rate))
        .set("rate", rounded(rate))
        .set("basis", basis);
}

Result<Json> duration_of(catalog::Catalog& catalog, const Tally& tally, const Pace& pace,
                         const TargetAddress& target) {
    const double events = static_cast<double>(tally.events);
    if (pace.kind == Pace::Kind::events) return by_rate(tally.events, pace.rate, "pace");
    double seconds = 0;
    if (pace.kind == Pace::Kind::bytes) seconds = static_cast<double>(tally.bytes) / pace.rate;
    if (pace.kind == Pace::Kind::original)
        seconds = static_cast<double>(tally.last_time.us - tally.first_time.us) / 1e6 / pace.rate;
    if (pace.kind == Pace::Kind::bytes || pace.kind == Pace::Kind::original)
        return Json::object()
            .set("seconds", rounded(seconds))
            .set("rate", seconds > 0 ? Json(rounded(events / seconds)) : Json())
            .set("basis", "pace");
    TARN_ASSIGN(const auto runs, catalog.documents("run"));
    for (const bool same_target : {true, false}) {
        Measured measured = measured_by(runs, target, same_target);
        if (measured.rates.empty()) continue;
        Json estimate =
            by_rate(tally.events, measured.median(), same_target ? "this target" : "targets of its kind");
        return estimate.set("measured", std::move(measured.runs));
    }
    return by_rate(tally.events, default_rate(target.kind), "default");
}

}  // namespace

Result<Json> estimate_of(catalog::Catalog& catalog, const Tally& tally, const Pace& pace,
                         const TargetAddress& target) {
    TARN_ASSIGN(Json estimate, duration_of(catalog, tally, pace, target));
    TARN_ASSIGN(const auto prices, catalog.document(prices_kind, prices_kind));
    const Json& price = prices ? prices->body["targets"][kind_of(target)] : Json();
    if (price.is_null()) return estimate.set("cost", prices ? Json() : Json(0));
    const double cost = price["per_million_events"].as_double() * static_cast<double>(tally.events) / 1e6 +
                        price["per_gb"].as_double() * static_cast<double>(tally.bytes) / 1e9;
    // To a ten-thousandth of the currency: a replay of few events costs little, not nothing.
    return estimate.set("cost", std::round(cost * 10'000) / 10'000).set("currency", prices->body["currency"]);
}

}  // namespace tarn::replay
