// What replay needs of functions: what is declared, and a function at work for a run. The server knows how
// (server/run_functions.h); this layer starts no processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "event/replay_mark.h"
#include "event/shapes.h"

namespace tarn::replay {

struct FunctionInfo {
    std::string name;
    std::string version;  // of its declaration and code: another one does something else
    event::ReplayMark mark = event::ReplayMark::ask;
    std::vector<std::string> stores;  // that it writes
};

// A subscription, as far as it decides what a function gets.
struct SubscriptionInfo {
    std::string name, stream, function;  // function "": into the stream as it came
    std::string pattern;                 // JSON; "" = every event
    event::Shape shape = event::Shape::cloudevents;
    bool takes_replayed = false;
    std::string to_stream = "";  // where what it makes of events goes, "" = nowhere
};

// One event for a function.
struct FunctionCall {
    std::string stream;
    Position position;
    std::string document;      // in the shape that the function gets
    std::string subscription;  // as which it gets it, "" = none
    std::string run;           // uid
    int attempt = 1;
    Time ingested = {};  // of the event
};

struct FunctionAnswer {
    enum class End : std::uint8_t {
        done,
        failed,         // it said so
        unknown,        // it ran out of time or memory, or its process ended: it may have acted
        not_sent,       // taken back before it saw the event: somebody else needs it to be quiet
        could_not_run,  // it did not see the event, or was stopped by us
        // Of transform only:
        dropped,  // it wants nothing to go on
        refused,  // it answered, but not with something to go on: ProcessingFailed, no recordId, no base64
    };
    End end = End::done;
    std::string error;
    std::string version;  // of the code that answered, "" when none did
    std::string output;   // when done: what it answered; of transform: what goes on instead of the payload
};

struct RetryRule {
    int attempts = 1;  // in all
    std::int64_t first_us = 0, longest_us = 0;
};

// A function at work for a run; what was started for it alone ends with it.
class FunctionAtWork {
public:
    virtual ~FunctionAtWork() = default;
    virtual std::size_t instances() const = 0;  // events that it can work on at once
    virtual RetryRule retries() const = 0;
    // `done` runs once, on any thread, and does not block.
    virtual void call(FunctionCall call, std::function<void(FunctionAnswer)> done) = 0;
    // As records of one invocation, by Firehose's contract (process/transform.h); `document` is what they
    // hold. All of one stream. One answer a call, in their order; `done` as above.
    virtual void transform(std::vector<FunctionCall> calls,
                           std::function<void(std::vector<FunctionAnswer>)> done) = 0;
};

// One of several whose answers to the same events are compared: comparison.h.
struct ComparedFunction {
    FunctionInfo info;
    std::unique_ptr<FunctionAtWork> at_work;
};

// Thread-safe.
class Functions {
public:
    virtual ~Functions() = default;
    virtual Result<FunctionInfo> function(std::string_view name) = 0;  // unknown_function names the nearest
    virtual Result<std::vector<SubscriptionInfo>> subscriptions() = 0;
    // The events of a group of dead letters ("dg-…"); unknown_dead_letter when there is none.
    virtual Status dead_letters(std::string_view group,
                                const std::function<Status(const Position&)>& take) = 0;
    // bad_usage where functions do not run: they do only under `tarn up`. `what` begins the message.
    virtual Status check_can_run(std::string_view what) = 0;
    // `copy` "" = as it works live; "accounts@fix": processes of its own, which find that copy where they
    // find the store else.
    virtual Result<std::unique_ptr<FunctionAtWork>> open(const std::string& function,
                                                         const std::string& copy) = 0;
};

}  // namespace tarn::replay
