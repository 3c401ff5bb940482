#include "query/worker_pool.h"

#include <utility>

#include "query/worker.h"

namespace tarn::query {

WorkerPool::WorkerPool(std::string program, bool keep_spare_ready)
    : program_(std::move(program)), keep_spare_(keep_spare_ready) {
    if (keep_spare_) starter_ = std::thread([this] { keep_spare(); });
}

WorkerPool::~WorkerPool() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (starter_.joinable()) starter_.join();
}

// The limits of a query are not known yet: the worker lowers its own when it has read the request.
Result<std::unique_ptr<os::Process>> WorkerPool::start() const {
    return os::spawn({.arguments = {program_, "__query-worker"},
                      .environment = {"TARN_DUCKDB=" + library_path(program_), "LC_ALL=C.UTF-8", "TZ=UTC"}});
}

void WorkerPool::keep_spare() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return wanted_ || stopping_; });
        if (stopping_) return;
        wanted_ = false;
        lock.unlock();
        auto started = start();
        lock.lock();
        // Without a spare the next query starts its own worker and reports what is wrong.
        if (started) spare_ = std::move(*started);
    }
}

std::unique_ptr<os::Process> WorkerPool::take_spare() {
    const std::scoped_lock lock(mutex_);
    if (keep_spare_) wanted_ = true;
    return std::exchange(spare_, nullptr);
}

Result<std::unique_ptr<os::Process>> WorkerPool::take() {
    auto spare = take_spare();
    changed_.notify_all();
    if (spare != nullptr) return spare;
    return start();
}

}  // namespace tarn::query
