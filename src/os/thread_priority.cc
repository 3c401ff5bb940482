#include "os/thread_priority.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tarn::os {

void raise_thread_priority() {
    sched_param parameters{};
    parameters.sched_priority = 1;
    // RESET_ON_FORK: child processes do not inherit it.
    if (::pthread_setschedparam(::pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0) return;
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), -10);
}

// Not SCHED_IDLE: on a machine that others keep busy a thread that holds a lock would come back much too
// late.
void lower_thread_priority() {
    const sched_param parameters{};
    (void)::pthread_setschedparam(::pthread_self(), SCHED_BATCH, &parameters);
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
}

}  // namespace tarn::os
