#include "cli/terminal_keys.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "cli/interrupt.h"

namespace tarn::cli {
namespace {

termios before{};

// Also called from a signal handler: tcsetattr may be.
void restore() { ::tcsetattr(STDIN_FILENO, TCSANOW, &before); }

}  // namespace

TerminalKeys::TerminalKeys() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return;
    // In the background it would be stopped for touching the terminal.
    if (::tcgetpgrp(STDIN_FILENO) != ::getpgrp() || ::tcgetattr(STDIN_FILENO, &before) != 0) return;
    termios raw = before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    before_abrupt_end(restore);
    is_raw_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

TerminalKeys::~TerminalKeys() {
    before_abrupt_end(nullptr);
    if (is_raw_) restore();
}

std::optional<char> TerminalKeys::next() {
    if (!is_raw_) return std::nullopt;
    pollfd polled{STDIN_FILENO, POLLIN, 0};
    char key = 0;
    if (::poll(&polled, 1, 0) <= 0 || ::read(STDIN_FILENO, &key, 1) != 1) return std::nullopt;
    return key;
}

}  // namespace tarn::cli
