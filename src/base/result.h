// Result<T>: a value or an Error. Return it or handle it; never log and continue.
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace tarn {

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;
using Failure = std::unexpected<Error>;

inline Failure fail(Error error) { return Failure(std::move(error)); }
inline Failure fail(Code code, std::string message, ErrorParts parts = {}) {
    return Failure(make_error(code, std::move(message), std::move(parts)));
}

}  // namespace tarn

#define TARN_CONCAT_INNER(a, b) a##b
#define TARN_CONCAT(a, b) TARN_CONCAT_INNER(a, b)

// TARN_TRY(expression): returns the error of a Status or Result, drops its value.
#define TARN_TRY(expression)                                         \
    do {                                                             \
        if (auto&& tarn_try_result = (expression); !tarn_try_result) \
            return ::tarn::fail(std::move(tarn_try_result.error())); \
    } while (false)

// TARN_ASSIGN(auto x, expression): declares or assigns x, or returns the error.
#define TARN_ASSIGN(target, expression) \
    TARN_ASSIGN_INNER(TARN_CONCAT(tarn_result_, __LINE__), target, expression)
#define TARN_ASSIGN_INNER(temporary, target, expression)               \
    auto&& temporary = (expression);                                   \
    if (!temporary) return ::tarn::fail(std::move(temporary.error())); \
    target = std::move(*temporary)
