// Targets outside, for subscriptions: a run's targets (replay/target.h) sent to one event and one attempt at
// a time. What is tried again, and when, is for process/ to say.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "os/clock.h"
#include "process/receiver.h"
#include "replay/target.h"

namespace tarn::server {

// bad_config, kind config: what stands in `to` is no target that a subscription can send to.
Status check_outside_target(const process::SubscriptionSpec& spec);

// Thread-safe.
class OutsideTargets {
public:
    using Open =
        std::function<Result<std::unique_ptr<replay::Target>>(const process::SubscriptionSpec& spec)>;
    struct Parts {
        os::Clock& clock;
        std::string sender;  // whose events these are, all over the world: begins every idempotency key
        Open open;           // of another target each time
    };
    explicit OutsideTargets(Parts parts) : parts_(std::move(parts)) {}
    ~OutsideTargets() { stop(); }
    OutsideTargets(const OutsideTargets&) = delete;
    OutsideTargets& operator=(const OutsideTargets&) = delete;

    // A process::Deliver. One slow target is in nobody's way: each subscription has connections of its own.
    void deliver(const process::SubscriptionSpec& spec, process::Parcel parcel,
                 std::function<void(process::Receipt)> done);
    // Begins nothing more: what comes later, or has not begun, is answered with unreachable.
    void wind_up();
    // And waits for what is under way.
    void stop();

    // One subscription's way to its target.
    class Outlet;

private:
    struct Place {
        std::string target;
        event::Shape shape = event::Shape::cloudevents;
        std::shared_ptr<Outlet> outlet;
    };
    Result<std::shared_ptr<Outlet>> outlet_of(const process::SubscriptionSpec& spec);

    const Parts parts_;
    std::mutex mutex_;
    bool stopped_ = false;
    std::map<std::string, Place> places_;           // by subscription
    std::vector<std::shared_ptr<Outlet>> retired_;  // begin nothing more
};

// The targets that there are: http(s)://… and null:.
Result<std::unique_ptr<replay::Target>> open_outside_target(os::Clock& clock,
                                                            const process::SubscriptionSpec& spec);

}  // namespace tarn::server
