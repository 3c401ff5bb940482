#include "replay/planner.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "replay/destination.h"
#include "replay/estimate.h"
#include "replay/manifest.h"
#include "replay/permissions.h"
#include "replay/plan_document.h"
#include "replay/resolve_conditions.h"
#include "replay/risks.h"
#include "replay/tally.h"

namespace tarn::replay {
namespace {

using codec::Json;

Failure bad(std::string message, std::string next = "tarn replay plan --help") {
    return fail(Code::bad_selection, std::move(message), {.next = std::move(next)});
}

Status check_word(std::string_view flag, std::string_view word, const std::vector<std::string>& words) {
    if (std::find(words.begin(), words.end(), word) != words.end()) return {};
    std::string list;
    for (const std::string& known : words) list += (list.empty() ? "" : ", ") + known;
    return bad(fmt::format("{} \"{}\": expected {}", flag, word, list));
}

Status check_settings(const PlanRequest& request) {
    TARN_TRY(check_word("--order", request.order, {"key", "total", "none"}));
    TARN_TRY(check_word("--on-failure", request.on_failure, {"hold", "continue", "stop"}));
    TARN_TRY(Pace::parse(request.pace));
    TARN_TRY(event::parse_shape(request.shape));
    return {};
}

// ---- the document
// -----------------------------------------------------------------------------------------------------

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

// What was asked for with its times resolved and what it names spelt out.
Json selection_json(const PlanRequest& request, const Conditions& conditions) {
    Json json = conditions.shown;
    json.set("rebuild", request.rebuild ? Json(*request.rebuild) : Json());
    if (request.restore_until != 0) json.set("before_sequence", request.restore_until);
    return json;
}

Result<Json> resolved_json(lake::Lake& lake, const Selection& selection) {
    Json positions = Json::object();
    for (const Source& source : selection.sources) {
        TARN_ASSIGN(const auto last, last_offsets(lake, source.view, selection.end));
        Json offsets = Json::object();
        for (const auto& [partition, offset] : last) offsets.set(std::to_string(partition), offset);
        positions.set(source.info.name, std::move(offsets));
    }
    return Json::object().set("snapshot", selection.end).set("positions", std::move(positions));
}

Json coverage_json(const Destination& to, const SelectionCounts& counts) {
    if (to.copy.empty()) return {};
    const std::uint64_t missing = counts.needed - counts.needed_selected;
    return Json::object()
        .set("base", to.base)
        .set("complete", missing == 0 && to.feeds_whole_store)
        .set("missing", missing)
        .set("in_base", counts.selected - counts.needed_selected);
}

std::string made_up_name(const PlanRequest& request, const Destination& to) {
    if (request.rebuild)
        return fmt::format("{} {} from {}", request.restore_until == 0 ? "rebuild" : "restore", to.copy,
                           to.base);
    return fmt::format("{} to {}{}", request.stream, to.copy.empty() ? to.address.text() : to.copy,
                       to.via ? " via " + to.via->name : "");
}

// ---- nothing selected
// -------------------------------------------------------------------------------------------------

Failure nothing_selected(Replay::Parts& parts, const PlanRequest& request, const Selection& selection) {
    const Source& source =
        *std::ranges::find_if(selection.sources, [](const Source& each) { return each.selects; });
    if (request.rebuild)
        return fail(Code::nothing_selected,
                    fmt::format("nothing is selected: what feeds {} takes no event after {}",
                                *request.rebuild, request.base),
                    {.next = "choose an earlier base: tarn snapshot list"});
    const auto facts = facts_of(parts.lake, source);
    if (!facts) return fail(facts.error());
    if (facts->events == 0)
        return fail(Code::nothing_selected,
                    fmt::format("nothing is selected: stream {} is empty", source.info.name),
                    {.next = fmt::format("capture something: tarn put {}", source.info.name)});
    const std::vector<std::string> types(facts->types.begin(), facts->types.end());
    std::string nearest, what = "no event matches";
    const Conditions& conditions = selection.conditions;
    const auto& pattern = conditions.pattern;
    if (pattern && pattern->types() && pattern->types()->size() == 1 && facts->all_types) {
        const std::string& asked = pattern->types()->front();
        if (!facts->types.contains(asked)) {
            what = fmt::format("no event of stream {} has type \"{}\"", source.info.name, asked);
            nearest = nearest_word(asked, types);
        }
    }
    const bool is_outside =
        !conditions.ingested && ((conditions.since && *conditions.since > facts->last_time) ||
                                 (conditions.until && *conditions.until <= facts->first_time));
    if (is_outside)
        what = fmt::format("event times of stream {} are {} … {}", source.info.name,
                           format_rfc3339(facts->first_time), format_rfc3339(facts->last_time));
    const auto& keys = conditions.keys;
    if (keys && nearest.empty())
        what += keys->size() == 1 ? fmt::format("; key {} was asked for", *keys->begin())
                                  : fmt::format("; {} keys were asked for", format_count(keys->size()));
    constexpr std::size_t listed_types = 50;
    std::string list = "types there are: ";
    for (std::size_t i = 0; i < std::min(types.size(), listed_types); ++i)
        list += (i == 0 ? "" : ", ") + types[i] + (types[i] == nearest ? " (nearest)" : "");
    if (types.size() > listed_types) list += fmt::format(" and {} more", types.size() - listed_types);
    return fail(
        Code::nothing_selected, "nothing is selected: " + what,
        {.next = fmt::format("correct the {}, or see what there is with: tarn tail {} --from beginning",
                             pattern ? "pattern" : "selection", source.info.name),
         .excerpt = list});
}

Json stream_ids_json(const Selection& selection) {
    Json ids = Json::object();
    for (const Source& source : selection.sources) ids.set(source.info.name, source.info.id.value);
    return ids;
}

template <typename Names>
std::string with_commas(const Names& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
    return text;
}

// The target's projections, or the subscriptions whose functions write the copy.
Json feeders_json(const Destination& to) {
    Json names = Json::array();
    if (to.address.kind == TargetKind::projection)
        for (const std::string& name : to.names) names.push(name);
    else
        for (const Feeder& feeder : to.feeders) names.push(feeder.name);
    return names;
}

// A stream that was made anew under the same name has had nothing.
std::string target_stream_id(const Destination& to) {
    return to.address.kind == TargetKind::stream ? to.version["stream"].as_string() : "";
}

Json texts_json(const std::vector<std::string>& texts) {
    Json json = Json::array();
    for (const std::string& text : texts) json.push(text);
    return json;
}

Result<std::vector<std::string>> needed_permissions(Replay::Parts& parts, const PlanRequest& request,
                                                    const Destination& to, const Selection& selection,
                                                    const Tally& tally) {
    const std::vector<FunctionInfo> called = functions_of_run(to);
    Acts acts{.target = to.address,
              .functions = called,
              .streams = selection.stream_names(),
              .types = tally.types(),
              .names_subscriptions = !request.only.empty()};
    return permissions_needed(parts, acts);
}

// Of a plan that is refused after all.
void remove_plan_files(Replay::Parts& parts, const std::string& id) {
    (void)parts.fs.remove(job_file(parts, id, "manifest.bin"));
    (void)parts.fs.remove(os::join(parts.directory, id));
}

// The request with the streams that its selection is about.
Result<PlanRequest> with_streams(Replay::Parts& parts, Replay& replay, const PlanRequest& request) {
    PlanRequest named = request;
    if (request.rebuild && !request.stream.empty())
        return bad(
            fmt::format(
                "--rebuild {} selects from the streams that feed the store: {} cannot be named as well",
                *request.rebuild, request.stream),
            fmt::format("leave {} out; to narrow a rebuild add conditions such as --keys", request.stream));
    if (request.rebuild) return named;
    TARN_ASSIGN(const auto streams, streams_of(parts, replay, request));
    if (streams.empty() && request.selects_anything())
        return bad("no stream was named", "tarn replay plan STREAM …");
    named.stream = with_commas(streams);
    return named;
}

std::set<std::string> marked_types(const Selection& selection) {
    std::set<std::string> types;
    for (const Source& source : selection.sources)
        for (const auto& [type, mark] : source.info.settings.replay) types.insert(type);
    return types;
}

Json share_json(const lake::ObjectShare& share) {
    return Json::object().set("objects", share.objects).set("events", share.events).set("bytes", share.bytes);
}

Json scanned_json(const lake::ScanCounts& counts) {
    Json skipped = Json::object();
    for (const auto& [why, share] : counts.skipped) skipped.set(why, share_json(share));
    return Json::object()
        .set("objects_read", counts.objects_read)
        .set("objects_total", counts.objects_total)
        .set("frames_read", counts.frames_read)
        .set("bytes_read", counts.bytes_read)
        .set("events_read", counts.events)
        .set("skipped", std::move(skipped))
        .set("complete", true);
}

// Who selected and for whom: everything about a plan but what the scan counts.
struct Drafted {
    PlanRequest request;
    Destination to;
    Selection selection;
    Time now;
};

Result<Drafted> draft(Replay::Parts& parts, Replay& replay, const PlanRequest& asked) {
    TARN_TRY(check_settings(asked));
    Drafted drafted;
    drafted.now = parts.clock.now();
    TARN_ASSIGN(drafted.request, with_streams(parts, replay, asked));
    TARN_ASSIGN(drafted.to, resolve_destination(parts, drafted.request));
    TARN_ASSIGN(drafted.selection,
                Selection::resolve(parts, replay, drafted.request, drafted.to.feeders, drafted.now));
    return drafted;
}

void add_target(Json& document, const Drafted& drafted) {
    const auto& [request, to, selection, now] = drafted;
    document.set("on_failure", request.on_failure)
        .set("into", text_or_null(to.copy))
        .set("base", text_or_null(to.base));
    document.set("store", text_or_null(to.store))
        .set("feeders", feeders_json(to))
        .set("target_version", to.version);
    document.set("stream_ids", stream_ids_json(selection)).set("only", texts_json(request.only));
    if (to.via)
        document.set("via", Json::object().set("function", to.via->name).set("version", to.via->version));
}

void add_approval(Json& document, const PlanRequest& request) {
    if (!request.planner.empty()) document.set("planner", request.planner);
    if (request.needs_approval) document.set("needs_approval", true).set("approval", nullptr);
}

}  // namespace

Result<Json> make_plan(Replay::Parts& parts, Replay& replay, const PlanRequest& asked) {
    TARN_ASSIGN(const Drafted drafted, draft(parts, replay, asked));
    const auto& [request, to, selection, now] = drafted;
    if (request.needs_approval && request.planner.empty())
        return bad("a plan that needs approval must say who plans: nobody could be told from the planner");
    TARN_ASSIGN(const auto delivered, delivered_before(parts, to.address, to.copy, target_stream_id(to), ""));

    TARN_ASSIGN(const std::uint64_t number, parts.catalog.next_number("plan"));
    const std::string id = fmt::format("pl-{}", number);
    const std::string manifest_path = job_file(parts, id, "manifest.bin");
    // The plan's own directory is made when the manifest is sealed: a refused plan leaves nothing.
    const std::string part_path = os::join(parts.directory, id + ".manifest.part");
    TARN_ASSIGN(const auto manifest, ManifestWriter::create(parts.fs, manifest_path, part_path));
    Tally tally(*manifest, delivered, marked_types(selection));
    const bool several = selection.selects_from_several();
    const auto counts = scan_selection(parts, selection, [&](const Selected& selected) {
        return tally.add(selected, several ? selected.stream : "");
    });
    if (!counts || counts->selected == 0)
        (void)parts.fs.remove(part_path);  // left over, it would only take space
    if (!counts) return fail(counts.error());
    if (counts->selected == 0) return nothing_selected(parts, request, selection);
    TARN_ASSIGN(const ManifestSummary sealed, manifest->finish());
    const auto asks = needed_permissions(parts, request, to, selection, tally);
    if (!asks) remove_plan_files(parts, id);
    if (!asks) return fail(asks.error());

    TARN_ASSIGN(const Pace pace, Pace::parse(request.pace));
    TARN_ASSIGN(Json resolved, resolved_json(parts.lake, selection));
    const Json coverage = coverage_json(to, *counts);
    TARN_ASSIGN(Json samples, tally.samples(parts.lake, selection));
    TARN_ASSIGN(Json estimate, estimate_of(parts.catalog, tally, pace, to.address));
    TARN_ASSIGN(Json frequent, tally.most_frequent_keys(parts.fs, manifest_path));
    TARN_ASSIGN(Json risks, risks_of({parts, request, to, selection, *counts, tally, coverage, *asks}));
    Json document = Json::object();
    document.set("plan", id).set("name", request.name.empty() ? made_up_name(request, to) : request.name);
    document.set("created", format_rfc3339(now)).set("stream", with_commas(selection.stream_names()));
    document.set("selection", selection_json(request, selection.conditions))
        .set("resolved", std::move(resolved));
    document.set("target", to.address.text())
        .set("order", request.order)
        .set("pace", request.pace)
        .set("shape", request.shape);
    document.set("events", tally.events).set("bytes", tally.bytes).set("keys", tally.keys());
    if (!tally.keys_are_exact()) document.set("keys_estimated", true);
    document.set("by_type", tally.by_type());
    document.set("time", Json::object()
                             .set("first", format_rfc3339(tally.first_time))
                             .set("last", format_rfc3339(tally.last_time)));
    document.set("samples", std::move(samples))
        .set("already_delivered", tally.already_delivered)
        .set("coverage", coverage);
    document.set("archived", Json::object().set("objects", 0).set("bytes", 0).set("ready_in", nullptr));
    document.set("estimate", std::move(estimate)).set("risks", std::move(risks));
    document.set("top_keys", std::move(frequent)).set("without_key", tally.without_key);
    add_target(document, drafted);
    document.set("asks", texts_json(*asks)).set("again", request.again);
    document.set("scanned", scanned_json(counts->scanned));
    add_approval(document, request);
    document.set("uid", os::make_uuid7(now, parts.rng)).set("manifest_sha256", sealed.sha256);
    document.set("digest", plan_digest(document, sealed.sha256)).set("schema_version", 1);

    TARN_TRY(os::write_file_durably(parts.fs, job_file(parts, id, "plan.json"), document.dump_pretty()));
    TARN_TRY(parts.catalog.put_document({"plan", id, now, document}));
    return document;
}

Result<Json> with_newer_events(Replay::Parts& parts, Json plan) {
    std::uint64_t newer = 0;
    for (const auto& [name, partitions] : plan["resolved"]["positions"].members()) {
        const auto stream = parts.catalog.stream(name);
        if (!stream || stream->id.value != plan["stream_ids"][name].as_uint()) continue;  // a run says so
        TARN_ASSIGN(const lake::StreamView view, parts.lake.view(stream->id));
        TARN_ASSIGN(const auto last, last_offsets(parts.lake, view, UINT64_MAX));
        for (const auto& [partition, offset] : last) {
            const Json& frozen = partitions[std::to_string(partition)];
            newer += offset + 1 - (frozen.is_null() ? 0 : frozen.as_uint() + 1);
        }
    }
    return plan.set("newer_events", newer);
}

Result<Json> explain_plan(Replay::Parts& parts, Replay& replay, const PlanRequest& asked) {
    TARN_ASSIGN(const Drafted drafted, draft(parts, replay, asked));
    const Selection& selection = drafted.selection;
    TARN_ASSIGN(const auto outlooks, outlook(parts, selection));
    Json streams = Json::array();
    lake::ScanCounts all;
    for (std::size_t i = 0; i < outlooks.size(); ++i) {
        const lake::ScanCounts& counts = outlooks[i];
        all.add(counts);
        Json skipped = Json::array();
        for (const auto& [why, share] : counts.skipped) skipped.push(share_json(share).set("by", why));
        streams.push(Json::object()
                         .set("stream", selection.sources[i].info.name)
                         .set("objects", counts.objects_total)
                         .set("read", share_json(counts.to_read).set("log_bytes", counts.tail_bytes))
                         .set("skipped", std::move(skipped)));
    }
    return Json::object()
        .set("schema_version", 1)
        .set("explain", true)
        .set("selection", selection_json(drafted.request, selection.conditions))
        .set("target", drafted.to.address.text())
        .set("streams", std::move(streams))
        .set("to_read", share_json(all.to_read).set("log_bytes", all.tail_bytes));
}

}  // namespace tarn::replay
