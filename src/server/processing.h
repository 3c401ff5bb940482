// Functions and subscriptions of one data directory: their declarations in the catalog, and, under `tarn up`,
// the host and the deliveries that work by them. Commands in process may call a function, but deliver
// nothing.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "functions/function_host.h"
#include "process/processes.h"
#include "server/outside_targets.h"

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
        std::shared_ptr<process::Bell> bell;  // rung when events become durable
        process::Derive derive;               // of subscriptions to a stream
        std::string sender = {};              // this directory's id: who sends to targets outside
        // Whether the run of that uid named this subscription (`--only`).
        std::function<bool(std::string_view run_uid, const std::string& subscription)> run_names = {};
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
    // The feeders of a store that functions feed: those whose function lists the store. By name.
    Result<std::vector<process::SubscriptionSpec>> feeding_subscriptions(std::string_view store);

    // Another declaration of a target: subscriptions to it send by that one from here on.
    void reopen_target(const std::string& name);

    // Begins to deliver; until stop.
    Status start();
    void stop(std::int64_t grace_us);
    bool started() const { return started_; }
    // Replaces the functions whose code has changed; gives their names.
    Result<std::vector<std::string>> reload();

    // With the function at hand, also when nothing is started.
    Result<functions::InvocationResult> invoke(const std::string& name, functions::Invocation invocation);
    Result<functions::FunctionHost*> host();
    // For runs into a copy, such as accounts@fix: processes of its own, under this name, which find the copy
    // where they find the store else. They end with the handle, which waits for that.
    static std::string name_at_copy(const std::string& function, const std::string& copy);  // "ledger@fix"
    Result<std::shared_ptr<void>> put_to_work_at(const functions::FunctionSpec& spec,
                                                 const std::string& copy);
    Result<std::string> version_of(const functions::FunctionSpec& spec);    // of its code as it is now
    std::optional<std::string> version_at_work(std::string_view function);  // nullopt: nothing is at work
    Result<process::Processes*> processes();

private:
    Status put_to_work(const functions::FunctionSpec& spec);
    Status put_to_work(const process::SubscriptionSpec& spec);
    functions::FunctionSpec with_environment(functions::FunctionSpec spec,
                                             const std::string& copy = "") const;
    Result<Sequence> first_sequence(const process::SubscriptionSpec& spec);

    const Parts parts_;
    std::mutex mutex_;  // for opening and closing
    std::unique_ptr<functions::FunctionHost> host_;
    std::unique_ptr<OutsideTargets> outside_;
    std::unique_ptr<process::Processes> processes_;
    std::atomic<bool> started_ = false;
};

}  // namespace tarn::server
