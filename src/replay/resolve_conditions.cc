#include "replay/resolve_conditions.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "replay/saved_selections.h"
#include "replay/sql_condition.h"

namespace tarn::replay {
namespace {

using codec::Json;

constexpr std::size_t listed_texts = 1000;
constexpr int deepest = 16;
const std::vector<std::string> failures = {"failed", "held", "unknown"};
const std::vector<std::string> all_outcomes = {"acknowledged", "skipped", "failed",
                                               "held",         "unknown", "remaining"};

Failure bad(std::string message, std::string next = "tarn replay plan --help") {
    return fail(Code::bad_selection, std::move(message), {.next = std::move(next)});
}

std::string joined(const std::vector<std::string>& texts, std::string_view last = ", ") {
    std::string all;
    for (std::size_t i = 0; i < texts.size(); ++i)
        all += (i == 0 ? "" : i + 1 == texts.size() ? std::string(last) : ", ") + texts[i];
    return all;
}

// A short list as it is, a long one by its hash.
Json texts_shown(const std::vector<std::string>& texts) {
    if (texts.size() <= listed_texts) {
        Json list = Json::array();
        for (const std::string& text : texts) list.push(text);
        return list;
    }
    codec::Sha256 hash;
    for (const std::string& text : texts) {
        hash.update(text);
        hash.update("\n");
    }
    return Json::object().set("count", texts.size()).set("sha256", hash.finish_hex());
}

// ---- times

// A time of day says nothing without a zone; a date alone is a day in UTC.
Result<Time> time_of(std::string_view flag, const std::string& text, Time now) {
    auto time = parse_time(text, now);
    if (time) return time;
    for (const char* rest : {"Z", ":00Z"})
        if (parse_rfc3339(text + rest))
            return fail(Code::bad_time, fmt::format("{} {} has no time zone", flag, text),
                        {.next = fmt::format("write {}{} for UTC, or end it with an offset such as +01:00",
                                             text, rest)});
    time.error().message = fmt::format("{}: {}", flag, time.error().message);
    return time;
}

Status resolve_times(const SelectionRequest& request, Time now, Conditions& conditions) {
    if (request.since) {
        TARN_ASSIGN(conditions.since, time_of("--since", *request.since, now));
    }
    if (request.until) {
        TARN_ASSIGN(conditions.until, time_of("--until", *request.until, now));
    }
    conditions.ingested = request.ingested;
    if (conditions.since && conditions.until && *conditions.since >= *conditions.until)
        return bad(fmt::format("--since {} is not before --until {}", format_rfc3339(*conditions.since),
                               format_rfc3339(*conditions.until)),
                   "the range is [since, until) in UTC");
    if (request.ingested && !request.since && !request.until)
        return bad("--ingested needs --since or --until");
    return {};
}

// ---- SQL

// Takes rows of tarn_partition and tarn_offset, or of id.
class SqlRows {
public:
    explicit SqlRows(const std::vector<const Source*>& sources) : sources_(sources) {}

    Status take_columns(const std::vector<query::QueryColumn>& columns) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            if (columns[i].name == "tarn_partition") partition_ = i;
            if (columns[i].name == "tarn_offset") offset_ = i;
            if (columns[i].name == "id") id_ = i;
            if (columns[i].name == "stream") stream_ = i;
        }
        if (!gives_ids() && !stream_ && sources_.size() > 1)
            return bad("--sql selects from several streams: its positions need a column stream",
                       "for example: SELECT 'bank' AS stream, tarn_partition, tarn_offset FROM bank.events "
                       "UNION ALL SELECT 'orders', …");
        if ((partition_ && offset_) || id_) return {};
        return bad("--sql must give the columns tarn_partition and tarn_offset, or id",
                   "for example: SELECT tarn_partition, tarn_offset FROM bank.events WHERE …");
    }

    Status take_row(const std::vector<std::optional<std::string>>& row) {
        if (gives_ids()) {
            if (!row[*id_]) return bad("--sql gave a row whose id is NULL");
            ids.add(*row[*id_]);
            return {};
        }
        const auto& partition = row[*partition_];
        const auto& offset = row[*offset_];
        if (!partition || !offset) return bad("--sql gave a row whose tarn_partition or tarn_offset is NULL");
        TARN_ASSIGN(const StreamId stream, stream_of(row));
        const auto position = event::parse_position(stream, *partition + ":" + *offset);
        if (!position)
            return bad(fmt::format("--sql gave {}:{}, which is not a position", *partition, *offset));
        positions.add(*position);
        return {};
    }

