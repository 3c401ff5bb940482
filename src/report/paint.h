// Colours of a terminal, or none.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

namespace tarn::report {

class Paint {
public:
    explicit Paint(bool colour) : colour_(colour) {}
    std::string bold(std::string_view text) const { return wrap("1", text); }
    std::string red(std::string_view text) const { return wrap("31", text); }
    std::string green(std::string_view text) const { return wrap("32", text); }
    std::string yellow(std::string_view text) const { return wrap("33", text); }
    std::string dim(std::string_view text) const { return wrap("2", text); }

private:
    std::string wrap(std::string_view code, std::string_view text) const {
        return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
    }
    bool colour_;
};

}  // namespace tarn::report
