#include "replay/planner.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/nearest.h"
#include "replay/destination.h"
#include "replay/manifest.h"
#include "replay/permissions.h"
#include "replay/plan_document.h"
#include "replay/selection.h"

namespace tarn::replay {
namespace {

using codec::Json;

constexpr std::size_t first_samples = 3;
constexpr std::size_t top_keys = 10;
constexpr std::size_t listed_ids = 1000;

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

// ---- what the scan sees
// -----------------------------------------------------------------------------------------------

// Writes the manifest and counts what the document tells.
class Tally {
public:
    Tally(ManifestWriter& manifest, const std::vector<Position>& delivered)
        : manifest_(manifest), delivered_(delivered) {}

    Status add(const Selected& selected) {
        const event::StoredEvent& event = selected.event;
        TARN_TRY(manifest_.add(entry_of(event, selected.meta)));
        ++events;
        bytes += event.payload.size();
        ++by_type_[std::string(selected.meta.type)];
        if (selected.meta.key) ++keys_[std::string(*selected.meta.key)];
        without_key += !selected.meta.key;
        duplicate_keys += selected.meta.duplicate_keys;
        first_time = std::min(first_time, selected.meta.time);
        last_time = std::max(last_time, selected.meta.time);
        already_delivered += std::binary_search(delivered_.begin(), delivered_.end(), event.position);
        if (events <= first_samples) samples_.push_back(sample_of(event, selected.meta));
        last_ = event.position;
        return {};
    }

    Json by_type() const {
        std::vector<std::pair<std::string, std::uint64_t>> types(by_type_.begin(), by_type_.end());
        std::stable_sort(types.begin(), types.end(),
                         [](const auto& a, const auto& b) { return a.second > b.second; });
        Json json = Json::object();
        for (const auto& [type, count] : types) json.set(type, count);
        return json;
    }

    std::vector<std::string> types() const {
        std::vector<std::string> types;
        for (const auto& [type, count] : by_type_) types.push_back(type);
        std::sort(types.begin(), types.end());
        return types;
    }

    Json most_frequent_keys() const {
        std::vector<std::pair<std::string, std::uint64_t>> keys(keys_.begin(), keys_.end());
        const std::size_t shown = std::min(top_keys, keys.size());
        std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(shown), keys.end(),
                          [](const auto& a, const auto& b) {
                              return a.second != b.second ? a.second > b.second : a.first < b.first;
                          });
        Json json = Json::array();
        for (std::size_t i = 0; i < shown; ++i)
            json.push(Json::object().set("key", keys[i].first).set("count", keys[i].second));
        return json;
    }

    // The first three and the last, which is read again: only now it is known to be the last.
    Result<Json> samples(lake::Lake& lake, std::string_view stream) const {
        Json json = Json::array(samples_);
        if (events <= first_samples) return json;
        TARN_ASSIGN(const lake::OwnedEvent last, lake.get(last_));
        event::MetaReader reader;
        json.push(sample_of(last.event, reader.read(last.event, stream)));
        return json;
    }

    std::size_t keys() const { return keys_.size(); }

    std::uint64_t events = 0, bytes = 0, without_key = 0, duplicate_keys = 0, already_delivered = 0;
    Time first_time{INT64_MAX}, last_time{INT64_MIN};

private:
    static ManifestEntry entry_of(const event::StoredEvent& event, const event::Meta& meta) {
        ManifestEntry entry;
        entry.stream = event.position.stream;
        entry.partition = event.position.partition;
        entry.offset = event.position.offset;
        entry.sequence = event.sequence;
        // Without a key the partition is the unit of order; the seed keeps the two kinds apart.
        const std::string partition = std::to_string(event.position.partition);
        entry.key_hash = meta.key ? codec::xxh3_64(*meta.key) : codec::xxh3_64(partition, 1);
        entry.hash = event.hash;
        entry.time_us = meta.time.us;
        entry.bytes = static_cast<std::uint32_t>(event.payload.size());
        return entry;
    }

    static Json sample_of(const event::StoredEvent& event, const event::Meta& meta) {
        Json sample = Json::object();
        sample.set("position", event::position_text(event.position.partition, event.position.offset));
        sample.set("id", meta.id).set("type", meta.type).set("time", format_rfc3339(meta.time));
        sample.set("key", meta.key ? Json(*meta.key) : Json());
        sample.set("bytes", event.payload.size());
        constexpr std::size_t shown_bytes = 500;
        if (event.form != event::PayloadForm::base64 && event.payload.size() <= shown_bytes)
            sample.set("payload", event.payload);
        return sample;
    }

