// Subscriptions to a stream: what they take becomes events of another stream, as it is or transformed by a
// function on the way. The function speaks Firehose's contract: {"records":[{"recordId","data"}]} in,
// {"records":[{"recordId","result":"Ok|Dropped|ProcessingFailed","data"}]} out, data in base64.
//
// Each result is appended under an origin of its own, so that it is in the derived stream once, however often
// its original is delivered; of a key in the order of the originals.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "functions/invocation.h"
#include "process/lanes.h"

namespace tarn::process {

// An event for another stream.
struct DerivedEvent {
    std::string subscription;
    std::string from, to;  // streams by name
    Position original;
    Sequence sequence = 0;         // of the original
    std::string meta;              // of the original
    std::int64_t ingested_us = 0;  // the original
    std::uint64_t lane = 0;  // with the sequence: what it is recognised by. Of a lane they come in order.
    bool keyed = false;      // the lane is a key's; else it is this event's alone
    std::string payload;
};
// Appends it, unless it is there already; tells when it is durable. Must not block.
using Derive = std::function<void(DerivedEvent, std::function<void(Status)> done)>;

functions::Invocation transform_invocation(const SubscriptionSpec& spec, const std::vector<Item>& items,
                                           std::int64_t now_us);

// What became of one item: with `data`, it is to be derived; done without data: dropped.
struct Transformed {
    Verdict verdict;
    std::optional<std::string> data;
};
std::vector<Transformed> transformed(const std::vector<Item>& items,
                                     const functions::InvocationResult& result, std::int64_t now_us);

// Counts what is being appended, so that nobody goes away under it.
class Deriving {
public:
    explicit Deriving(Derive derive) : derive_(std::move(derive)) {}
    ~Deriving() { wait(); }

    // Appends the results of a batch, of one key one after the other, and gives the verdicts.
    void start(const SubscriptionSpec& spec, const std::vector<Item>& items, std::vector<Transformed> results,
               std::int64_t now_us, std::function<void(std::vector<Verdict>)> done);
    void wait();

private:
    struct Batch;
    void next_wave(const std::shared_ptr<Batch>& batch);

    const Derive derive_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::size_t under_way_ = 0;
};

}  // namespace tarn::process
