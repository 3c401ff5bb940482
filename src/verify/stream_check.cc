// A stream is read again by the run's mark: each acknowledged payload once, and the events of a key in their
// order.
#include "codec/hash.h"
#include "verify/checks.h"
#include "verify/held_items.h"

namespace tarn::verify {
namespace {

Status find_in(const Subject& subject, const std::string& stream, const Find& find) {
    TARN_ASSIGN(auto view, subject.lake.view(stream));
    TARN_ASSIGN(const auto scan, subject.lake.scan(std::move(view), {}));
    event::MetaReader reader;
    const std::string& uid = subject.report["uid"].as_string();
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) return {};
        const event::Meta& meta = reader.read(*event, stream);
        if (meta.run != uid) continue;
        find({event->hash, meta.key ? std::optional(codec::xxh3_64(*meta.key)) : std::nullopt,
              event->position});
    }
}

}  // namespace

Result<Check> check_stream(const Subject& subject, const std::string& stream) {
    const auto view = subject.lake.view(stream);
    if (!view)
        return Check{.name = "target",
                     .ok = false,
                     .detail = fmt::format("stream {} cannot be read: {}", stream, view.error().message)};
    Holding holding;
    holding.keeps_keys = subject.plan["order"].as_string() != "none";
    holding.entries = subject.plan["events"].as_uint();
    holding.expected = [&](const Expect& expect) {
        return subject.replay.for_each_entry(
            subject.run(), [&](const replay::ManifestEntry& entry, std::string_view outcome) {
                if (outcome == "acknowledged") expect(entry, entry.hash);
                return Status();
            });
    };
    holding.found = [&](const Find& find) { return find_in(subject, stream, find); };
    TARN_ASSIGN(const Reconciled reconciled, reconcile(holding));
    return check_of(subject, reconciled,
                    {.place = "stream " + stream,
                     .items = "events of this run",
                     .good = reconciled.is_in_order ? "the payloads that were sent, in their order"
                             : holding.keeps_keys   ? "the payloads that were sent, each key in its order"
                                                    : "the payloads that were sent",
                     .found_at = [&](const Position& place) {
                         return stream + " " + event::position_text(place.partition, place.offset);
                     }});
}

}  // namespace tarn::verify
