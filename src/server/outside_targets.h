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

#include "catalog/catalog.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "process/receiver.h"
#include "replay/target.h"

namespace tarn::server {

// bad_config, kind config: what stands in `to` is no target that a subscription can send to. Whether the one
// that it names is declared is not looked at.
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
        // What is under way gets so long to end when the way to its target is closed; then it is broken off.
        std::int64_t grace_us = 3'000'000;
    };
    explicit OutsideTargets(Parts parts) : parts_(std::move(parts)) {}
    ~OutsideTargets() { stop(); }
    OutsideTargets(const OutsideTargets&) = delete;
    OutsideTargets& operator=(const OutsideTargets&) = delete;

    // A process::Deliver. One slow target is in nobody's way: each subscription has connections of its own.
    void deliver(const process::SubscriptionSpec& spec, process::Parcel parcel,
                 std::function<void(process::Receipt)> done);
    // What is declared as target:NAME may be another than before: the next event opens it anew.
    void reopen(const std::string& target);
    // Begins nothing more: what comes later, has not begun, or has not ended after the grace, is answered
    // with unreachable.
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

// A declared target that is a program cannot be one of a subscription: who would start it again?
Error no_program_error(const std::string& subscription, const std::string& target);

// Services: http(s)://…, and those that target:NAME declares, with their secrets as the files have them now.
Result<std::unique_ptr<replay::Target>> open_outside_target(os::Clock& clock, os::FileSystem& fs,
                                                            catalog::Catalog& catalog,
                                                            const process::SubscriptionSpec& spec);

}  // namespace tarn::server
