#include "replay/selection.h"

#include <fmt/core.h>

#include <algorithm>

#include "replay/sql_condition.h"

namespace tarn::replay {
namespace {

Failure bad(std::string message, std::string next = "tarn replay plan --help") {
    return fail(Code::bad_selection, std::move(message), {.next = std::move(next)});
}

bool has_any_selection(const PlanRequest& request) {
    return request.all || request.since || request.until || request.pattern || request.where || request.sql ||
           request.ids || request.rebuild;
}

Status resolve_times(const PlanRequest& request, Time now, Conditions& conditions) {
    if (request.since) {
        TARN_ASSIGN(conditions.since, parse_time(*request.since, now));
    }
    if (request.until) {
        TARN_ASSIGN(conditions.until, parse_time(*request.until, now));
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
// --------------------------------------------------------------------------------------------------------------

// Takes rows of tarn_partition and tarn_offset, or of id.
class SqlRows {
public:
    Status take_columns(const std::vector<query::QueryColumn>& columns) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
            if (columns[i].name == "tarn_partition") partition_ = i;
            if (columns[i].name == "tarn_offset") offset_ = i;
            if (columns[i].name == "id") id_ = i;
        }
        if ((partition_ && offset_) || id_) return {};
        return bad("--sql must give the columns tarn_partition and tarn_offset, or id",
                   "for example: SELECT tarn_partition, tarn_offset FROM bank.events WHERE …");
    }

    Status take_row(const std::vector<std::optional<std::string>>& row) {
        if (!partition_ || !offset_) {
            if (!row[*id_]) return bad("--sql gave a row whose id is NULL");
            ids.insert(*row[*id_]);
            return {};
        }
        const auto& partition = row[*partition_];
        const auto& offset = row[*offset_];
        if (!partition || !offset) return bad("--sql gave a row whose tarn_partition or tarn_offset is NULL");
        const auto position = event::parse_position(StreamId{}, *partition + ":" + *offset);
        if (!position)
            return bad(fmt::format("--sql gave {}:{}, which is not a position", *partition, *offset));
        positions[position->partition].push_back(position->offset);
        return {};
    }

    bool gives_ids() const { return !partition_ || !offset_; }

    PositionSet positions;
    IdSet ids;

private:
    std::optional<std::size_t> partition_, offset_, id_;
};

void sort_positions(PositionSet& positions) {
    for (auto& [partition, offsets] : positions) {
        std::sort(offsets.begin(), offsets.end());
        offsets.erase(std::unique(offsets.begin(), offsets.end()), offsets.end());
    }
}

PositionSet intersection(const PositionSet& a, const PositionSet& b) {
    PositionSet both;
    for (const auto& [partition, offsets] : a) {
        const auto other = b.find(partition);
        if (other == b.end()) continue;
        auto& out = both[partition];
        std::set_intersection(offsets.begin(), offsets.end(), other->second.begin(), other->second.end(),
                              std::back_inserter(out));
    }
    return both;
}

void narrow(Conditions& conditions, PositionSet positions) {
    sort_positions(positions);
    conditions.positions =
        conditions.positions ? intersection(*conditions.positions, positions) : std::move(positions);
}

Status run_sql(Replay::Parts& parts, const std::string& sql, Conditions& conditions) {
    SqlRows rows;
    const query::QuerySink sink{[&rows](const auto& columns) { return rows.take_columns(columns); },
                                [&rows](const auto& row) { return rows.take_row(row); }};
    TARN_ASSIGN(const query::QuerySummary summary, parts.query.run(sql, {}, sink));
    if (!summary.complete)
        return fail(Code::plan_stale,
                    fmt::format("the selecting query could not read everything: {}", summary.why),
                    {.next = "tarn fsck"});
    if (!rows.gives_ids()) {
        narrow(conditions, std::move(rows.positions));
        return {};
    }
    conditions.sql_ids = std::move(rows.ids);
    return {};
}

Status resolve_sql(Replay::Parts& parts, const PlanRequest& request, Conditions& conditions) {
    if (request.where) {
        TARN_TRY(check_sql_condition(*request.where));
        TARN_TRY(run_sql(parts,
                         fmt::format("SELECT tarn_partition, tarn_offset FROM \"{}\".events WHERE (\n{}\n)",
                                     request.stream, *request.where),
                         conditions));
    }
    if (request.sql) TARN_TRY(run_sql(parts, *request.sql, conditions));
    return {};
}

// ---- ids
// --------------------------------------------------------------------------------------------------------------

Status resolve_ids(const PlanRequest& request, StreamId stream, Conditions& conditions) {
    if (!request.ids) return {};
    auto& positions = conditions.ids_positions;
    for (const std::string& text : *request.ids) {
        if (text.empty()) continue;
        if (const auto position = event::parse_position(stream, text))
            positions.push_back(*position);
        else
            conditions.ids.insert(text);
    }
    if (!conditions.has_ids()) return bad("--ids holds no id and no position");
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
    return {};
}

// ---- scanning
// ---------------------------------------------------------------------------------------------------------

// Merges the scans of several streams by sequence.
class MergedScan {
public:
    Status add(lake::Lake& lake, const Source& source, lake::ScanOptions options) {
        Lane lane;
        lane.source = &source;
        TARN_ASSIGN(lane.scan, lake::scan_corrected(lake, source.view, std::move(options)));
        TARN_ASSIGN(lane.ahead, lane.scan->next());
        lanes_.push_back(std::move(lane));
        return {};
    }

