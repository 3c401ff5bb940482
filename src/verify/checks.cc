#include "verify/checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "state/touch_reader.h"

namespace tarn::verify {
namespace {

using codec::Json;

constexpr const char* outcomes[] = {"acknowledged", "skipped", "failed", "held", "unknown", "remaining"};

// What can no longer be read has its place at least.
std::string text_of(const Subject& subject, const replay::ManifestEntry& entry) {
    const Position position{entry.stream, entry.partition, entry.offset};
    const auto found = subject.lake.get(position);
    state::Touch touch;
    touch.stream = subject.stream_name(entry.stream);
    touch.position = position;
    if (!found) return touch.stream + " " + event::position_text(entry.partition, entry.offset);
    event::MetaReader reader;
    const event::Meta& meta = reader.read(found->event, touch.stream);
    touch.type = meta.type;
    touch.time = meta.time;
    return touch.text();
}

}  // namespace

Json Check::to_json() const {
    Json json = Json::object().set("name", name).set("ok", ok).set("detail", detail);
    if (evidence != Evidence::own) json.set("evidence", evidence == Evidence::target ? "target" : "sender");
    if (!counts.is_null()) json.set("counts", counts);
    return json;
}

std::string Subject::stream_name(StreamId stream) const {
    for (const auto& [name, id] : plan["stream_ids"].members())
        if (id.as_uint() == stream.value) return name;
    return fmt::format("stream id {}", stream.value);
}

std::string Subject::event_text(const replay::ManifestEntry& entry) const { return text_of(*this, entry); }

std::string Subject::store() const {
    const std::string& into = plan["into"].as_string();
    return into.empty() ? plan["store"].as_string() : into;
}

Check check_counts(const Subject& subject) {
    const Json& counts = subject.report["counts"];
    std::uint64_t sum = 0;
    for (const char* outcome : outcomes) sum += counts[outcome].as_uint();
    const std::uint64_t selected = counts["selected"].as_uint(), planned = subject.plan["events"].as_uint(),
                        remaining = counts["remaining"].as_uint();
    if (selected != planned)
        return {"counts", false,
                fmt::format("the plan froze {} events, the run counts {}", format_count(planned),
                            format_count(selected))};
    if (sum != selected)
        return {"counts", false,
                fmt::format("{} selected, {} accounted for", format_count(selected), format_count(sum))};
    if (remaining > 0)
        return {"counts", false,
                fmt::format("{} selected, {} of them still to be sent", format_count(selected),
                            format_count(remaining))};
    if (counts["acknowledged"].as_uint() == selected)
        return {"counts", true,
                fmt::format("{} selected = {} accounted for", format_count(selected), format_count(sum))};
    std::string detail = fmt::format("{} selected =", format_count(selected));
    const char* separator = " ";
    for (const char* outcome : outcomes) {
        if (counts[outcome].as_uint() == 0) continue;
        detail += fmt::format("{}{} {}", separator, format_count(counts[outcome].as_uint()), outcome);
        separator = " + ";
    }
    return {"counts", true, detail};
}

Result<Check> check_ledger(const Subject& subject) {
    std::map<std::string, std::uint64_t, std::less<>> counted;
    Sequence last = 0;
    std::uint64_t disordered = 0;
    const auto take = [&](const replay::ManifestEntry& entry, std::string_view outcome) {
        ++counted[std::string(outcome)];
        disordered += entry.sequence <= last;
        last = entry.sequence;
        return Status();
    };
    TARN_TRY(subject.replay.for_each_entry(subject.report["run"].as_string(), take));
    for (const char* outcome : outcomes)
        if (counted[outcome] != subject.report["counts"][outcome].as_uint())
            return Check{"ledger", false,
                         fmt::format("the ledger has {} {}, the report {}", format_count(counted[outcome]),
                                     outcome, format_count(subject.report["counts"][outcome].as_uint()))};
    if (disordered > 0)
        return Check{"ledger", false,
                     fmt::format("{} entries of the manifest are out of sequence", format_count(disordered))};
    const std::uint64_t violations = subject.report["order"]["violations"].as_uint();
    if (violations > 0)
        return Check{"ledger", false,
                     fmt::format("{} events overtook another of their key", format_count(violations))};
    return Check{"ledger", true, "each event is settled once, in order within its key"};
}

Check check_positions(const std::vector<state::FeederPosition>& before,
                      const std::vector<state::FeederPosition>& after) {
    std::string where;
    for (const state::FeederPosition& one : before) {
        const auto other = std::find_if(
            after.begin(), after.end(),
            [&one](const state::FeederPosition& position) { return position.feeder == one.feeder; });
        if (other == after.end())
            return {"positions", false, fmt::format("feeder {} is known to one side only", one.feeder)};
        auto exceptions = one.exceptions, other_exceptions = other->exceptions;
        std::sort(exceptions.begin(), exceptions.end());
        std::sort(other_exceptions.begin(), other_exceptions.end());
        if (one.next != other->next || exceptions != other_exceptions)
            return {
                "positions", false,
                fmt::format("the two sides reflect different positions of {}: differences are to be expected",
                            one.stream)};
        where += (where.empty() ? "" : ", ") + one.stream;
        for (const auto& [partition, next] : one.next)
            if (next > 0) where += fmt::format(" {}:{}", partition, next - 1);
    }
    if (before.size() != after.size()) return {"positions", false, "the two sides have different feeders"};
    return {"positions", true, "both up to " + where};
}

}  // namespace tarn::verify