    bool gives_ids() const { return !partition_ || !offset_; }

    PositionSet positions;
    IdHashes ids;

private:
    Result<StreamId> stream_of(const std::vector<std::optional<std::string>>& row) const {
        if (!stream_) return sources_.front()->info.id;
        const std::string name = row[*stream_].value_or("NULL");
        for (const Source* source : sources_)
            if (source->info.name == name) return source->info.id;
        return bad(fmt::format("--sql gave a row of stream {}, which the selection is not about", name));
    }

    const std::vector<const Source*>& sources_;
    std::optional<std::size_t> partition_, offset_, id_, stream_;
};

void narrow(Conditions& conditions, PositionSet positions) {
    if (conditions.positions)
        conditions.positions->intersect(positions);
    else
        conditions.positions = std::move(positions);
}

Status run_sql(Replay::Parts& parts, const std::string& sql, SqlRows& rows) {
    const query::QuerySink sink{[&rows](const auto& columns) { return rows.take_columns(columns); },
                                [&rows](const auto& row) { return rows.take_row(row); }};
    TARN_ASSIGN(const query::QuerySummary summary, parts.query.run(sql, {}, sink));
    if (summary.complete) return {};
    return fail(Code::plan_stale,
                fmt::format("the selecting query could not read everything: {}", summary.why),
                {.next = "tarn fsck"});
}

// ---- one request

class Resolver {
public:
    Resolver(const Resolving& at, int depth) : at_(at), depth_(depth) {}

    Result<Conditions> resolve(const SelectionRequest& request) {
        if (depth_ > deepest) return bad("saved selections are nested too deeply, or contain each other");
        shown_ = Json::object();
        TARN_TRY(resolve_streams(request));
        TARN_TRY(resolve_times(request, at_.now, conditions_));
        show_times(request);
        TARN_TRY(resolve_since(request));
        TARN_TRY(resolve_pattern(request));
        TARN_TRY(resolve_sql(request));
        TARN_TRY(resolve_ids(request));
        TARN_TRY(resolve_keys(request));
        TARN_TRY(resolve_earlier(request));
        TARN_TRY(resolve_others(request));
        shown_.set("all", request.all);
        conditions_.shown = std::move(shown_);
        return std::move(conditions_);
    }

private:
    Status resolve_streams(const SelectionRequest& request) {
        const auto names = request.streams();
        for (const Source& source : at_.sources)
            if (source.selects &&
                (names.empty() || std::ranges::find(names, source.info.name) != names.end()))
                sources_.push_back(&source);
        if (names.empty()) return {};
        auto& streams = conditions_.streams.emplace();
        for (const Source* source : sources_) streams.insert(source->info.id);
        shown_.set("stream", request.stream);
        return {};
    }

    void show_times(const SelectionRequest& request) {
        shown_.set("since", conditions_.since ? Json(format_rfc3339(*conditions_.since)) : Json());
        shown_.set("until", conditions_.until ? Json(format_rfc3339(*conditions_.until)) : Json());
        shown_.set("ingested", request.ingested);
    }

    Status resolve_since(const SelectionRequest& request) {
        if (request.since_event) TARN_TRY(resolve_since_event(*request.since_event));
        if (request.since_snapshot) TARN_TRY(resolve_since_snapshot(*request.since_snapshot));
        return {};
    }

    Status resolve_since_event(const std::string& text) {
        TARN_ASSIGN(auto position, position_of(text, "--since-event"));
        if (!position) {
            TARN_ASSIGN(position, position_of_id(text));
        }
        TARN_ASSIGN(const lake::OwnedEvent event, at_.parts.lake.get(*position));
        conditions_.since_sequence = event.event.sequence;
        shown_.set("since_event",
                   Json::object()
                       .set("asked", text)
                       .set("position", event::position_text(position->partition, position->offset))
                       .set("sequence", event.event.sequence));
        return {};
    }

