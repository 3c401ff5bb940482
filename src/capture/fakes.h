// Stand-ins for the log and the catalog, for the tests and the fuzzer of this folder only.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "catalog/catalog.h"
#include "log/log.h"

namespace tarn::capture {

// Keeps everything in memory and answers at once, or from a thread of its own when `threaded`.
class FakeLog final : public log::Log {
public:
    struct Stored {
        StreamId stream;
        Partition partition = 0;
        Offset offset = 0;
        Sequence sequence = 0;
        std::string meta, payload;
        event::PayloadForm form = event::PayloadForm::json;
        Hash128 hash;
        std::string producer;
    };

    explicit FakeLog(bool threaded = false) {
        if (threaded) writer_ = std::jthread([this](const std::stop_token& stop) { write(stop); });
    }

    // What later calls do. Batches beyond `batches_until_failure` fail, as after a failed sync.
    std::size_t batches_until_failure = SIZE_MAX;
    int overloads = 0;  // the next so many batches are refused at once
    std::size_t full_at =
        SIZE_MAX;      // the so-manieth submit fails for want of space, when its turn to answer comes
    bool keep = true;  // false: only count (benchmarks, fuzzing)

    // What happened. Read when nothing is under way.
    std::vector<Stored> stored;
    std::size_t submits = 0;  // calls of submit
    std::size_t batches = 0;  // stored
    std::uint64_t bytes = 0;
    bool overlapped = false;  // a producer had a second batch under way

    void submit(const log::Batch& batch, Done done) override {
        std::unique_lock lock(mutex_);
        const bool is_full = submits++ == full_at;
        auto answer = is_full ? Result<log::Appended>(fail(Code::disk_full, "no space")) : take(batch);
        if (!writer_.joinable() || (!answer && !is_full)) {
            lock.unlock();
            return done(std::move(answer));
        }
        const std::string& producer = batch.origin.producer;
        if (!producer.empty() && !under_way_.insert(producer).second) overlapped = true;
        answers_.push_back({std::move(answer), std::move(done), producer});
        changed_.notify_all();
    }

    std::optional<log::Appended> find_origin(std::string_view producer) override {
        const std::lock_guard lock(mutex_);
        const auto found = origins_.find(std::string(producer));
        if (found == origins_.end()) return std::nullopt;
        log::Appended appended = found->second;
        appended.repeated = true;
        return appended;
    }

    std::vector<std::string> payloads(Partition partition) const {
        std::vector<std::string> out;
        for (const Stored& one : stored)
            if (one.partition == partition) out.push_back(one.payload);
        return out;
    }
    std::vector<std::string> accepted() const {
        std::vector<std::string> out;
        for (const Stored& one : stored)
            if (one.partition != quarantine_partition) out.push_back(one.payload);
        return out;
    }
    std::vector<std::string> quarantined() const { return payloads(quarantine_partition); }

    Sequence durable_end() const override { return next_sequence_; }
    log::Tail tail(Sequence) override { return {}; }
    Status release(Sequence) override { return {}; }
    std::uint64_t bytes_since(Sequence) const override { return bytes; }
    const log::Recovery& recovery() const override { return recovery_; }
    std::optional<Error> poisoned() const override { return std::nullopt; }
    void commit() override {}
    void on_durable(std::function<void(Sequence)>) override {}

private:
    Result<log::Appended> take(const log::Batch& batch) {
        if (overloads > 0) {
            --overloads;
            return fail(Code::log_overloaded, "too much is waiting");
        }
        if (const auto repeated = repeated_answer(batch.origin)) return *repeated;
        if (batches >= batches_until_failure) return fail(Code::log_poisoned, "the log stopped");
        ++batches;
        log::Appended appended;
        appended.first_sequence = next_sequence_;
        appended.events = batch.entries.size();
        std::map<Partition, log::Range> ranges;
        for (const log::Entry& entry : batch.entries) {
            const Offset offset = next_offset_[{batch.stream, entry.partition}]++;
            auto [range, is_new] =
                ranges.try_emplace(entry.partition, log::Range{entry.partition, offset, offset});
            range->second.last = offset;
            bytes += entry.payload.size();
            if (keep)
                stored.push_back({batch.stream, entry.partition, offset, next_sequence_,
                                  std::string(entry.meta), std::string(entry.payload), entry.form, entry.hash,
                                  batch.origin.producer});
            ++next_sequence_;
        }
        for (const auto& [partition, range] : ranges) appended.ranges.push_back(range);
        appended.origin_sequence = batch.origin.sequence;
        appended.origin_tag = batch.origin.tag;
        if (!batch.origin.producer.empty()) origins_[batch.origin.producer] = appended;
        return appended;
    }

