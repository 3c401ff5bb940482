#include "verify/verify.h"

#include <fmt/core.h>

#include <algorithm>

#include "verify/candidates.h"
#include "verify/checks.h"

namespace tarn::verify {
namespace {

using codec::Json;

// What --against names, looked up.
struct Side {
    std::string name;  // as State::diff takes it
    std::vector<state::FeederPosition> positions;
};

Result<Side> resolve_side(state::State& state, const std::string& text) {
    if (text.starts_with("snapshot:")) {
        TARN_ASSIGN(state::SnapshotInfo snapshot, state.snapshot(text.substr(9)));
        return Side{text, std::move(snapshot.positions)};
    }
    if (text.starts_with("store:")) {
        TARN_ASSIGN(state::StoreInfo store, state.store(text.substr(6)));
        return Side{text.substr(6), std::move(store.positions)};
    }
    return fail(Code::bad_usage, fmt::format("--against \"{}\": expected snapshot:ID or store:NAME", text),
                {.next = "tarn snapshot list, tarn store list"});
}

struct Comparison {
    std::vector<Check> checks;
    std::vector<state::Difference> differences;
    std::uint64_t total = 0;
};

Result<Comparison> compare_state(const Subject& subject, const VerifyRequest& request) {
    if (subject.plan["store"].is_null())
        return fail(Code::bad_usage,
                    fmt::format("run {} went to {}, which holds no state to compare", request.run,
                                subject.plan["target"].as_string()),
                    {.next = fmt::format("tarn verify {}", request.run)});
    TARN_ASSIGN(const Side against, resolve_side(subject.state, *request.against));
    const std::string& into = subject.plan["into"].as_string();
    const std::string store = into.empty() ? subject.plan["store"].as_string() : into;
    TARN_ASSIGN(const state::StoreInfo after, subject.state.store(store));
    Comparison comparison;
    comparison.checks.push_back(check_positions(against.positions, after.positions));
    TARN_ASSIGN(
        state::DiffResult diff,
        subject.state.diff(against.name, store, {.ignore_columns = request.ignore_columns, .limit = 1000}));
    comparison.checks.push_back(
        {"state", diff.total == 0,
         fmt::format("{} against {}: {} differences in {} rows{}", store, against.name,
                     format_count(diff.total), format_count(diff.rows_compared),
                     diff.total > 0 && !diff.events_note.empty()
                         ? fmt::format(" (events: {})", diff.events_note)
                         : "")});
    comparison.total = diff.total;
    comparison.differences = std::move(diff.differences);
    TARN_TRY(name_candidates(subject, comparison.differences));
    return comparison;
}

Result<Json> document_of(const std::vector<Check>& checks, const Comparison& comparison,
                         const VerifyRequest& request) {
    Json list = Json::array(), failed = Json::array(), differences = Json::array();
    for (const Check& check : checks) {
        list.push(check.to_json());
        if (!check.ok) failed.push(check.name);
    }
    for (const state::Difference& difference : comparison.differences) differences.push(difference.to_json());
    const bool equal = comparison.total == 0 &&
                       std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; });
    Json document = Json::object();
    document.set("run", request.run)
        .set("checked", true)
        .set("checks", std::move(list))
        .set("failed_checks", std::move(failed))
        .set("differences", std::move(differences));
    document.set("differences_total", comparison.total)
        .set("complete", comparison.differences.size() == comparison.total);
    document.set("compared_with", request.against ? Json(*request.against) : Json())
        .set("equal", equal)
        .set("schema_version", 1);
    return document;
}

}  // namespace

Result<Json> verify(replay::Replay& replay, lake::Lake& lake, state::State& state,
                    const VerifyRequest& request) {
    TARN_ASSIGN(Json report, replay.show_run(request.run));
    TARN_ASSIGN(Json plan, replay.show_plan(report["plan"].as_string()));
    const Subject subject{replay, lake, state, std::move(report), std::move(plan)};
    if (subject.report["state"].as_string() == "created")
        return fail(Code::run_state,
                    fmt::format("run {} has not been started: there is nothing to verify", request.run),
                    {.next = fmt::format("tarn replay resume {}", request.run)});
    std::vector<Check> checks = {check_counts(subject)};
    TARN_ASSIGN(Check hashes, check_hashes(subject));
    TARN_ASSIGN(Check ledger, check_ledger(subject));
    TARN_ASSIGN(Check target, check_target(subject));
    checks.insert(checks.end(), {std::move(hashes), std::move(ledger), std::move(target)});
    Comparison comparison;
    if (request.against) {
        TARN_ASSIGN(comparison, compare_state(subject, request));
        checks.insert(checks.end(), comparison.checks.begin(), comparison.checks.end());
    }
    TARN_ASSIGN(Json document, document_of(checks, comparison, request));
    TARN_TRY(replay.save_report_part(request.run, "verify", document));
    return document;
}

}  // namespace tarn::verify