    // "P:O" or "STREAM P:O"; nullopt: it is neither, and may be an id.
    Result<std::optional<Position>> position_of(const std::string& text, std::string_view flag) const {
        const std::size_t space = text.rfind(' ');
        const std::string place = space == std::string::npos ? text : text.substr(space + 1);
        if (!event::parse_position(StreamId{}, place)) return std::nullopt;
        if (space == std::string::npos) {
            if (sources_.size() > 1)
                return bad(
                    fmt::format("{} {}: several streams are selected from, which one is meant?", flag, text),
                    fmt::format("write STREAM P:O, for example: {} {}", sources_.front()->info.name, text));
            if (sources_.empty()) return bad(fmt::format("{} {}: of which stream?", flag, text));
            TARN_ASSIGN(const Position position, event::parse_position(sources_.front()->info.id, place));
            return position;
        }
        for (const Source* source : sources_)
            if (source->info.name == text.substr(0, space)) {
                TARN_ASSIGN(const Position position, event::parse_position(source->info.id, place));
                return position;
            }
        return std::nullopt;
    }

    // Ids need not be unique: one that stands at several places does not say which event is meant.
    Result<std::optional<Position>> position_of_id(const std::string& id) const {
        std::optional<Position> found;
        event::MetaReader reader;
        for (const Source* source : sources_) {
            lake::ScanOptions options;
            options.until_sequence = at_.end;
            options.with_hash = false;
            TARN_ASSIGN(const auto scan, at_.parts.lake.scan(source->view, std::move(options)));
            while (true) {
                TARN_ASSIGN(const event::StoredEvent* event, scan->next());
                if (!event) break;
                if (reader.read(*event, source->info.name).id != id) continue;
                const Position here = event->position;
                if (found)
                    return bad(fmt::format("--since-event {}: the id stands at {} and at {}", id,
                                           event::position_text(found->partition, found->offset),
                                           event::position_text(here.partition, here.offset)),
                               "name the position");
                found = here;
            }
        }
        if (found) return found;
        return fail(Code::unknown_position,
                    fmt::format("--since-event {}: no event of {} has this id", id, names_of_sources()),
                    {.next = "give an event's id, or its position P:O"});
    }

    std::string names_of_sources() const {
        std::vector<std::string> names;
        for (const Source* source : sources_) names.push_back(source->info.name);
        return joined(names);
    }

    Status resolve_since_snapshot(const std::string& id) {
        TARN_ASSIGN(const state::SnapshotInfo snapshot, at_.parts.state.snapshot(id));
        for (const Source* source : sources_) {
            const std::size_t before = conditions_.lacking.size();
            std::vector<std::string> fed_from;
            for (const state::FeederPosition& position : snapshot.positions) {
                fed_from.push_back(position.stream);
                if (position.stream_id != source->info.id) continue;
                Feeder feeder{
                    .name = position.feeder, .stream_name = source->info.name, .stream = source->info.id};
                feeder.base = position;
                feeder.exceptions = position.exceptions;
                std::ranges::sort(feeder.exceptions);
                conditions_.lacking.push_back(std::move(feeder));
            }
            if (conditions_.lacking.size() == before)
                return bad(fmt::format("--since-snapshot {}: store {} is not fed from stream {}, but from {}",
                                       id, snapshot.store, source->info.name, joined(fed_from)),
                           "choose a snapshot of a store that the stream feeds: tarn snapshot list");
        }
        shown_.set("since_snapshot", id);
        return {};
    }

    Status resolve_pattern(const SelectionRequest& request) {
        if (!request.pattern) {
            shown_.set("pattern", nullptr);
            return {};
        }
        TARN_ASSIGN(conditions_.pattern, pattern::Pattern::compile(*request.pattern));
        const auto parsed = Json::parse(*request.pattern);
        shown_.set("pattern", parsed ? *parsed : Json(*request.pattern));
        return {};
    }

    Status resolve_sql(const SelectionRequest& request) {
        shown_.set("where", request.where ? Json(*request.where) : Json());
        shown_.set("sql", request.sql ? Json(*request.sql) : Json());
        if (request.where) TARN_TRY(run_where(*request.where));
        if (!request.sql) return {};
        SqlRows rows(sources_);
        TARN_TRY(run_sql(at_.parts, *request.sql, rows));
        if (!rows.gives_ids()) {
            narrow(conditions_, std::move(rows.positions));
            return {};
        }
        rows.ids.sort();
        conditions_.sql_ids = std::move(rows.ids);
        return {};
    }

    Status run_where(const std::string& where) {
        TARN_TRY(check_sql_condition(where));
        PositionSet positions;
        for (const Source* source : sources_) {
            const std::vector<const Source*> one = {source};
            SqlRows rows(one);
            TARN_TRY(
                run_sql(at_.parts,
                        fmt::format("SELECT tarn_partition, tarn_offset FROM \"{}\".events WHERE (\n{}\n)",
                                    source->info.name, where),
                        rows));
            positions.merge(std::move(rows.positions));
        }
        narrow(conditions_, std::move(positions));
        return {};
    }