    // nullptr at the end.
    Result<const event::StoredEvent*> next(const Source*& source) {
        if (given_) {
            TARN_ASSIGN(given_->ahead, given_->scan->next());
            given_ = nullptr;
        }
        for (Lane& lane : lanes_)
            if (lane.ahead && (!given_ || lane.ahead->sequence < given_->ahead->sequence)) given_ = &lane;
        if (!given_) return nullptr;
        source = given_->source;
        return given_->ahead;
    }

    void count(SelectionCounts& counts) const {
        for (const Lane& lane : lanes_) {
            counts.objects_total += lane.scan->counts().objects_total;
            counts.objects_read += lane.scan->counts().objects_read;
        }
    }

private:
    struct Lane {
        const Source* source = nullptr;
        std::unique_ptr<lake::Scan> scan;
        const event::StoredEvent* ahead = nullptr;
    };
    std::vector<Lane> lanes_;
    Lane* given_ = nullptr;
};

// The first sequence any feeder of the stream lacks.
Sequence first_needed(const std::vector<Feeder>& feeders, StreamId stream) {
    Sequence first = UINT64_MAX;
    for (const Feeder& feeder : feeders) {
        if (feeder.stream != stream) continue;
        const bool lacks_earlier = std::any_of(
            feeder.exceptions.begin(), feeder.exceptions.end(), [&feeder](const Position& position) {
                const auto next = feeder.base.next.find(position.partition);
                return next == feeder.base.next.end() || position.offset < next->second;
            });
        first = std::min(first, lacks_earlier ? 0 : feeder.base.sequence);
    }
    return first;
}

PositionSet grouped(const std::vector<Position>& positions) {
    PositionSet set;
    for (const Position& position : positions) set[position.partition].push_back(position.offset);
    return set;
}

// The times that texts which begin with `text` can mean, whatever their offset from UTC, to the day.
std::optional<std::pair<Time, Time>> days_of(std::string_view text) {
    constexpr std::size_t date_size = 10;
    if (text.size() < date_size) return std::nullopt;
    const auto midnight = parse_rfc3339(fmt::format("{}T00:00:00Z", text.substr(0, date_size)));
    if (!midnight) return std::nullopt;
    constexpr std::int64_t day_us = 86'400'000'000;
    return std::pair{Time{midnight->us - day_us}, Time{midnight->us + 2 * day_us}};
}

void prune_by_times(const pattern::TextNeed& need, lake::ScanOptions& options) {
    std::optional<std::pair<Time, Time>> all;
    for (const auto* texts : {&need.exact, &need.prefixes})
        for (const std::string& text : *texts) {
            const auto days = days_of(text);
            if (!days) return;
            all = all ? std::pair{std::min(all->first, days->first), std::max(all->second, days->second)}
                      : *days;
        }
    if (!all) return;
    options.min_time = all->first;
    options.max_time = all->second;
}

// What the statistics of objects can tell of a pattern. Chooser::fits asks the same of every event, so that
// the result does not depend on what was skipped.
void prune_by_pattern(const pattern::Pattern& pattern, lake::ScanOptions& options) {
    if (auto need = pattern.need("type")) {
        options.types = std::move(need->exact);
        options.type_prefixes = std::move(need->prefixes);
    }
    if (const auto need = pattern.need("time")) prune_by_times(*need, options);
}

lake::ScanOptions scan_options(const Selection& selection, const Source& source) {
    const Conditions& conditions = selection.conditions;
    lake::ScanOptions options;
    options.until_sequence = selection.end;
    // Whether the plan is complete can only be told by looking at everything the feeders take.
    if (!selection.feeders.empty()) {
        if (conditions.rebuild && !conditions.has_ids())
            options.from_sequence = first_needed(selection.feeders, source.info.id);
        return options;
    }
    // Each id must be found even when another condition rules the event out: nothing may be skipped on those
    // grounds.
    if (conditions.has_ids()) {
        if (conditions.ids.empty()) options.wanted = grouped(conditions.ids_positions);
        return options;
    }
    options.wanted = conditions.positions;
    if (conditions.pattern) prune_by_pattern(*conditions.pattern, options);
    auto& min = conditions.ingested ? options.min_ingested : options.min_time;
    auto& max = conditions.ingested ? options.max_ingested : options.max_time;
    if (conditions.since) min = std::max(*conditions.since, min.value_or(*conditions.since));
    if (conditions.until) {
        const Time last{conditions.until->us - 1};
        max = std::min(last, max.value_or(last));
    }
    return options;
}

// Decides about one event after the other. One thread; keeps what it has to tell at the end.
class Chooser {
public:
    explicit Chooser(const Selection& selection) : selection_(selection), conditions_(selection.conditions) {
        if (conditions_.pattern) {
            type_need_ = conditions_.pattern->need("type");
            time_need_ = conditions_.pattern->need("time");
        }
        missing_.insert(conditions_.ids_positions.begin(), conditions_.ids_positions.end());
        missing_ids_ = conditions_.ids;
    }

