#include "replay/run_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "codec/hash.h"
#include "event/meta.h"
#include "replay/delivered.h"
#include "replay/fixed_layout.h"
#include "replay/ledger.h"
#include "replay/manifest.h"

namespace tarn::replay {
namespace {

using codec::Json;

constexpr std::size_t max_causes = 100;
constexpr std::size_t max_behind = 100'000;  // keys that are counted one by one
constexpr std::size_t behind_shown = 20;

struct Cause {
    std::string text;
    LedgerKind kind = LedgerKind::failed;
    std::uint64_t count = 0, first = 0, last = 0;
};

struct Range {
    std::uint64_t first = 0, count = 0;
};

// The ledger, gathered for the report.
struct Gathered {
    LedgerState state;
    std::vector<Range> acknowledged;
    std::vector<Range> behind;   // failed, unknown, held
    std::vector<Cause> causes;   // of failed and unknown
    std::vector<Cause> skipped;  // why

    void take(const LedgerRecord& record) {
        if (record.kind == LedgerKind::acknowledged) extend(acknowledged, record);
        if (is_failure(record.kind) || record.kind == LedgerKind::held) extend(behind, record);
        if (record.kind == LedgerKind::failed || record.kind == LedgerKind::unknown)
            add_cause(causes, record);
        if (record.kind == LedgerKind::skipped) add_cause(skipped, record);
    }

private:
    static void extend(std::vector<Range>& ranges, const LedgerRecord& record) {
        if (!ranges.empty() && ranges.back().first + ranges.back().count == record.first)
            ranges.back().count += record.count;
        else
            ranges.push_back({record.first, record.count});
    }