    std::optional<log::Appended> repeated_answer(const log::Origin& origin) {
        const auto found = origins_.find(origin.producer);
        if (found == origins_.end() || origin.sequence > found->second.origin_sequence) return std::nullopt;
        log::Appended appended = found->second;
        appended.repeated = true;
        return appended;
    }

    void write(const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (changed_.wait(lock, stop, [&] { return !answers_.empty(); })) {
            Answer next = std::move(answers_.front());
            answers_.pop_front();
            lock.unlock();
            std::this_thread::yield();  // so that others overtake if they may
            {
                const std::lock_guard relock(mutex_);
                under_way_.erase(next.producer);
            }
            next.done(std::move(next.appended));
            lock.lock();
        }
    }

    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    struct Answer {
        Result<log::Appended> appended;
        Done done;
        std::string producer;
    };
    std::deque<Answer> answers_;
    std::set<std::string> under_way_;
    std::map<std::string, log::Appended> origins_;
    std::map<std::pair<StreamId, Partition>, Offset> next_offset_;
    Sequence next_sequence_ = 1;
    log::Recovery recovery_;
    std::jthread writer_;
};

// Knows streams and nothing else.
class FakeCatalog final : public catalog::Catalog {
public:
    FakeCatalog() { add("_tarn", {}, 0); }

    catalog::StreamInfo add(const std::string& name, event::StreamSettings settings, std::uint32_t id) {
        return streams_[name] = {.id = StreamId{id},
                                 .name = name,
                                 .settings = std::move(settings),
                                 .created = {},
                                 .rolled_sequence = 1};
    }
    int asked = 0;  // calls of stream(name)

    Result<catalog::StreamInfo> stream(std::string_view name) override {
        ++asked;
        const auto found = streams_.find(name);
        if (found == streams_.end()) return fail(Code::unknown_stream, "no stream " + std::string(name));
        return found->second;
    }
    Result<catalog::StreamInfo> stream(StreamId) override { return not_here(); }
    Result<catalog::StreamInfo> create_stream(const std::string&, const event::StreamSettings&,
                                              Time) override {
        return not_here();
    }
    Result<std::vector<catalog::StreamInfo>> streams() override { return not_here(); }
    Status update_stream(StreamId, const event::StreamSettings&) override { return not_here(); }
    Status delete_stream(StreamId) override { return not_here(); }
    Result<std::optional<catalog::RollIntent>> pending_roll(StreamId) override { return not_here(); }
    Status begin_roll(const catalog::RollIntent&) override { return not_here(); }
    Status commit_roll(const catalog::RollCommit&) override { return not_here(); }
    Result<std::vector<catalog::ObjectInfo>> objects(StreamId) override { return not_here(); }
    Result<catalog::StreamObjects> stream_objects(StreamId) override { return not_here(); }
    Result<std::optional<catalog::ObjectInfo>> object_at(Position) override { return not_here(); }
    Result<std::map<std::pair<StreamId, Partition>, Offset>> next_offsets() override { return not_here(); }
    Result<Sequence> max_sequence() override { return not_here(); }
    Result<bool> has_history() override { return not_here(); }
    Result<std::vector<std::string>> problems() override { return not_here(); }
    Result<std::optional<catalog::OriginRecord>> origin(std::string_view) override { return not_here(); }
    Status put_document(const catalog::Document&) override { return not_here(); }
    Result<std::optional<catalog::Document>> document(std::string_view, std::string_view) override {
        return not_here();
    }
    Result<std::vector<catalog::Document>> documents(std::string_view) override { return not_here(); }
    Status delete_document(std::string_view, std::string_view) override { return not_here(); }
    Result<std::uint64_t> next_number(std::string_view) override { return not_here(); }

private:
    static Failure not_here() { return fail(Code::internal, "the fake catalog knows streams only"); }
    std::map<std::string, catalog::StreamInfo, std::less<>> streams_;
};

}  // namespace tarn::capture