    struct Choice {
        bool selected = false, needed = false;
    };

    Choice choose(const event::StoredEvent& event, const event::Meta& meta) {
        document_.clear();
        if (!selection_.feeders.empty()) make_document(event, meta);
        Choice choice;
        choice.needed = is_needed(event);
        choice.selected = fits(event, meta) && (!conditions_.rebuild || choice.needed);
        return choice;
    }

    Status finish() const {
        if (missing_.empty() && missing_ids_.empty()) return {};
        return fail(Code::unknown_position,
                    fmt::format("--ids names {} that the stream does not have: {}", count_text(), names()),
                    {.next = "correct the list; nothing was planned"});
    }

private:
    bool is_needed(const event::StoredEvent& event) const {
        return std::any_of(selection_.feeders.begin(), selection_.feeders.end(), [&](const Feeder& feeder) {
            return feeder.stream == event.position.stream && feeder.is_after_base(event) &&
                   feeder.matches(document_);
        });
    }

    bool fits(const event::StoredEvent& event, const event::Meta& meta) {
        if (!is_asked_for(event, meta)) return false;
        const Time time = conditions_.ingested ? event.ingested : meta.time;
        if (conditions_.since && time < *conditions_.since) return false;
        if (conditions_.until && time >= *conditions_.until) return false;
        if (conditions_.positions && !holds(*conditions_.positions, event.position)) return false;
        if (conditions_.sql_ids && !conditions_.sql_ids->contains(meta.id)) return false;
        return !conditions_.pattern || matches(event, meta);
    }

    // Type and time are those that the event counts under: a payload that gives one twice has the last.
    bool matches(const event::StoredEvent& event, const event::Meta& meta) {
        if (type_need_ && !type_need_->allows(meta.type)) return false;
        if (time_need_ && !time_need_->allows(meta.time_text)) return false;
        if (document_.empty()) make_document(event, meta);
        return conditions_.pattern->matches(document_);
    }

    void make_document(const event::StoredEvent& event, const event::Meta& meta) {
        event::append_shape(document_, event::Shape::cloudevents, event, meta);
    }

    // What --ids asks for and exists is found, whatever else rules it out.
    bool is_asked_for(const event::StoredEvent& event, const event::Meta& meta) {
        if (!conditions_.has_ids()) return true;
        const bool by_position = std::binary_search(conditions_.ids_positions.begin(),
                                                    conditions_.ids_positions.end(), event.position);
        const bool by_id = conditions_.ids.contains(meta.id);
        if (by_position) missing_.erase(event.position);
        if (by_id)
            if (const auto found = missing_ids_.find(meta.id); found != missing_ids_.end())
                missing_ids_.erase(found);
        return by_position || by_id;
    }

    static bool holds(const PositionSet& positions, const Position& position) {
        const auto offsets = positions.find(position.partition);
        return offsets != positions.end() &&
               std::binary_search(offsets->second.begin(), offsets->second.end(), position.offset);
    }

    std::string count_text() const {
        const std::size_t count = missing_.size() + missing_ids_.size();
        return count == 1 ? "1 event" : fmt::format("{} events", format_count(count));
    }

    std::string names() const {
        std::string names;
        std::size_t listed = 0;
        const auto list = [&](std::string name) {
            if (listed++ < 10) names += (names.empty() ? "" : ", ") + std::move(name);
        };
        for (const Position& position : missing_)
            list(event::position_text(position.partition, position.offset));
        for (const std::string& id : missing_ids_) list(id);
        return listed > 10 ? names + fmt::format(" and {} more", listed - 10) : names;
    }

