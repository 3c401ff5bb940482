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
// `stopped`: it ended at a checkpoint because it was asked to, and can be taken up again.
struct JobEnd {
    codec::Json result;
    bool stopped = false;
};
using JobBody = std::function<Result<JobEnd>(const JobContext&)>;

// Thread-safe. The destructor stops all and waits. A job that has ended is a document of the catalog, which
// keeps the newest thousand.
class Jobs {
public:
    Jobs(catalog::Catalog& catalog, os::Clock& clock) : catalog_(catalog), clock_(clock) {}
    ~Jobs();

    // Starts `body`; `subject` is the stream or run it works on. Returns the job's id "jb-7".
    Result<std::string> start(const std::string& kind, const std::string& subject, JobBody body);
    // {"job","kind","subject","state":"running|finished|stopped|failed|interrupted","started","ended","progress",…,"result","error"}
    Result<codec::Json> show(std::string_view id);
    Result<codec::Json> list();  // the contract's list document
    // Asks it to stop at its next checkpoint.
    Status cancel(std::string_view id);
    // The newest running job on this subject, "" when none.
    std::string running_on(std::string_view subject);
    void stop_all();  // asks all to stop and waits

private:
    struct Job {
        std::uint64_t number = 0;
        std::string id, kind, subject;
        Time started;
        std::optional<Time> ended;
        std::atomic<bool> stop{false};
        std::atomic<bool> ended_for_good{false};  // its thread does nothing more
        bool kept = false;                        // its end is in the catalog; set before ended_for_good
        std::mutex mutex;                         // guards what follows
        std::string state = "running";
        codec::Json progress, result, error;
        std::thread thread;
        codec::Json to_json();
    };
    using Running = std::map<std::uint64_t, std::shared_ptr<Job>>;  // by number
    void finish(Job& job, Result<JobEnd> outcome);
    void reap();                                     // under mutex_
    std::shared_ptr<Job> find(std::string_view id);  // under mutex_; nullptr when it has ended and was reaped
    Status forget_oldest();

    catalog::Catalog& catalog_;
    os::Clock& clock_;
    std::mutex mutex_;
    Running jobs_;
};

codec::Json error_json(const Error& error);
// The last line of a streamed answer that failed under way: {"complete":false,"error":{…}}
std::string error_line(const Error& error);

}  // namespace tarn::server
