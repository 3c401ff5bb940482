// Ctrl-C and SIGTERM as a flag that long work looks at. A second one ends the process at once: the
// data directory is made for that.
#pragma once

#include <atomic>

namespace tarn::cli {

void catch_interrupts();
bool interrupted();
// Waits until a signal comes (for `tarn up`).
int wait_for_signal();

}  // namespace tarn::cli