    const Selection& selection_;
    const Conditions& conditions_;
    std::optional<pattern::TextNeed> type_need_, time_need_;
    std::string document_;  // in shape cloudevents; empty until somebody needs it
    std::set<Position> missing_;
    IdSet missing_ids_;
};

}  // namespace

Result<Selection> Selection::resolve(Replay::Parts& parts, const PlanRequest& request,
                                     std::vector<Feeder> feeders, Time now) {
    if (!has_any_selection(request))
        return fail(Code::no_selection,
                    "no selection was given: a plan needs --since, --until, --pattern, --where, --sql, --ids "
                    "or --rebuild",
                    {.next = "for everything in the stream say --all"});
    Selection selection;
    selection.feeders = std::move(feeders);
    selection.conditions.rebuild = request.rebuild.has_value();
    TARN_TRY(resolve_times(request, now, selection.conditions));
    if (request.pattern) {
        TARN_ASSIGN(selection.conditions.pattern, pattern::Pattern::compile(*request.pattern));
    }
    std::set<std::string> streams;
    if (request.rebuild)
        for (const Feeder& feeder : selection.feeders) streams.insert(feeder.stream_name);
    else
        streams.insert(request.stream);
    if (streams.size() > 1 && (request.where || request.sql || request.ids))
        return bad("--where, --sql and --ids select from one stream; this store is fed by several");
    for (const std::string& name : streams) {
        Source source;
        TARN_ASSIGN(source.info, parts.catalog.stream(name));
        TARN_ASSIGN(source.view, parts.lake.view(source.info.id));
        // Views are taken one after the other; what only the later ones could show stays out, so that "up to
        // here" is true of all.
        const Sequence end = source.view.tail.end_sequence;
        selection.end = selection.sources.empty() ? end : std::min(selection.end, end);
        selection.sources.push_back(std::move(source));
    }
    if (request.restore_until != 0) selection.end = std::min(selection.end, request.restore_until);
    PlanRequest narrowed = request;
    narrowed.stream = selection.sources.front().info.name;
    TARN_TRY(resolve_ids(narrowed, selection.sources.front().info.id, selection.conditions));
    TARN_TRY(resolve_sql(parts, narrowed, selection.conditions));
    return selection;
}

Result<SelectionCounts> scan_selection(Replay::Parts& parts, const Selection& selection,
                                       const std::function<Status(const Selected&)>& fn) {
    MergedScan scan;
    for (const Source& source : selection.sources)
        TARN_TRY(scan.add(parts.lake, source, scan_options(selection, source)));
    Chooser chooser(selection);
    event::MetaReader reader;
    SelectionCounts counts;
    while (true) {
        const Source* source = nullptr;
        TARN_ASSIGN(const event::StoredEvent* event, scan.next(source));
        if (!event) break;
        const event::Meta& meta = reader.read(*event, source->info.name);
        const auto choice = chooser.choose(*event, meta);
        counts.needed += choice.needed;
        if (!choice.selected) continue;
        ++counts.selected;
        counts.needed_selected += choice.needed;
        TARN_TRY(fn({*event, meta, choice.needed}));
    }
    TARN_TRY(chooser.finish());
    scan.count(counts);
    return counts;
}

Result<std::map<Partition, Offset>> last_offsets(lake::Lake& lake, const lake::StreamView& view,
                                                 Sequence end) {
    std::map<Partition, Offset> last;
    const auto note = [&last](Partition partition, Offset offset) {
        const auto [known, is_new] = last.try_emplace(partition, offset);
        if (!is_new) known->second = std::max(known->second, offset);
    };
    lake::ScanOptions options;
    options.from_sequence = view.rolled_sequence;
    options.until_sequence = end;
    options.with_hash = false;
    for (const catalog::ObjectInfo& object : view.objects) {
        if (object.last_sequence < end)
            note(object.partition, object.last);
        else
            options.from_sequence = std::min(options.from_sequence, object.first_sequence);
    }
    TARN_ASSIGN(const auto scan, lake.scan(view, std::move(options)));
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) return last;
        note(event->position.partition, event->position.offset);
    }
}

Result<std::map<std::string, std::uint64_t>> count_types(lake::Lake& lake, const Source& source) {
    lake::ScanOptions options;
    options.with_hash = false;
    options.in_sequence = false;
    TARN_ASSIGN(const auto scan, lake.scan(source.view, std::move(options)));
    event::MetaReader reader;
    std::map<std::string, std::uint64_t> types;
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) return types;
        ++types[std::string(reader.read(*event, source.info.name).type)];
    }
}

}  // namespace tarn::replay
