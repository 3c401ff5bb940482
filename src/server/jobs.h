// Long work in the host: imports and runs, each on a thread of its own, watched by id, stopped at a
// checkpoint.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "catalog/catalog.h"
#include "codec/json.h"
#include "os/clock.h"

namespace tarn::server {

// What a job's body may use. `progress` replaces what watchers see.
struct JobContext {
    const std::atomic<bool>& stop;
    std::function<void(codec::Json)> progress;
};
using JobBody = std::function<Result<codec::Json>(const JobContext&)>;

// Thread-safe. The destructor stops all and waits.
class Jobs {
public:
    Jobs(catalog::Catalog& catalog, os::Clock& clock) : catalog_(catalog), clock_(clock) {}
    ~Jobs();

    // Starts `body`; `subject` is the stream or run it works on. Returns the job's id "jb-7".
    Result<std::string> start(const std::string& kind, const std::string& subject, JobBody body);
    // {"job","kind","subject","state":"running|finished|failed|interrupted","started","ended","progress",…,"result","error"}
    Result<codec::Json> show(std::string_view id);
    Result<codec::Json> list();  // the contract's list document
    // Asks it to stop at its next checkpoint.
    Status cancel(std::string_view id);
    // The newest running job on this subject, "" when none.
    std::string running_on(std::string_view subject);
    void stop_all();  // asks all to stop and waits

private:
    struct Job {
        std::string id, kind, subject;
        Time started;
        std::optional<Time> ended;
        std::atomic<bool> stop{false};
        std::mutex mutex;  // guards what follows
        std::string state = "running";
        codec::Json progress, result, error;
        std::thread thread;
        codec::Json to_json();
    };
    void finish(Job& job, Result<codec::Json> outcome);

    catalog::Catalog& catalog_;
    os::Clock& clock_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Job>, std::less<>> jobs_;
};

codec::Json error_json(const Error& error);

}  // namespace tarn::server