    Status resolve_ids(const SelectionRequest& request) {
        shown_.set("ids", request.ids ? texts_shown(*request.ids) : Json());
        if (!request.ids) return {};
        std::vector<std::string> missing;
        for (const std::string& text : *request.ids) {
            if (text.empty()) continue;
            TARN_ASSIGN(const auto position, position_of(text, "--ids"));
            if (!position) {
                conditions_.ids.insert(text);
                continue;
            }
            TARN_ASSIGN(const bool is_there, exists(*position));
            if (is_there)
                conditions_.id_positions.add(*position);
            else
                conditions_.ids.insert(text);  // the scan looks for it as an id, and says when it is none
        }
        if (!conditions_.has_ids()) return bad("--ids holds no id and no position");
        return {};
    }

    // Offsets are dense: what is not above the last is there.
    Result<bool> exists(const Position& position) {
        auto known = last_.find(position.stream);
        if (known == last_.end()) {
            for (const Source* source : sources_) {
                if (source->info.id != position.stream) continue;
                TARN_ASSIGN(auto last, last_offsets(at_.parts.lake, source->view, at_.end));
                known = last_.emplace(position.stream, std::move(last)).first;
            }
        }
        const auto last = known->second.find(position.partition);
        return last != known->second.end() && position.offset <= last->second;
    }

    Status resolve_keys(const SelectionRequest& request) {
        if (!request.keys) return {};
        conditions_.keys.emplace(request.keys->begin(), request.keys->end());
        conditions_.keys->erase("");
        if (conditions_.keys->empty()) return bad("--keys holds no key");
        shown_.set("keys", texts_shown(*request.keys));
        return {};
    }

    // ---- dead letters and earlier runs

    Status resolve_earlier(const SelectionRequest& request) {
        if (request.dead_letters) TARN_TRY(resolve_dead_letters(*request.dead_letters));
        if (!request.failed_of && !request.outcomes.empty())
            return bad("--outcomes needs --failed-of RUN: the outcomes of which run?");
        if (request.failed_of) TARN_TRY(resolve_failed_of(*request.failed_of, request.outcomes));
        return {};
    }

    Status resolve_dead_letters(const std::string& group) {
        if (at_.parts.functions == nullptr)
            return fail(Code::unknown_dead_letter, fmt::format("there is no group {}", group));
        PositionSet positions;
        TARN_TRY(at_.parts.functions->dead_letters(group, [&positions](const Position& position) -> Status {
            positions.add(position);
            return {};
        }));
        shown_.set("dead_letters", Json::object().set("group", group).set("count", positions.size()));
        narrow(conditions_, std::move(positions));
        return {};
    }

    Status resolve_failed_of(const std::string& run, const std::vector<std::string>& asked) {
        const std::vector<std::string>& outcomes = asked.empty() ? failures : asked;
        for (const std::string& outcome : outcomes)
            if (std::ranges::find(all_outcomes, outcome) == all_outcomes.end())
                return bad(fmt::format("--outcomes: \"{}\" is none of {}", outcome, joined(all_outcomes)));
        TARN_ASSIGN(const Json report, at_.replay.show_run(run));
        if (report["state"].as_string() == "running")
            return fail(Code::run_state, fmt::format("run {} is still running: its outcomes change", run),
                        {.next = fmt::format("wait for it, or: tarn replay pause {}", run)});
        PositionSet positions;
        TARN_TRY(at_.replay.for_each_entry(
            run, [&](const ManifestEntry& entry, std::string_view outcome) -> Status {
                if (std::ranges::find(outcomes, outcome) != outcomes.end())
                    positions.add({entry.stream, entry.partition, entry.offset});
                return {};
            }));
        if (positions.empty())
            return fail(Code::nothing_selected,
                        fmt::format("nothing is selected: run {} has no event that is {}", run,
                                    joined(outcomes, " or ")),
                        {.next = fmt::format("see what it has: tarn report {}", run)});
        Json list = Json::array();
        for (const std::string& outcome : outcomes) list.push(outcome);
        shown_.set(
            "failed_of",
            Json::object().set("run", run).set("outcomes", std::move(list)).set("count", positions.size()));
        narrow(conditions_, std::move(positions));
        return {};
    }

    // ---- other selections

