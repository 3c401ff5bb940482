#include "replay/risks.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::replay {
namespace {

using codec::Json;

class Risks {
public:
    void add(std::string line) { lines_.push(std::move(line)); }
    Json take() { return std::move(lines_); }

private:
    Json lines_ = Json::array();
};

std::uint64_t bytes_in_the_way(Replay::Parts& parts, const Destination& to) {
    if (to.address.kind != TargetKind::file) return 0;
    const auto there = parts.fs.stat(to.address.place);
    return there && *there ? (*there)->size : 0;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

// Who may see an event twice after a crash, unless its declaration says that it knows its keys.
Status add_repeats(Risks& risks, Replay::Parts& parts, const Destination& to) {
    bool is_program = to.address.kind == TargetKind::exec;
    if (to.address.kind == TargetKind::declared) {
        TARN_ASSIGN(const TargetSpec spec, declared_target(parts.catalog, to.address.place));
        if (spec.is_idempotent) return {};
        is_program = spec.is_program();
    } else if (to.address.kind != TargetKind::http && !is_program) {
        return {};
    }
    risks.add(is_program
                  ? "the program may get an event twice after a crash: it must recognise the attribute "
                    "tarnkey"
                  : "the receiver may see an event twice after a crash: it must recognise the header "
                    "Idempotency-Key");
    return {};
}

void add_function_risks(Risks& risks, const PlanRequest& request, const Destination& to) {
    for (const FunctionInfo& function : to.functions) {
        if (to.copy.empty() && !function.stores.empty())
            risks.add(
                fmt::format("function {} changes the live store {}: what it has had already takes effect "
                            "again, unless it "
                            "keeps TARN_POSITION with the effect. A rehearsal: --into {}@NAME --base …",
                            function.name, joined(function.stores), function.stores.front()));
        if (function.stores.empty())
            risks.add(fmt::format("function {} acts again on every event", function.name));
    }
    if (!to.copy.empty()) return;
    for (const SubscriptionInfo& subscription : to.subscriptions)
        if (event::shape_name(subscription.shape) != request.shape)
            risks.add(fmt::format("subscription {} gives function {} shape {}; this run gives it {}",
                                  subscription.name, subscription.function,
                                  event::shape_name(subscription.shape), request.shape));
}

void add_via_risks(Risks& risks, const FunctionInfo& via) {
    risks.add(fmt::format(
        "what arrives is not what was captured: function:{} makes it on the way, and may drop events. "
        "Verification compares how many arrive and their ids, not bytes",
        via.name));
    if (!via.stores.empty())
        risks.add(
            fmt::format("function {} writes the live store {}: on the way it would do so for every event",
                        via.name, joined(via.stores)));
}

// How a stream's events come to stand in another one: "billing → orders-copy", "" when they do not.
std::string way_between(const std::vector<SubscriptionInfo>& subscriptions, const std::string& from,
                        const std::set<std::string>& to) {
    std::map<std::string, std::string> ways = {{from, ""}};
    std::vector<std::string> ahead = {from};
    while (!ahead.empty()) {
        const std::string here = ahead.back();
        ahead.pop_back();
        for (const SubscriptionInfo& each : subscriptions) {
            if (each.stream != here || each.to_stream.empty()) continue;
            const std::string way = ways[here] + (ways[here].empty() ? "" : ", then ") +
                                    fmt::format("subscription {} into {}", each.name, each.to_stream);
            if (to.contains(each.to_stream)) return way;
            if (ways.emplace(each.to_stream, way).second) ahead.push_back(each.to_stream);
        }
    }
    return "";
}

Status add_loops(Risks& risks, Replay::Parts& parts, const Destination& to, const Selection& selection) {
    std::set<std::string> selected;
    for (const std::string& name : selection.stream_names()) selected.insert(name);
    const std::string& target = to.address.place;
    if (selected.contains(target))
        risks.add(fmt::format(
            "a loop: the events go into the stream they come from. What reads {} sees them a second "
            "time, and the same selection selects them again",
            target));
    if (parts.functions == nullptr) return {};
    TARN_ASSIGN(const auto subscriptions, parts.functions->subscriptions());
    if (const std::string way = way_between(subscriptions, target, selected); !way.empty())
        risks.add(
            fmt::format("a loop: what is sent into {} comes back to where it was selected: {}", target, way));
    return {};
}

void add_selection_risks(Risks& risks, const SelectionCounts& counts, const Tally& tally) {
    constexpr std::size_t shown = 5;
    const auto& keys = counts.keys_without_events;
    if (!keys.empty()) {
        const std::vector<std::string> first(
            keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(std::min(shown, keys.size())));
        risks.add(fmt::format("{} of --keys without any event in the selection: {}{}",
                              keys.size() == 1 ? "1 key" : format_count(keys.size()) + " keys", joined(first),
                              keys.size() > shown ? ", …" : ""));
    }
    for (const std::string& mixed : tally.mixed_types())
        risks.add(fmt::format("mixed versions of type {}: whoever takes them must know each", mixed));
}

}  // namespace

Result<Json> risks_of(const RiskInputs& inputs) {
    const auto& [parts, request, to, selection, counts, tally, coverage, asks] = inputs;
    Risks risks;
    for (const std::string& name : asks)
        risks.add(fmt::format("{} is marked replay: ask: a run needs --allow {}", name, name));
    if (to.address.kind == TargetKind::function) add_function_risks(risks, request, to);
    if (to.via) add_via_risks(risks, *to.via);
    if (request.order == "key" && tally.without_key > 0)
        risks.add(
            fmt::format("{} events have no key: they keep the order of their partition, and wait behind each "
                        "other's failures",
                        format_count(tally.without_key)));
    if (request.order == "none")
        risks.add("order none: a failure holds nothing back, later events of its key overtake it");
    if (request.on_failure == "continue")
        risks.add("on failure continue: later events of a failed event's key are sent all the same");
    TARN_TRY(add_repeats(risks, parts, to));
    if (const std::uint64_t bytes = bytes_in_the_way(parts, to); bytes > 0)
        risks.add(fmt::format("{} holds {}: a run writes only into a new or empty file, move it away first",
                              to.address.text(), format_bytes(bytes)));
    if (to.address.kind == TargetKind::stream) TARN_TRY(add_loops(risks, parts, to, selection));
    add_selection_risks(risks, counts, tally);
    if (coverage["complete"].type() == codec::JsonType::boolean && !coverage["complete"].as_bool()) {
        if (coverage["missing"].as_uint() > 0)
            risks.add(
                fmt::format("partial: {} events after the base are not selected. Differences are to be "
                            "expected; promote is refused",
                            format_count(coverage["missing"].as_uint())));
        if (!to.feeds_whole_store)
            risks.add(fmt::format("partial: store {} is fed by other {} too", to.store,
                                  to.address.kind == TargetKind::function ? "functions" : "projections"));
    }
    if (coverage["in_base"].as_uint() > 0)
        risks.add(fmt::format(
            "{} selected events are in the base already or taken by no pattern: they will be skipped",
            format_count(coverage["in_base"].as_uint())));
    if (to.address.kind == TargetKind::projection && to.copy.empty())
        risks.add(fmt::format("the live store {} is changed; events it has applied are skipped", to.store));
    if (to.address.kind == TargetKind::http && request.shape == "payload")
        risks.add(
            "shape payload carries no tarnrun: only the headers Tarn-Run and Idempotency-Key tell a replay "
            "from "
            "the original");
    if (tally.already_delivered > 0)
        risks.add(fmt::format(
            "{} events have reached this target before: {}", format_count(tally.already_delivered),
            request.again ? "they are sent again" : "they are skipped (--again sends them)"));
    if (tally.duplicate_keys > 0)
        risks.add(fmt::format("{} events name a JSON key twice: receivers may read them differently",
                              format_count(tally.duplicate_keys)));
    return risks.take();
}

}  // namespace tarn::replay
