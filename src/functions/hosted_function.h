// One declared function as its host keeps it, and what is said when its processes end. Of FunctionHost alone.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "functions/function_host.h"
#include "functions/instance.h"
#include "functions/output_lines.h"

namespace tarn::functions {

inline constexpr std::int64_t first_backoff_us = 100'000;

// Under the lock of the host.
struct HostedFunction {
    FunctionSpec spec;
    std::string version;
    std::deque<PendingInvocation> queue;
    std::vector<std::unique_ptr<Instance>> instances;
    bool removed = false;
    int failures = 0;  // starts or crashes without a success between
    std::int64_t next_start_us = 0;
    std::string last_error;
    std::uint64_t next_instance = 1;
    std::uint64_t invocations = 0, errors = 0, timeouts = 0, crashes = 0;
    OutputLines lines;

    std::size_t alive() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(instances, [](const auto& each) { return !each->ending; }));
    }
    std::size_t busy() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(instances, [](const auto& each) { return each->running.has_value(); }));
    }
    // How many instances there should be.
    std::size_t wanted() const {
        return std::clamp(busy() + queue.size(), spec.min_instances, spec.max_instances);
    }
    bool has_ready() const {
        return std::ranges::any_of(instances, [](const auto& each) { return each->ready && !each->ending; });
    }
    bool may_serve(const Instance& instance) const {
        return instance.poll && !instance.running && !instance.ending;
    }
    FunctionStatus status() const;
    // After a failed start or a crash. The first one is forgiven at once; those that follow without a success
    // wait longer and longer.
    void back_off(std::int64_t now);
};

InvocationResult ended(InvocationEnd end, std::string type, std::string message);
InvocationResult too_large(std::size_t bytes);
// The process is gone while an invocation was under way, or before it had asked for one.
InvocationResult end_of_running(const Instance& instance, const os::ChildEnd& end);
InvocationResult end_of_start(const Instance& instance, const os::ChildEnd& end);

}  // namespace tarn::functions