    Status resolve_others(const SelectionRequest& request) {
        Json names = Json::array(), taken_away = Json::array();
        for (const std::string& name : request.selections) {
            TARN_ASSIGN(const SelectionRequest saved, saved_selection(at_.parts.catalog, name));
            TARN_ASSIGN(Conditions conditions, Resolver(at_, depth_ + 1).resolve(saved));
            names.push(Json::object().set("name", name).set("selection", conditions.shown));
            conditions_.also.push_back(std::move(conditions));
        }
        for (const SelectionRequest& each : request.except) {
            TARN_ASSIGN(Conditions conditions, Resolver(at_, depth_ + 1).resolve(each));
            taken_away.push(conditions.shown);
            conditions_.except.push_back(std::move(conditions));
        }
        if (names.size() > 0) shown_.set("selections", std::move(names));
        if (taken_away.size() > 0) shown_.set("except", std::move(taken_away));
        return {};
    }

    const Resolving& at_;
    const int depth_;
    std::vector<const Source*> sources_;
    std::map<StreamId, std::map<Partition, Offset>> last_;
    Conditions conditions_;
    Json shown_;
};

// ---- streams

class StreamNames {
public:
    StreamNames(Replay::Parts& parts, Replay& replay) : parts_(parts), replay_(replay) {}

    Status take(const SelectionRequest& request, const std::string& who, int depth) {
        if (depth > deepest) return bad("saved selections are nested too deeply, or contain each other");
        const auto named = request.streams();
        TARN_TRY(narrow({named.begin(), named.end()}, who));
        if (request.failed_of) {
            TARN_ASSIGN(const Json report, replay_.show_run(*request.failed_of));
            TARN_ASSIGN(const Json plan, replay_.show_plan(report["plan"].as_string()));
            std::set<std::string> names;
            for (const auto& [name, id] : plan["stream_ids"].members()) {
                TARN_TRY(check_is_same(name, id.as_uint(), *request.failed_of));
                names.insert(name);
            }
            TARN_TRY(narrow(std::move(names), "run " + *request.failed_of));
        }
        if (request.dead_letters && parts_.functions != nullptr)
            TARN_TRY(take_dead_letters(*request.dead_letters));
        for (const std::string& name : request.selections) {
            TARN_ASSIGN(const SelectionRequest saved, saved_selection(parts_.catalog, name));
            TARN_TRY(take(saved, "selection " + name, depth + 1));
        }
        return {};
    }

    std::set<std::string> names;

private:
    // A stream that was made anew under its name has other events at the same positions.
    Status check_is_same(const std::string& name, std::uint64_t id, const std::string& run) {
        const auto stream = parts_.catalog.stream(name);
        if (stream && stream->id.value == id) return {};
        return fail(
            Code::plan_stale,
            fmt::format("stream {} was deleted{} since run {}", name, stream ? " and made anew" : "", run),
            {.next = "select its events in another way"});
    }

    Status take_dead_letters(const std::string& group) {
        std::set<StreamId> streams;
        TARN_TRY(parts_.functions->dead_letters(group, [&streams](const Position& position) -> Status {
            streams.insert(position.stream);
            return {};
        }));
        std::set<std::string> found;
        for (const StreamId stream : streams) {
            TARN_ASSIGN(const catalog::StreamInfo info, parts_.catalog.stream(stream));
            found.insert(info.name);
        }
        return narrow(std::move(found), "group " + group);
    }

    Status narrow(std::set<std::string> further, const std::string& who) {
        if (further.empty()) return {};
        if (names.empty()) {
            names = std::move(further);
            who_ = who;
            return {};
        }
        std::set<std::string> both;
        std::ranges::set_intersection(names, further, std::inserter(both, both.end()));
        if (both.empty())
            return bad(fmt::format("{} is about {}, {} about {}: no event is both", who_, list(names), who,
                                   list(further)),
                       "leave one of them out");
        names = std::move(both);
        return {};
    }

    static std::string list(const std::set<std::string>& names) {
        return joined(std::vector<std::string>(names.begin(), names.end()));
    }

    Replay::Parts& parts_;
    Replay& replay_;
    std::string who_;
};

}  // namespace

Result<std::set<std::string>> streams_of(Replay::Parts& parts, Replay& replay,
                                         const SelectionRequest& request) {
    StreamNames found(parts, replay);
    TARN_TRY(found.take(request, "the command", 0));
    return std::move(found.names);
}

Result<Conditions> resolve_conditions(const Resolving& at, const SelectionRequest& request) {
    return Resolver(at, 0).resolve(request);
}

}  // namespace tarn::replay
