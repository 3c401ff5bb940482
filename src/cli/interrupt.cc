#include "cli/interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace tarn::cli {
namespace {

volatile std::sig_atomic_t received = 0;
std::int64_t received_at_ms = 0;
std::atomic<void (*)()> last_action = nullptr;
std::atomic<bool> asked_for_state = false;
std::array<int, 2> wake_pipe = {-1, -1};

std::int64_t now_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void on_signal(int signal) {
    // timeout(1) sends one signal to the process and the same to its group: that is not a second one.
    constexpr std::int64_t same_signal_ms = 100;
    if (received != 0) {
        if (now_ms() - received_at_ms < same_signal_ms) return;
        if (const auto action = last_action.load()) action();
        ::_exit(128 + signal);
    }
    received = signal;
    received_at_ms = now_ms();
    if (wake_pipe[1] >= 0) {
        const char byte = 0;
        [[maybe_unused]] const ssize_t n = ::write(wake_pipe[1], &byte, 1);
    }
}

void on_question(int) { asked_for_state = true; }

}  // namespace

void catch_interrupts() {
    if (wake_pipe[0] < 0 && ::pipe(wake_pipe.data()) != 0) wake_pipe = {-1, -1};
    struct sigaction action{};
    action.sa_handler = on_signal;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    struct sigaction question{};
    question.sa_handler = on_question;
    question.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR1, &question, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return received != 0; }

bool was_asked_for_state() { return asked_for_state.exchange(false); }

void before_abrupt_end(void (*action)()) { last_action = action; }

int wait_for_signal() {
    while (received == 0) {
        pollfd polled{wake_pipe[0], POLLIN, 0};
        if (::poll(&polled, 1, -1) < 0 && errno != EINTR) break;
    }
    return received;
}

}  // namespace tarn::cli
