// What an answer says about when to come again.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "net/http.h"

namespace tarn::net {

// Of Retry-After, in seconds or as a date: microseconds from now, at most an hour; nullopt when it is not
// there or cannot be read.
std::optional<std::int64_t> retry_after_us(const Headers& headers, Time now);

}  // namespace tarn::net
