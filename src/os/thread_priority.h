// Scheduling of the calling thread.
#pragma once

namespace tarn::os {

// Puts the calling thread before ordinary ones: SCHED_FIFO where allowed, else a better nice value, else
// nothing. For threads that wait for the disk most of the time: with busy processors a sync otherwise ends a
// scheduler tick late.
void raise_thread_priority();
// Puts it behind ordinary ones, and for good: it gets what they leave, and when it wakes it interrupts
// nobody. For work that must not slow down who waits for an answer.
void lower_thread_priority();

}  // namespace tarn::os
