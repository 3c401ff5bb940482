// Batches handed to the log and not yet answered: many at once, so that one sync serves many, but a bounded
// number.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "log/log.h"
#include "os/clock.h"

namespace tarn::capture {

struct Outcome {
    std::uint64_t accepted = 0, quarantined = 0, skipped = 0;
};

// submit, wait_all: from one thread. Destruction waits for everything under way.
class InFlight {
public:
    struct Limits {
        std::size_t batches = 256;
        std::size_t bytes = 16u << 20;
    };
    InFlight(log::Log& log, os::Clock& clock, const std::atomic<bool>& stop, Limits limits)
        : log_(log), clock_(clock), stop_(stop), limits_(limits) {}
    ~InFlight() { drain(); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

    // Waits for room, then submits. An overloaded log is asked again until it takes the batch or `stop` is
    // set. After a failure that was seen nothing more is submitted.
    Status submit(const log::Batch& batch, std::size_t quarantined, std::size_t bytes);
    // The first failure, after all have been answered.
    Status wait_all();
    Outcome outcome() const;  // safe from any thread

private:
    enum class Attempt { taken, refused };
    Attempt attempt(const log::Batch& batch, std::size_t quarantined, std::size_t bytes);
    void answered(const Result<log::Appended>& appended, std::size_t events, std::size_t quarantined,
                  std::size_t bytes);
    void drain();

    log::Log& log_;
    os::Clock& clock_;
    const std::atomic<bool>& stop_;
    const Limits limits_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t batches_ = 0, bytes_ = 0;  // under way
    std::optional<Error> failure_;
    Outcome outcome_;
    std::thread::id submitting_;  // the thread inside Log::submit, to know an answer that comes at once
    bool refused_ = false;
};

}  // namespace tarn::capture
