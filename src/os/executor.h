// Runs small steps of work on behalf of a component, on threads in production and in a fixed order under
// simulation. The simulation of sockets and executors comes with the whole-node simulator; the seam stands
// now.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace tarn::os {

class Executor {
public:
    virtual ~Executor() = default;
    // Runs `task` later, once, in any order with others. Safe from any thread. Tasks posted after stop() are
    // dropped.
    virtual void post(std::function<void()> task) = 0;
    // Waits for the task that is running, drops what has not begun.
    virtual void stop() = 0;
};

// A pool of `threads` threads with one queue.
std::unique_ptr<Executor> make_thread_executor(int threads);

}  // namespace tarn::os