    ManifestWriter& manifest_;
    const std::vector<Position>& delivered_;
    std::unordered_map<std::string, std::uint64_t> by_type_, keys_;
    std::vector<Json> samples_;
    Position last_;
};

// ---- the document
// -----------------------------------------------------------------------------------------------------

Json optional_text(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json selection_json(const PlanRequest& request, const Conditions& conditions) {
    Json json = Json::object();
    json.set("since", conditions.since ? Json(format_rfc3339(*conditions.since)) : Json());
    json.set("until", conditions.until ? Json(format_rfc3339(*conditions.until)) : Json());
    json.set("ingested", request.ingested);
    const auto pattern = request.pattern ? Json::parse(*request.pattern) : Result<Json>(Json());
    json.set("pattern", pattern ? *pattern : optional_text(request.pattern));
    json.set("where", optional_text(request.where)).set("sql", optional_text(request.sql));
    Json ids;
    if (request.ids) {
        std::string all;
        for (const std::string& id : *request.ids) all += id + "\n";
        ids = Json::object().set("count", request.ids->size()).set("sha256", codec::sha256_hex(all));
        if (request.ids->size() <= listed_ids) {
            ids = Json::array();
            for (const std::string& id : *request.ids) ids.push(id);
        }
    }
    json.set("ids", std::move(ids)).set("all", request.all).set("rebuild", optional_text(request.rebuild));
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

// A guess to plan by, from what such targets take on a small machine.
double estimated_seconds(const Tally& tally, const Pace& pace, TargetKind kind) {
    const double events = static_cast<double>(tally.events);
    if (pace.kind == Pace::Kind::events) return events / pace.rate;
    if (pace.kind == Pace::Kind::bytes) return static_cast<double>(tally.bytes) / pace.rate;
    if (pace.kind == Pace::Kind::original)
        return static_cast<double>(tally.last_time.us - tally.first_time.us) / 1e6 / pace.rate;
    const double rate = kind == TargetKind::null       ? 500'000
                        : kind == TargetKind::file     ? 200'000
                        : kind == TargetKind::http     ? 1'000
                        : kind == TargetKind::function ? 5'000
                                                       : 60'000;
    return events / rate;
}

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

Json risks_json(Replay::Parts& parts, const PlanRequest& request, const Destination& to,
                const Selection& selection, const Tally& tally, const Json& coverage,
                const std::vector<std::string>& asks) {
    Risks risks;
    for (const std::string& name : asks)
        risks.add(fmt::format("{} is marked replay: ask: a run needs --allow {}", name, name));
    if (to.address.kind == TargetKind::function) add_function_risks(risks, request, to);
    if (request.order == "key" && tally.without_key > 0)
        risks.add(
            fmt::format("{} events have no key: they keep the order of their partition, and wait behind each "
                        "other's failures",
                        format_count(tally.without_key)));
    if (request.order == "none")
        risks.add("order none: a failure holds nothing back, later events of its key overtake it");
    if (request.on_failure == "continue")
        risks.add("on failure continue: later events of a failed event's key are sent all the same");
    if (to.address.kind == TargetKind::http)
        risks.add(
            "the receiver may see an event twice after a crash: it must recognise the header "
            "Idempotency-Key");
    if (const std::uint64_t bytes = bytes_in_the_way(parts, to); bytes > 0)
        risks.add(fmt::format("{} holds {}: a run writes only into a new or empty file, move it away first",
                              to.address.text(), format_bytes(bytes)));
    if (to.address.kind == TargetKind::stream)
        for (const Source& source : selection.sources)
            if (source.info.name == to.address.place)
                risks.add(fmt::format(
                    "a loop: the events go into the stream they come from. What reads {} sees them a second "
                    "time, and the same selection selects them again",
                    source.info.name));
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
            "shape payload carries no tarnrun: only the header Idempotency-Key tells a replay from the "
            "original");
    if (tally.already_delivered > 0)
        risks.add(fmt::format(
            "{} events have reached this target before: {}", format_count(tally.already_delivered),
            request.again ? "they are sent again" : "they are skipped (--again sends them)"));
    if (tally.duplicate_keys > 0)
        risks.add(fmt::format("{} events name a JSON key twice: receivers may read them differently",
                              format_count(tally.duplicate_keys)));
    return risks.take();
}

std::string made_up_name(const PlanRequest& request, const Destination& to) {
    if (request.rebuild)
        return fmt::format("{} {} from {}", request.restore_until == 0 ? "rebuild" : "restore", to.copy,
                           to.base);
    return fmt::format("{} to {}", request.stream, to.copy.empty() ? to.address.text() : to.copy);
}

// ---- nothing selected
// -------------------------------------------------------------------------------------------------

Failure nothing_selected(Replay::Parts& parts, const PlanRequest& request, const Selection& selection) {
    const Source& source = selection.sources.front();
    if (request.rebuild)
        return fail(Code::nothing_selected,
                    fmt::format("nothing is selected: what feeds {} takes no event after {}",
                                *request.rebuild, request.base),
                    {.next = "choose an earlier base: tarn snapshot list"});
    const auto counted = count_types(parts.lake, source);
    if (!counted) return fail(counted.error());
    if (counted->empty())
        return fail(Code::nothing_selected,
                    fmt::format("nothing is selected: stream {} is empty", source.info.name),
                    {.next = fmt::format("capture something: tarn put {}", source.info.name)});
    std::vector<std::string> types;
    for (const auto& [type, count] : *counted) types.push_back(type);
    std::string nearest, what = "no event matches";
    const auto& pattern = selection.conditions.pattern;
    if (pattern && pattern->types() && pattern->types()->size() == 1) {
        const std::string& asked = pattern->types()->front();
        if (!counted->contains(asked)) {
            what = fmt::format("no event of stream {} has type \"{}\"", source.info.name, asked);
            nearest = nearest_word(asked, types);
        }
    }
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

std::string stream_names(const Selection& selection) {
    std::string names;
    for (const Source& source : selection.sources) names += (names.empty() ? "" : ",") + source.info.name;
    return names;
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
    Acts acts{.target = to.address,
              .functions = to.functions,
              .streams = {},
              .types = tally.types(),
              .names_subscriptions = !request.only.empty()};
    for (const Source& source : selection.sources) acts.streams.push_back(source.info.name);
    return permissions_needed(parts, acts);
}

// Of a plan that is refused after all.
void remove_plan_files(Replay::Parts& parts, const std::string& id) {
    (void)parts.fs.remove(job_file(parts, id, "manifest.bin"));
    (void)parts.fs.remove(os::join(parts.directory, id));
}

}  // namespace

Result<Json> make_plan(Replay::Parts& parts, const PlanRequest& request) {
    TARN_TRY(check_settings(request));
    if (request.stream.empty() && !request.rebuild)
        return bad("no stream was named", "tarn replay plan STREAM …");
    const Time now = parts.clock.now();
    TARN_ASSIGN(const Destination to, resolve_destination(parts, request));
    TARN_ASSIGN(const Selection selection, Selection::resolve(parts, request, to.feeders, now));
    TARN_ASSIGN(const auto delivered, delivered_before(parts, to.address, to.copy, target_stream_id(to), ""));

    TARN_ASSIGN(const std::uint64_t number, parts.catalog.next_number("plan"));
    const std::string id = fmt::format("pl-{}", number);
    const std::string manifest_path = job_file(parts, id, "manifest.bin");
    // The plan's own directory is made when the manifest is sealed: a refused plan leaves nothing.
    const std::string part_path = os::join(parts.directory, id + ".manifest.part");
    TARN_ASSIGN(const auto manifest, ManifestWriter::create(parts.fs, manifest_path, part_path));
    Tally tally(*manifest, delivered);
    const auto counts =
        scan_selection(parts, selection, [&tally](const Selected& selected) { return tally.add(selected); });
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
    TARN_ASSIGN(Json samples, tally.samples(parts.lake, selection.sources.front().info.name));
    Json document = Json::object();
    document.set("plan", id).set("name", request.name.empty() ? made_up_name(request, to) : request.name);
    document.set("created", format_rfc3339(now)).set("stream", stream_names(selection));
    document.set("selection", selection_json(request, selection.conditions))
        .set("resolved", std::move(resolved));
    document.set("target", to.address.text())
        .set("order", request.order)
        .set("pace", request.pace)
        .set("shape", request.shape);
    document.set("events", tally.events).set("bytes", tally.bytes).set("keys", tally.keys());
    document.set("by_type", tally.by_type());
    document.set("time", Json::object()
                             .set("first", format_rfc3339(tally.first_time))
                             .set("last", format_rfc3339(tally.last_time)));
    document.set("samples", std::move(samples))
        .set("already_delivered", tally.already_delivered)
        .set("coverage", coverage);
    document.set("archived", Json::object().set("objects", 0).set("bytes", 0).set("ready_in", nullptr));
    const double seconds = std::round(estimated_seconds(tally, pace, to.address.kind) * 1000) / 1000;
    document.set("estimate", Json::object().set("seconds", seconds).set("cost", 0));
    document.set("risks", risks_json(parts, request, to, selection, tally, coverage, *asks));
    document.set("top_keys", tally.most_frequent_keys()).set("without_key", tally.without_key);
    document.set("on_failure", request.on_failure)
        .set("into", text_or_null(to.copy))
        .set("base", text_or_null(to.base));
    document.set("store", text_or_null(to.store))
        .set("feeders", feeders_json(to))
        .set("target_version", to.version);
    document.set("stream_ids", stream_ids_json(selection))
        .set("only", texts_json(request.only))
        .set("asks", texts_json(*asks))
        .set("again", request.again);
    document.set("scanned", Json::object()
                                .set("objects_read", counts->objects_read)
                                .set("objects_total", counts->objects_total)
                                .set("complete", true));
    document.set("uid", os::make_uuid7(now, parts.rng)).set("manifest_sha256", sealed.sha256);
    document.set("digest", plan_digest(document, sealed.sha256)).set("schema_version", 1);

    TARN_TRY(os::write_file_durably(parts.fs, job_file(parts, id, "plan.json"), document.dump_pretty()));
    TARN_TRY(parts.catalog.put_document({"plan", id, now, document}));
    return document;
}

}  // namespace tarn::replay
