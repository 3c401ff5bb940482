// The language of wildcards: `*` is any text, also none; `\*` and `\\` are the characters themselves.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::pattern {

// The literal texts between the stars, as Test::parts has them. On failure the message is Event Ruler's.
std::expected<std::vector<std::string>, std::string> parse_wildcard(std::string_view text);

}  // namespace tarn::pattern
