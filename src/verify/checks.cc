#include "verify/checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

namespace tarn::verify {
namespace {

using codec::Json;

constexpr const char* outcomes[] = {"acknowledged", "skipped", "failed", "held", "unknown", "remaining"};

// Compares the lake with the manifest, in windows of bounded size.
class LakeReader {
public:
    explicit LakeReader(lake::Lake& lake) : lake_(lake) {}

    Status add(const replay::ManifestEntry& entry) {
        window_.push_back(entry);
        return window_.size() == window_entries ? read_window() : Status();
    }
    Status finish() { return read_window(); }

    std::uint64_t read = 0, missing = 0, different = 0;
    std::string first_problem;

private:
    static constexpr std::size_t window_entries = 50'000;

    Status read_window() {
        std::map<StreamId, std::map<Position, Hash128>> expected;
        for (const auto& entry : window_)
            expected[entry.stream][{entry.stream, entry.partition, entry.offset}] = entry.hash;
        for (auto& [stream, hashes] : expected) TARN_TRY(read_stream(stream, hashes));
        window_.clear();
        return {};
    }

    Status read_stream(StreamId stream, std::map<Position, Hash128>& expected) {
        auto view = lake_.view(stream);
        if (!view && view.error().code == Code::unknown_stream) {
            missing += expected.size();
            note(expected.begin()->first, "was in a stream that has been deleted since");
            return {};
        }
        if (!view) return fail(std::move(view.error()));
        lake::ScanOptions options;
        options.in_sequence = false;
        options.skip_damage = true;
        options.on_damage = [](const Error&) {};  // comes out as missing
        auto& wanted = options.wanted.emplace();
        for (const auto& [position, hash] : expected) wanted[position.partition].push_back(position.offset);
        TARN_ASSIGN(const auto scan, lake_.scan(std::move(*view), std::move(options)));
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (!event) break;
            const auto hash = expected.find(event->position);
            if (hash == expected.end()) continue;
            ++read;
            const auto correction =
                hash->second != event->hash ? lake_.corrections().at(event->position) : nullptr;
            if (hash->second != event->hash && (!correction || hash->second != correction->hash)) {
                ++different;
                note(event->position, "has other bytes");
            }
            expected.erase(hash);
        }
        missing += expected.size();
        if (!expected.empty()) note(expected.begin()->first, "is missing");
        return {};
    }

    void note(const Position& position, std::string_view what) {
        if (first_problem.empty())
            first_problem =
                fmt::format("{} {}", event::position_text(position.partition, position.offset), what);
    }

    lake::Lake& lake_;
    std::vector<replay::ManifestEntry> window_;
};

}  // namespace

Json Check::to_json() const { return Json::object().set("name", name).set("ok", ok).set("detail", detail); }

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
    std::string detail =
        fmt::format("{} selected = {} accounted for", format_count(selected), format_count(sum));
    for (const char* outcome : {"failed", "held", "unknown"})
        if (counts[outcome].as_uint() > 0)
            detail += fmt::format(", {} {}", format_count(counts[outcome].as_uint()), outcome);
    return {"counts", true, detail};
}

Result<Check> check_hashes(const Subject& subject) {
    LakeReader reader(subject.lake);
    TARN_TRY(subject.replay.for_each_entry(
        subject.report["run"].as_string(),
        [&reader](const replay::ManifestEntry& entry, std::string_view) { return reader.add(entry); }));
    TARN_TRY(reader.finish());
    if (!reader.first_problem.empty())
        return Check{
            "hashes", false,
            fmt::format("{} events missing and {} different in the lake; the first: {}",
                        format_count(reader.missing), format_count(reader.different), reader.first_problem)};
    const Json& hashes = subject.report["hashes"];
    const Json& counts = subject.report["counts"];
    const bool all_sent = counts["acknowledged"].as_uint() == counts["selected"].as_uint();
    if (all_sent && hashes["selected"].as_string() != hashes["sent"].as_string())
        return Check{"hashes", false,
                     "everything was acknowledged, yet what was sent differs from what was selected"};
    return Check{"hashes", true,
                 fmt::format("{} events read again from the lake: their bytes are what the plan froze",
                             format_count(reader.read))};
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
