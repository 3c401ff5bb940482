// Worker processes: a fresh one for each query, and one spare that has loaded its engine before the query
// comes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "os/process.h"

namespace tarn::query {

// Thread-safe. A worker is used once and dies with its owner.
class WorkerPool {
public:
    WorkerPool(std::string program, bool keep_spare);
    ~WorkerPool();

    // The spare when it is there, and then makes the next; else a new one, started on the calling thread,
    // which must live as long as the worker is needed.
    Result<std::unique_ptr<os::Process>> take();
    // Always a new one.
    Result<std::unique_ptr<os::Process>> start() const;

private:
    void keep_spare();  // the thread that starts spares; a worker dies when the thread that started it ends
    std::unique_ptr<os::Process> take_spare();

    const std::string program_;
    const bool keep_spare_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unique_ptr<os::Process> spare_;
    bool wanted_ = true;
    bool stopping_ = false;
    std::thread starter_;
};

}  // namespace tarn::query
