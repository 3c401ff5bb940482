// Which segments readers hold. A pin outlives the log if it must.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <set>

namespace tarn::log {

class Pins {
public:
    // Holds segment `number` and all after it until the last copy of the answer is gone. Any thread.
    static std::shared_ptr<void> add(const std::shared_ptr<Pins>& pins, std::uint64_t number) {
        const std::scoped_lock lock(pins->mutex_);
        const auto place = pins->numbers_.insert(number);
        return std::shared_ptr<void>(pins.get(), [pins, place](void*) {
            const std::scoped_lock lock(pins->mutex_);
            pins->numbers_.erase(place);
        });
    }
    std::uint64_t oldest() const {
        const std::scoped_lock lock(mutex_);
        return numbers_.empty() ? std::numeric_limits<std::uint64_t>::max() : *numbers_.begin();
    }

private:
    mutable std::mutex mutex_;
    std::multiset<std::uint64_t> numbers_;
};

}  // namespace tarn::log
