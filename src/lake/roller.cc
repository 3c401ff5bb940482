#include "lake/roller.h"

#include <fmt/core.h>

#include "codec/hash.h"
#include "lake/baseline.h"
#include "lake/raw_object_format.h"
#include "lake/roll_draft.h"
#include "log/reader.h"

namespace tarn::lake {

namespace {

// A larger backlog is rolled in steps, to bound the memory of the objects being built.
constexpr std::uint64_t step_bytes = 512ull << 20;
// Size can come due at any moment; age is known ahead.
constexpr std::int64_t look_again_us = 1'000'000;

void operator+=(RollResult& sum, const RollResult& part) {
    sum.events += part.events;
    sum.objects += part.objects;
    sum.bytes += part.bytes;
    sum.raw_bytes += part.raw_bytes;
}

log::Appended answer_of(const log::RecordView& record) {
    log::Appended answer;
    answer.first_sequence = record.first_sequence;
    answer.events = record.events.size();
    answer.ingested = record.ingested;
    std::map<Partition, log::Range> ranges;
    for (const event::StoredEvent& event : record.events) {
        const auto [partition, offset] = std::pair(event.position.partition, event.position.offset);
        ranges.try_emplace(partition, log::Range{partition, offset, offset}).first->second.last = offset;
    }
    for (const auto& [partition, range] : ranges) answer.ranges.push_back(range);
    return answer;
}

// The last batch of each producer in a range of the log.
class OriginsSeen {
public:
    void note(const log::RecordView& record) {
        const log::Origin& origin = record.origin;
        if (origin.producer.empty()) return;
        last_[origin.producer] = {origin.producer, origin.sequence, origin.tag,
                                  answer_json(answer_of(record))};
    }
    std::vector<catalog::OriginRecord> take() {
        std::vector<catalog::OriginRecord> all;
        for (auto& [producer, record] : last_) all.push_back(std::move(record));
        return all;
    }

private:
    std::map<std::string, catalog::OriginRecord> last_;
};

// A hash of the lines, for objects that hold the same events in other bytes.
Result<std::string> hash_of_lines(std::string_view object) {
    codec::Sha256 hash;
    const auto unpacker = codec::make_zstd_unpacker();
    TARN_TRY(unpacker->feed(object, [&](std::string_view lines) -> Status {
        hash.update(lines);
        return {};
    }));
    TARN_TRY(unpacker->finish());
    return hash.finish_hex();
}

}  // namespace

// A roll that cannot be finished now, perhaps for want of space, must not keep Tarn from starting: its intent
// stays, and the next roll of the stream (roll_due takes it first) finishes it or says why not.
Status Roller::begin() {
    TARN_ASSIGN(auto streams, catalog_.streams());
    for (const catalog::StreamInfo& info : streams) {
        if (log_.damage()) break;  // objects are dense: what is missing must not be rolled over
        TARN_ASSIGN(const auto unfinished, catalog_.pending_roll(info.id));
        if (unfinished) (void)execute(info, *unfinished);
    }
    TARN_ASSIGN(streams, catalog_.streams());
    std::map<StreamId, Sequence> rolled;
    for (const catalog::StreamInfo& info : streams) rolled[info.id] = info.rolled_sequence;
    pending_.begin(std::move(rolled));
    return {};
}

// An object that is there already was put by this very roll before a crash. The same bytes are expected;
// another version of zstd may have packed the same lines differently, and then the object that is there
// counts.
Status Roller::accept_existing(const std::string& bytes, catalog::ObjectInfo& info) {
    TARN_ASSIGN(const std::string existing, store_.get(info.name));
    if (existing == bytes) return {};
    const auto expected = hash_of_lines(bytes);
    const auto found = hash_of_lines(existing);
    const auto readable = RawObjectReader::open(store_, info.name, info.stream);
    if (!expected || !found || !readable || *expected != *found) {
        return fail(
            Code::object_corrupt,
            fmt::format("object {} exists with other content than the log's", info.name),
            {.place = {.source = info.name}, .next = "move it out of the lake, then: tarn stream roll"});
    }
    info.bytes = existing.size();
    info.sha256 = codec::sha256_hex(existing);
    return {};
}

Status Roller::put(const std::string& bytes, catalog::ObjectInfo& info) {
    const Status done = store_.put_if_absent(info.name, bytes);
    if (done || done.error().code != Code::object_exists) return done;
    return accept_existing(bytes, info);
}

Result<RollResult> Roller::execute(const catalog::StreamInfo& info, const catalog::RollIntent& intent) {
    const log::Tail tail = log_.tail(intent.from);
    if (tail.end_sequence < intent.until)
        return fail(Code::log_corrupt,
                    fmt::format("stream {}: a roll until sequence {} was begun, but the log ends before {}",
                                info.name, intent.until, tail.end_sequence),
                    {.next = "tarn fsck"});
    catalog::RollCommit commit{info.id, intent.until, {}, {}, {}};
    TARN_ASSIGN(const auto all_offsets, catalog_.next_offsets());
    for (const auto& [place, next] : all_offsets)
        if (place.first == info.id) commit.next_offsets[place.second] = next;
    TARN_TRY(catalog_.begin_roll(intent));

    RollDraft draft(info, std::move(commit.next_offsets),
                    [&](std::string bytes, catalog::ObjectInfo object) -> Status {
                        TARN_TRY(put(bytes, object));
                        commit.objects.push_back(std::move(object));
                        return {};
                    });
    OriginsSeen origins;
    log::Reader reader(fs_, tail.extents);
    log::RecordView record;
    for (;;) {
        TARN_ASSIGN(const bool more, reader.next(record));
        if (!more || record.first_sequence >= intent.until) break;
        if (record.stream != info.id || record.first_sequence + record.events.size() <= intent.from) continue;
        origins.note(record);
        for (const event::StoredEvent& event : record.events)
            if (event.sequence >= intent.from && event.sequence < intent.until) TARN_TRY(draft.add(event));
    }
    TARN_TRY(draft.finish());

    commit.next_offsets = draft.next_offsets();
    commit.origins = origins.take();
    TARN_TRY(catalog_.commit_roll(commit));
    RollResult result{.events = draft.events(), .objects = commit.objects.size()};
    for (const catalog::ObjectInfo& object : commit.objects) {
        result.bytes += object.bytes;
        result.raw_bytes += object.raw_bytes;
    }
    return result;
}

// The highest sequence that keeps a step within its bytes, found by halving; at least one event.
Sequence Roller::end_of_step(Sequence from, Sequence end) const {
    const std::uint64_t bytes = log_.bytes_since(from);
    if (bytes <= step_bytes) return end;
    Sequence low = from + 1;
    Sequence high = end;
    while (low < high) {
        const Sequence middle = low + (high - low + 1) / 2;
        if (bytes - std::min(bytes, log_.bytes_since(middle)) <= step_bytes)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

Result<RollResult> Roller::roll_locked(StreamId stream) {
    log_.check_space();
    TARN_TRY(pending_.catch_up());
    const Sequence end = pending_.end();
    RollResult total;
    TARN_ASSIGN(catalog::StreamInfo info, catalog_.stream(stream));
    TARN_ASSIGN(const auto unfinished, catalog_.pending_roll(stream));
    if (unfinished) {
        TARN_ASSIGN(const RollResult step, execute(info, *unfinished));
        total += step;
        info.rolled_sequence = std::max(info.rolled_sequence, unfinished->until);
    }
    const bool has_events = pending_.pending().contains(stream);
    if (!has_events && info.rolled_sequence < end) TARN_TRY(catalog_.commit_roll({stream, end, {}, {}, {}}));
    while (has_events && info.rolled_sequence < end) {
        const Sequence until = end_of_step(info.rolled_sequence, end);
        TARN_ASSIGN(const RollResult step, execute(info, {stream, info.rolled_sequence, until}));
        total += step;
        info.rolled_sequence = until;
    }
    pending_.rolled(stream, end);
    return total;
}

Result<RollResult> Roller::roll(StreamId stream) {
    const std::lock_guard lock(mutex_);
    if (const auto damage = log_.damage()) return fail(*damage);
    TARN_ASSIGN(const RollResult result, roll_locked(stream));
    TARN_TRY(release());
    return result;
}

// By the wall clock, so that it also holds for events from before a restart; and by the monotonic one, so
// that a wall clock set back cannot put a roll off.
bool Roller::is_due(const catalog::StreamInfo& info, const PendingEvents& pending, std::int64_t* wait_us) {
    const auto& settings = info.settings.roll;
    const std::int64_t age_us =
        std::max(clock_.now().us - pending.oldest_ingested.us, clock_.monotonic_us() - pending.noticed_us);
    if (age_us >= settings.age_us || pending.bytes >= settings.size_bytes) return true;
    *wait_us = std::min(*wait_us, settings.age_us - age_us);
    return false;
}

Result<std::int64_t> Roller::roll_due() {
    const std::lock_guard lock(mutex_);
    if (const auto damage = log_.damage()) return fail(*damage);
    TARN_TRY(pending_.catch_up());
    TARN_ASSIGN(const auto streams, catalog_.streams());
    const auto pending = pending_.pending();
    std::int64_t wait_us = look_again_us;
    bool any_rolled = false;
    Status first_failure;
    for (const catalog::StreamInfo& info : streams) {
        TARN_ASSIGN(const auto unfinished, catalog_.pending_roll(info.id));
        const auto events = pending.find(info.id);
        const bool due = unfinished || (events != pending.end() && is_due(info, events->second, &wait_us));
        if (!due) continue;
        const auto rolled = roll_locked(info.id);
        any_rolled = any_rolled || rolled;
        if (!rolled && first_failure)
            first_failure = fail(rolled.error());  // the other streams are rolled all the same
    }
    if (any_rolled) TARN_TRY(release());
    TARN_TRY(first_failure);
    return std::max<std::int64_t>(wait_us, 1000);
}

// Segments below the first event that no object holds may go. Streams are made before their first event is
// written, so one that the catalog does not know was deleted.
Status Roller::release() {
    Sequence before = pending_.end();
    for (const auto& [stream, events] : pending_.pending()) {
        const auto info = catalog_.stream(stream);
        if (info)
            before = std::min(before, events.first_sequence);
        else if (info.error().code == Code::unknown_stream)
            pending_.forget(stream);
        else
            return fail(info.error());
    }
    return log_.release(before);
}

}  // namespace tarn::lake
