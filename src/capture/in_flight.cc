#include "capture/in_flight.h"

namespace tarn::capture {
namespace {

constexpr std::int64_t overload_pause_us = 5'000;

}  // namespace

Status InFlight::submit(const log::Batch& batch, std::size_t quarantined, std::size_t bytes) {
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] {
            const bool room = batches_ < limits_.batches && (bytes_ == 0 || bytes_ + bytes <= limits_.bytes);
            return room || failure_;
        });
        if (failure_) return fail(*failure_);
    }
    while (attempt(batch, quarantined, bytes) == Attempt::refused) {
        if (stop_) return fail(Code::interrupted, "stopped while the log was overloaded");
        TARN_TRY(wait_all());
        clock_.sleep_us(overload_pause_us);
    }
    return {};
}

InFlight::Attempt InFlight::attempt(const log::Batch& batch, std::size_t quarantined, std::size_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        ++batches_;
        bytes_ += bytes;
        refused_ = false;
        submitting_ = std::this_thread::get_id();
    }
    log_.submit(batch, [this, events = batch.entries.size(), quarantined,
                        bytes](const Result<log::Appended>& appended) {
        answered(appended, events, quarantined, bytes);
    });
    const std::lock_guard lock(mutex_);
    submitting_ = {};
    return refused_ ? Attempt::refused : Attempt::taken;
}

void InFlight::answered(const Result<log::Appended>& appended, std::size_t events, std::size_t quarantined,
                        std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    --batches_;
    bytes_ -= bytes;
    if (!appended) {
        // Only a refusal at once leaves the order of the batches intact and may be tried again.
        const bool at_once = submitting_ == std::this_thread::get_id();
        if (at_once && appended.error().kind == ErrorKind::overloaded) {
            refused_ = true;
        } else if (!failure_) {
            failure_ = appended.error();
        }
    } else if (appended->repeated) {
        outcome_.skipped += events;
    } else {
        outcome_.accepted += events - quarantined;
        outcome_.quarantined += quarantined;
    }
    changed_.notify_all();
}

Status InFlight::wait_all() {
    drain();
    const std::lock_guard lock(mutex_);
    if (failure_) return fail(*failure_);
    return {};
}

void InFlight::drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_ == 0; });
}

Outcome InFlight::outcome() const {
    const std::lock_guard lock(mutex_);
    return outcome_;
}

}  // namespace tarn::capture
