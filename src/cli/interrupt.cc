#include "cli/interrupt.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace tarn::cli {
namespace {

volatile std::sig_atomic_t received = 0;
std::array<int, 2> wake_pipe = {-1, -1};

void on_signal(int signal) {
    if (received != 0 && signal == SIGINT) ::_exit(130);
    received = signal;
    if (wake_pipe[1] >= 0) {
        const char byte = 0;
        [[maybe_unused]] const ssize_t n = ::write(wake_pipe[1], &byte, 1);
    }
}

}  // namespace

void catch_interrupts() {
    if (wake_pipe[0] < 0 && ::pipe(wake_pipe.data()) != 0) wake_pipe = {-1, -1};
    struct sigaction action{};
    action.sa_handler = on_signal;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return received != 0; }

int wait_for_signal() {
    while (received == 0) {
        pollfd polled{wake_pipe[0], POLLIN, 0};
        if (::poll(&polled, 1, -1) < 0 && errno != EINTR) break;
    }
    return received;
}

}  // namespace tarn::cli
