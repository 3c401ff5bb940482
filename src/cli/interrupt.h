// Ctrl-C and SIGTERM as a flag that long work looks at. A second one ends the process at once: the
// data directory is made for that.
#pragma once

#include <atomic>

namespace tarn::cli {

void catch_interrupts();
bool interrupted();
// Whether SIGUSR1 came since the last question: somebody wants to know the state of long work now.
bool was_asked_for_state();
// Called before a second signal ends the process; nullptr: nothing. Async-signal-safe.
void before_abrupt_end(void (*action)());
// Waits until a signal comes (for `tarn up`).
int wait_for_signal();

}  // namespace tarn::cli
