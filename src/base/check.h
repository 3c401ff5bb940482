// Checks of our own assumptions. TARN_CHECK is for broken programs, never for input: nothing a user can send
// may reach it.
#pragma once

namespace tarn {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}

#define TARN_CHECK(condition) \
    (static_cast<bool>(condition) ? void() : ::tarn::check_failed(#condition, __FILE__, __LINE__))
