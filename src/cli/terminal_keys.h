// Single keys from the terminal while a command watches something. The terminal is as it was afterwards,
// however the command ends, short of kill -9.
#pragma once

#include <optional>

namespace tarn::cli {

// Only where both standard input and standard error are the terminal and this process is in its foreground;
// else it does nothing. Ctrl-C stays a signal. One at a time.
class TerminalKeys {
public:
    TerminalKeys();
    ~TerminalKeys();
    TerminalKeys(const TerminalKeys&) = delete;
    TerminalKeys& operator=(const TerminalKeys&) = delete;
    bool are_heard() const { return is_raw_; }
    std::optional<char> next();  // nullopt when none was pressed

private:
    bool is_raw_ = false;
};

}  // namespace tarn::cli
