// For the log's tests: batches that say who they are, and a model of what an honest log must hold.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "codec/hash.h"
#include "log/log.h"
#include "log/reader.h"
#include "os/rng.h"
#include "os/sim_file_system.h"

namespace tarn::log {

// A batch that owns its bytes.
struct OwnedBatch {
    StreamId stream;
    Origin origin;
    struct Item {
        Partition partition;
        std::string meta;
        std::string payload;
    };
    std::vector<Item> items;

    Batch view() const {
        Batch batch{.stream = stream, .origin = origin, .entries = {}};
        for (const Item& item : items) {
            batch.entries.push_back({.partition = item.partition,
                                     .meta = item.meta,
                                     .payload = item.payload,
                                     .form = event::PayloadForm::json,
                                     .hash = codec::xxh3_128(item.payload)});
        }
        return batch;
    }
};

// "{"n":7,"x":"yyy…"}" of about `bytes` bytes.
inline std::string payload_of(std::uint64_t n, std::size_t bytes) {
    std::string text = "{\"n\":" + std::to_string(n) + ",\"x\":\"";
    return text + std::string(bytes, static_cast<char>('a' + n % 26)) + "\"}";
}

inline OwnedBatch batch_of(std::uint64_t n, std::size_t bytes = 40, std::uint32_t stream = 1,
                           Partition partition = 0) {
    return {.stream = {stream},
            .origin = {},
            .items = {{partition, "\"key\":\"k" + std::to_string(n) + "\"", payload_of(n, bytes)}}};
}

// Any batch: one to six entries in three partitions and the quarantine, payloads from nothing to `largest`.
inline OwnedBatch random_batch(std::uint64_t n, os::SeededRng& rng, std::size_t largest) {
    OwnedBatch batch;
    batch.stream = {static_cast<std::uint32_t>(rng.below(3))};
    const std::uint64_t count = 1 + rng.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
        const Partition partition =
            rng.below(8) == 0 ? quarantine_partition : static_cast<Partition>(rng.below(3));
        const std::size_t bytes = rng.below(4) == 0 ? rng.below(largest + 1) : rng.below(100);
        batch.items.push_back(
            {partition, rng.below(3) == 0 ? "" : "\"attributes\":{}", payload_of(n * 100 + i, bytes)});
    }
    return batch;
}

// What one log holds, read through Tail and Reader.
struct ReadBatch {
    Sequence first_sequence = 0;
    OwnedBatch batch;
    std::vector<Offset> offsets;
};

inline bool same(const OwnedBatch& a, const OwnedBatch& b) {
    if (a.stream != b.stream || a.origin.producer != b.origin.producer || a.items.size() != b.items.size())
        return false;
    if (!a.origin.producer.empty() &&
        (a.origin.sequence != b.origin.sequence || a.origin.tag != b.origin.tag))
        return false;
    for (std::size_t i = 0; i < a.items.size(); ++i) {
        if (a.items[i].partition != b.items[i].partition || a.items[i].meta != b.items[i].meta ||
            a.items[i].payload != b.items[i].payload) {
            return false;
        }
    }
    return true;
}

inline Result<std::vector<ReadBatch>> read_extents(os::FileSystem& fs, std::vector<Extent> extents) {
    Reader reader(fs, std::move(extents));
    std::vector<ReadBatch> batches;
    RecordView record;
    while (true) {
        TARN_ASSIGN(const bool more, reader.next(record));
        if (!more) return batches;
        ReadBatch& read = batches.emplace_back();
        read.first_sequence = record.first_sequence;
        read.batch.stream = record.stream;
        read.batch.origin = record.origin;
        for (const event::StoredEvent& event : record.events) {
            read.batch.items.push_back(
                {event.position.partition, std::string(event.meta), std::string(event.payload)});
            read.offsets.push_back(event.position.offset);
            if (event.hash != codec::xxh3_128(event.payload))
                return fail(Code::internal, "the hash is not the payload's");
        }
    }
}

inline Result<std::vector<ReadBatch>> read_log(os::FileSystem& fs, Log& log, Sequence from = 0) {
    const Tail tail = log.tail(from);
    return read_extents(fs, tail.extents);
}

// What may and what must be in the log.
struct Model {
    std::map<Sequence, OwnedBatch> acknowledged;
    std::vector<OwnedBatch> unknown;  // submitted, outcome unknown
    Baseline baseline;                // of what the catalog has taken over

    Sequence end() const {
        if (acknowledged.empty()) return 1;
        return acknowledged.rbegin()->first + acknowledged.rbegin()->second.items.size();
    }
    void acknowledge(const Appended& answer, const OwnedBatch& batch) {
        EXPECT_FALSE(acknowledged.contains(answer.first_sequence))
            << "sequence " << answer.first_sequence << " given twice";
        acknowledged[answer.first_sequence] = batch;
    }
    // The catalog takes over everything acknowledged below `before`.
    void roll(Sequence before) {
        for (const auto& [first, batch] : acknowledged) {
            if (first < baseline.next_sequence || first >= before) continue;
            for (const auto& item : batch.items) ++baseline.next_offsets[{batch.stream, item.partition}];
        }
        baseline.next_sequence = std::max(baseline.next_sequence, before);
    }
    // "" or what is wrong with an opened log. Everything acknowledged and not rolled must be there, exactly
    // and in order; anything else must be something submitted.
    std::string judge(const std::vector<ReadBatch>& found, Sequence durable_end) const;
};

inline std::string Model::judge(const std::vector<ReadBatch>& found, Sequence durable_end) const {
    std::map<std::pair<StreamId, Partition>, Offset> next_offsets;
    Sequence next = found.empty() ? durable_end : found.front().first_sequence;
    std::size_t unknown_used = 0;
    if (!found.empty() && next > baseline.next_sequence) return "the log begins after what the catalog has";
    for (const ReadBatch& read : found) {
        if (read.first_sequence != next) return "sequence " + std::to_string(next) + " is missing";
        next += read.batch.items.size();
        const auto known = acknowledged.find(read.first_sequence);
        if (known != acknowledged.end()) {
            if (!same(known->second, read.batch))
                return "batch " + std::to_string(read.first_sequence) + " differs";
        } else {
            while (unknown_used < unknown.size() && !same(unknown[unknown_used], read.batch)) ++unknown_used;
            if (unknown_used++ >= unknown.size())
                return "phantom batch at " + std::to_string(read.first_sequence);
        }
        for (std::size_t i = 0; i < read.offsets.size(); ++i) {
            const auto [at, fresh] =
                next_offsets.try_emplace({read.batch.stream, read.batch.items[i].partition}, read.offsets[i]);
            if (at->second != read.offsets[i]) return "offsets are not dense";
            ++at->second;
        }
    }
    if (next != durable_end)
        return "durable_end is " + std::to_string(durable_end) + ", not " + std::to_string(next);
    if (next < end())
        return "acknowledged up to " + std::to_string(end()) + ", found up to " + std::to_string(next);
    return "";
}

}  // namespace tarn::log
