#include "verify/verify.h"

#include <fmt/core.h>

#include "verify/candidates.h"
#include "verify/document.h"
#include "verify/expectations.h"
#include "verify/read_back.h"

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

Status compare_state(const Subject& subject, const VerifyRequest& request, std::vector<Check>& checks,
                     Differences& differences) {
    if (subject.store().empty())
        return fail(Code::bad_usage,
                    fmt::format("run {} went to {}, which holds no state to compare", request.run,
                                subject.plan["target"].as_string()),
                    {.next = fmt::format("tarn verify {}", request.run)});
    TARN_ASSIGN(const Side against, resolve_side(subject.state, *request.against));
    const std::string store = subject.store();
    TARN_ASSIGN(const state::StoreInfo after, subject.state.store(store));
    checks.push_back(check_positions(against.positions, after.positions));
    TARN_ASSIGN(state::DiffResult diff, subject.state.diff(against.name, store,
                                                           {.ignore_columns = request.leniency.ignored,
                                                            .tolerances = request.leniency.tolerances,
                                                            .limit = Differences::shown}));
    checks.push_back({.name = "state",
                      .ok = diff.total == 0,
                      .detail = fmt::format("{} against {}: {} differences in {} rows{}", store, against.name,
                                            format_count(diff.total), format_count(diff.rows_compared),
                                            diff.total > 0 && !diff.events_note.empty()
                                                ? fmt::format(" (events: {})", diff.events_note)
                                                : ""),
                      .evidence = Evidence::target});
    differences.add_all(std::move(diff.differences), diff.total);
    return {};
}

// What was read back tells more than that the target cannot be read.
void add_target(std::vector<Check>& checks, Check target, std::optional<Check> read_back) {
    if (read_back && target.evidence == Evidence::sender) {
        checks.push_back(std::move(*read_back));
        return;
    }
    checks.push_back(std::move(target));
    if (read_back) checks.push_back(std::move(*read_back));
}

Json compared_with(const VerifyRequest& request) {
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (request.against) add(*request.against);
    if (!request.expect.is_null()) add("expectations of " + request.expect_name);
    if (request.read_back) add(*request.read_back);
    return text.empty() ? Json() : Json(text);
}

}  // namespace

Result<Json> verify(const Parts& parts, const VerifyRequest& request) {
    TARN_ASSIGN(Json report, parts.replay.show_run(request.run));
    TARN_ASSIGN(Json plan, parts.replay.show_plan(report["plan"].as_string()));
    const Subject subject{parts.replay, parts.lake,        parts.state,
                          parts.query,  std::move(report), std::move(plan)};
    if (subject.report["state"].as_string() == "created")
        return fail(Code::run_state,
                    fmt::format("run {} has not been started: there is nothing to verify", request.run),
                    {.next = fmt::format("tarn replay resume {}", request.run)});
    if (request.read_back && !subject.via().empty())
        return fail(
            Code::bad_usage,
            fmt::format("run {} sent what function:{} made of the events: what is read back has nothing "
                        "to be compared with",
                        request.run, subject.via()),
            {.next = fmt::format("tarn verify {}", request.run)});
    std::vector<Expectation> expectations;
    if (!request.expect.is_null()) {
        TARN_ASSIGN(expectations, parse_expectations(request.expect, request.leniency));
    }
    std::vector<Check> checks = {check_counts(subject)};
    TARN_ASSIGN(Check hashes, check_hashes(subject));
    TARN_ASSIGN(Check ledger, check_ledger(subject));
    checks.insert(checks.end(), {std::move(hashes), std::move(ledger)});
    Differences differences;
    std::optional<Check> read_back;
    if (request.read_back) {
        TARN_ASSIGN(read_back,
                    check_read_back(parts, subject, *request.read_back, request.leniency, differences));
    }
    TARN_ASSIGN(Check target, check_target(subject));
    add_target(checks, std::move(target), std::move(read_back));
    if (request.against) TARN_TRY(compare_state(subject, request, checks, differences));
    TARN_ASSIGN(auto expected, check_expectations(subject, expectations, differences));
    checks.insert(checks.end(), std::make_move_iterator(expected.begin()),
                  std::make_move_iterator(expected.end()));
    TARN_TRY(name_candidates(subject, differences.list()));
    Json document = document_of(checks, differences);
    document.set("run", request.run).set("compared_with", compared_with(request)).set("schema_version", 1);
    TARN_TRY(parts.replay.save_report_part(request.run, "verify", document));
    return document;
}

}  // namespace tarn::verify
