// What a replay may do with a function, or with events of a type: `replay: safe | ask | never`.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tarn::event {

enum class ReplayMark : std::uint8_t { safe, ask, never };  // later is stricter
std::string_view replay_mark_name(ReplayMark mark);
Result<ReplayMark> parse_replay_mark(std::string_view text);  // bad_config

}  // namespace tarn::event
