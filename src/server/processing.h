// Functions and subscriptions of one data directory: their declarations in the catalog, and, under `tarn up`,
// the host and the deliveries that work by them. Commands in process may call a function, but deliver
// nothing.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "functions/function_host.h"
#include "process/processes.h"

namespace tarn::server {

// Thread-safe. What it needs is opened at the first use: a directory without functions pays nothing.
class Processing {
public:
    struct Parts {
        catalog::Catalog& catalog;
        lake::Lake& lake;
        log::Log& log;
        os::FileSystem& fs;
        os::Clock& clock;
        os::Rng& rng;
        std::string program;  // this binary
        std::string
            directory;  // the data directory, absolute: functions have a working directory of their own
    };
    explicit Processing(Parts parts) : parts_(std::move(parts)) {}
    ~Processing() { stop(0); }
    Processing(const Processing&) = delete;
    Processing& operator=(const Processing&) = delete;

    // Declares or changes; at work at once when started.
    Status declare(const functions::FunctionSpec& spec);
    Status declare(const process::SubscriptionSpec& spec);
    Result<std::vector<functions::FunctionSpec>> functions();
    Result<functions::FunctionSpec> function(std::string_view name);  // unknown_function names the nearest
    Result<std::vector<process::SubscriptionSpec>> subscriptions();

    // Begins to deliver; until stop.
    Status start();
    void stop(std::int64_t grace_us);
    bool started() const { return started_; }
    // Replaces the functions whose code has changed; gives their names.
    Result<std::vector<std::string>> reload();

    // With the function at hand, also when nothing is started.
    Result<functions::InvocationResult> invoke(const std::string& name, functions::Invocation invocation);
    Result<functions::FunctionHost*> host();
    Result<process::Processes*> processes();

private:
    Status put_to_work(const functions::FunctionSpec& spec);
    Status put_to_work(const process::SubscriptionSpec& spec);
    functions::FunctionSpec with_environment(functions::FunctionSpec spec) const;
    Result<Sequence> first_sequence(const process::SubscriptionSpec& spec);

    const Parts parts_;
    std::mutex mutex_;  // for opening and closing
    std::unique_ptr<functions::FunctionHost> host_;
    std::unique_ptr<process::Processes> processes_;
    std::atomic<bool> started_ = false;
};

}  // namespace tarn::server
