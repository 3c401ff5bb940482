// Wakes one thread that waits for news, from any other: nothing is polled. A ring before the wait counts.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace tarn::process {

class Bell {
public:
    void ring() {
        const std::lock_guard lock(mutex_);
        rung_ = true;
        changed_.notify_one();
    }
    // Until it is rung, or for so long at most.
    void wait(std::int64_t longest_us) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::microseconds(longest_us), [this] { return rung_; });
        rung_ = false;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool rung_ = false;
};

}  // namespace tarn::process