    static void add_cause(std::vector<Cause>& causes, const LedgerRecord& record) {
        auto cause = std::find_if(causes.begin(), causes.end(), [&record](const Cause& known) {
            return known.kind == record.kind && known.text == record.text;
        });
        if (cause == causes.end() && causes.size() == max_causes) {
            causes.back().text = "other causes: see the ledger";
            cause = causes.end() - 1;
        } else if (cause == causes.end()) {
            causes.push_back({record.text, record.kind, 0, record.first, record.first});
            cause = causes.end() - 1;
        }
        cause->count += record.count;
        cause->last = record.first + record.count - 1;
    }
};

Result<Gathered> gather(const ReportInputs& inputs) {
    Gathered gathered;
    const auto take = [&gathered](const LedgerRecord& record) {
        gathered.take(record);
        return Status();
    };
    TARN_ASSIGN(gathered.state, read_ledger(inputs.fs, inputs.ledger_path, take));
    for (auto [index, record] : gathered.state.ahead) {
        record.kind = in_its_turn(record.kind);
        gathered.take(record);
    }
    return gathered;
}

Json counts_json(const LedgerState& state, std::uint64_t selected) {
    return Json::object()
        .set("selected", selected)
        .set("acknowledged", state.acknowledged)
        .set("skipped", state.skipped)
        .set("failed", state.failed)
        .set("held", state.held)
        .set("unknown", state.unknown)
        .set("remaining", selected - std::min(selected, state.accounted()));
}

// SHA-256 over the hashes of events, fed in large pieces: each event has but 16 bytes.
class HashOfHashes {
public:
    void add(const Hash128& hash) {
        put<std::uint64_t>(bytes_, hash.high);
        put<std::uint64_t>(bytes_, hash.low);
        if (bytes_.size() >= piece_bytes) update();
    }
    std::string finish() {
        update();
        return "sha256:" + sha256_.finish_hex();
    }

private:
    static constexpr std::size_t piece_bytes = 16 << 10;
    void update() {
        sha256_.update(bytes_);
        bytes_.clear();
    }
    codec::Sha256 sha256_;
    std::string bytes_;
};

// Both hashes in one pass: SHA-256 over the 16 bytes of each event's hash, in manifest order.
Result<Json> hashes_json(ManifestReader& manifest, const std::vector<Range>& acknowledged) {
    HashOfHashes selected, sent;
    manifest.seek(0);
    std::size_t range = 0;
    ManifestEntry entry;
    for (std::uint64_t index = 0;; ++index) {
        TARN_ASSIGN(const bool more, manifest.next(entry));
        if (!more) break;
        selected.add(entry.hash);
        while (range < acknowledged.size() && index >= acknowledged[range].first + acknowledged[range].count)
            ++range;
        if (range < acknowledged.size() && index >= acknowledged[range].first) sent.add(entry.hash);
    }
    return Json::object().set("selected", selected.finish()).set("sent", sent.finish());
}

Result<ManifestEntry> entry_at(ManifestReader& manifest, std::uint64_t index) {
    manifest.seek(index);
    ManifestEntry entry;
    TARN_ASSIGN(const bool found, manifest.next(entry));
    if (!found)
        return fail(Code::ledger_damaged,
                    fmt::format("the ledger names event {}, the manifest has {}", index, manifest.entries()));
    return entry;
}

// The stream is named when the plan reads several.
std::string place_of(const ManifestEntry& entry, const Json& plan) {
    const std::string position = event::position_text(entry.partition, entry.offset);
    for (const auto& [name, id] : plan["stream_ids"].members())
        if (id.as_uint() == entry.stream.value) return name + " " + position;
    return position;
}

Json sample_json(lake::Lake& lake, const ManifestEntry& entry, const Json& plan) {
    Json sample = Json::object()
                      .set("position", place_of(entry, plan))
                      .set("time", format_rfc3339(Time{entry.time_us}));
    const auto event = lake.get({entry.stream, entry.partition, entry.offset});
    if (!event) return sample.set("error", event.error().message);
    event::MetaReader reader;
    const event::Meta& meta = reader.read(event->event, plan["stream"].as_string());
    sample.set("id", meta.id).set("type", meta.type).set("key", meta.key ? Json(*meta.key) : Json());
    constexpr std::size_t shown_bytes = 2000;
    if (event->event.form != event::PayloadForm::base64 && event->event.payload.size() <= shown_bytes)
        sample.set("payload", event->event.payload);
    return sample;
}

Result<Json> failures_json(const ReportInputs& inputs, ManifestReader& manifest, const Gathered& gathered) {
    Json list = Json::array();
    for (const Cause& cause : gathered.causes) {
        TARN_ASSIGN(const ManifestEntry first, entry_at(manifest, cause.first));
        TARN_ASSIGN(const ManifestEntry last, entry_at(manifest, cause.last));
        list.push(Json::object()
                      .set("cause", cause.text)
                      .set("outcome", ledger_kind_name(cause.kind))
                      .set("count", cause.count)
                      .set("first", place_of(first, inputs.plan))
                      .set("last", place_of(last, inputs.plan))
                      .set("sample", sample_json(inputs.lake, first, inputs.plan)));
    }
    return list;
}

// How far the keys are behind whose events did not all arrive: the number of each key's events that failed,
// are unknown or are held, most first.
Result<Json> behind_json(const ReportInputs& inputs, ManifestReader& manifest, const Gathered& gathered) {
    struct Behind {
        std::uint64_t events = 0;
        ManifestEntry first;
        std::int64_t last_us = 0;
    };
    std::unordered_map<std::uint64_t, Behind> keys;
    bool is_complete = true;
    ManifestEntry entry;
    for (const Range& range : gathered.behind) {
        manifest.seek(range.first);
        for (std::uint64_t i = 0; i < range.count; ++i) {
            TARN_ASSIGN(const bool more, manifest.next(entry));
            if (!more) break;
            auto known = keys.find(entry.key_hash);
            is_complete = is_complete && (known != keys.end() || keys.size() < max_behind);
            if (known == keys.end() && keys.size() == max_behind) continue;
            if (known == keys.end()) known = keys.emplace(entry.key_hash, Behind{0, entry, 0}).first;
            ++known->second.events;
            known->second.last_us = entry.time_us;
        }
    }
    std::vector<const Behind*> most;
    for (const auto& [key, behind] : keys) most.push_back(&behind);
    std::ranges::sort(most, [](const Behind* a, const Behind* b) {
        return std::tuple(b->events, a->first.sequence) < std::tuple(a->events, b->first.sequence);
    });
    Json list = Json::array();
    for (std::size_t i = 0; i < std::min(most.size(), behind_shown); ++i) {
        const Json sample = sample_json(inputs.lake, most[i]->first, inputs.plan);
        list.push(Json::object()
                      .set("key", sample["key"])
                      .set("events", most[i]->events)
                      .set("first", sample["position"])
                      .set("first_time", sample["time"])
                      .set("last_time", format_rfc3339(Time{most[i]->last_us})));
    }
    return Json::object().set("keys", keys.size()).set("complete", is_complete).set("most", std::move(list));
}

// Why events were skipped, with what to do about those that the target has had.
Json skipped_json(const Gathered& gathered) {
    Json list = Json::array();
    for (const Cause& cause : gathered.skipped) {
        Json json = Json::object().set("cause", cause.text).set("count", cause.count);
        if (cause.text == delivered_before_text)
            json.set("next", "to send them again: make the plan with --again");
        list.push(std::move(json));
    }
    return list;
}

double seconds_of(std::uint64_t us) { return std::round(static_cast<double>(us) / 1000) / 1000; }

Json rate_json(const LedgerState& state, std::uint64_t active_us) {
    if (active_us == 0) return 0;
    return std::round(static_cast<double>(state.settled) * 1e7 / static_cast<double>(active_us)) / 10;
}

}  // namespace

Result<Json> make_report(const ReportInputs& inputs) {
    const Json& record = inputs.record;
    const Json& plan = inputs.plan;
    TARN_ASSIGN(const Gathered gathered, gather(inputs));
    TARN_ASSIGN(const auto manifest, ManifestReader::open(inputs.fs, inputs.manifest_path));
    TARN_ASSIGN(Json failures, failures_json(inputs, *manifest, gathered));
    TARN_ASSIGN(Json behind, behind_json(inputs, *manifest, gathered));
    Json hashes;
    if (inputs.with_hashes) {
        TARN_ASSIGN(hashes, hashes_json(*manifest, gathered.acknowledged));
    }
    const std::uint64_t active_us = record["active_us"].as_uint();
    Json report = Json::object();
    report.set("run", record["run"])
        .set("plan", record["plan"])
        .set("digest", plan["digest"])
        .set("state", record["state"]);
    report.set("started", record["started"]).set("ended", record["ended"]);
    report.set("counts", counts_json(gathered.state, manifest->entries())).set("by_type", plan["by_type"]);
    report.set("by_failure", std::move(failures)).set("by_skip", skipped_json(gathered));
    report.set("keys_behind", std::move(behind));
    report.set("rate", rate_json(gathered.state, active_us));
    report.set("order", Json::object()
                            .set("kind", plan["order"])
                            .set("violations", record["order_violations"].as_uint())
                            .set("keys", plan["keys"]));
    report.set("hashes", std::move(hashes));
    const Json not_verified =
        Json::object().set("checked", false).set("differences", nullptr).set("compared_with", nullptr);
    report.set("verify", record["verify"].is_null() ? not_verified : record["verify"]);
    report.set("duration", seconds_of(active_us));
    report.set("name", plan["name"])
        .set("uid", record["uid"])
        .set("stream", plan["stream"])
        .set("target", plan["target"]);
    report.set("into", plan["into"])
        .set("base", plan["base"])
        .set("coverage", plan["coverage"])
        .set("pace", record["pace"]);
    report.set("shape", plan["shape"])
        .set("on_failure", plan["on_failure"])
        .set("target_version", plan["target_version"])
        .set("via", plan["via"]);
    report.set("created", record["created"])
        .set("sessions", record["sessions"])
        .set("error", record["error"])
        .set("stop", record["stop"])
        .set("throttled", record["throttled"])
        .set("on_unknown", record["on_unknown"]);
    report.set("throughput", record["throughput"]).set("latency", record["latency"]).set("schema_version", 1);
    return report;
}

}  // namespace tarn::replay
