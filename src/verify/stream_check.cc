// A stream is read again by the run's mark: each acknowledged payload once, and the events of a key in their
// order. Where a function made the payloads on the way, the ids are compared instead.
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
        find({subject.via().empty() ? event->hash : codec::xxh3_128(meta.id),
              meta.key ? std::optional(codec::xxh3_64(*meta.key)) : std::nullopt, event->position});
    }
}

Status expect_payloads(const Subject& subject, const Expect& expect) {
    return subject.replay.for_each_entry(subject.run(),
                                         [&](const replay::ManifestEntry& entry, std::string_view outcome) {
                                             if (outcome == "acknowledged") expect(entry, entry.hash);
                                             return Status();
                                         });
}

// An event that can no longer be read gets an item that none can have.
Status expect_ids(const Subject& subject, const Expect& expect) {
    event::MetaReader reader;
    return subject.replay.for_each_event(
        subject.run(), [&](const replay::FedEvent& fed, std::string_view stream, std::string_view outcome) {
            if (outcome == "acknowledged")
                expect(fed.entry,
                       codec::xxh3_128(fed.event ? reader.read(*fed.event, stream).id : std::string_view()));
            return Status();
        });
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
    const bool is_same_bytes = subject.via().empty();
    holding.expected = [&](const Expect& expect) {
        return is_same_bytes ? expect_payloads(subject, expect) : expect_ids(subject, expect);
    };
    holding.found = [&](const Find& find) { return find_in(subject, stream, find); };
    TARN_ASSIGN(const Reconciled reconciled, reconcile(holding));
    return check_of(subject, reconciled,
                    {.place = "stream " + stream,
                     .items = "events of this run",
                     .good = (is_same_bytes ? "the payloads that were sent" : "the ids that were sent") +
                             std::string(reconciled.is_in_order ? ", in their order"
                                         : holding.keeps_keys   ? ", each key in its order"
                                                                : ""),
                     .found_at = [&](const Position& place) {
                         return stream + " " + event::position_text(place.partition, place.offset);
                     }});
}

}  // namespace tarn::verify
