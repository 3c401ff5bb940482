// What functions print, as lines: cut out of the bytes of one process, and the newest of a function kept.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace tarn::functions {

// One line that an instance printed; long ones are cut.
struct LogLine {
    Time at{};
    std::string function, instance;
    std::string request_id;  // of the invocation under way, "" between two
    std::string text;
    std::uint64_t number = 0;  // of the function, from 1; gaps are lines that are no longer kept
};

struct LogSelection {
    std::size_t limit = 200;  // the newest
    std::string request_id;   // "" = any
    std::uint64_t after = 0;  // lines above this number
};

// Of one process. A line is given when it has ended; its part beyond 8 KiB is dropped.
class LineBuffer {
public:
    using Take = std::function<void(std::string)>;
    void add(std::string_view bytes, const Take& take);
    void end(const Take& take);  // what has no line feed yet is a line too

private:
    std::string partial_;
};

// Of one function: the last 1,000.
class OutputLines {
public:
    const LogLine& add(LogLine line);                                  // gives it its number
    std::vector<LogLine> newest(const LogSelection& selection) const;  // oldest first
    std::string tail(std::size_t bytes) const;                         // the end of all text, in whole lines

private:
    std::deque<LogLine> lines_;
    std::uint64_t next_number_ = 1;
};

}  // namespace tarn::functions
