// Members of a request, read strictly: a misspelt or mistyped one must not be dropped, since what it was
// meant to limit would then be done without the limit.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"

namespace tarn::replay {

Failure bad_request(std::string message);

Status check_request_keys(const codec::Json& json, const std::vector<std::string>& known);
// What is absent or null stays as it is.
Status read_text(const codec::Json& json, std::string_view key, std::string& into);
Status read_text(const codec::Json& json, std::string_view key, std::optional<std::string>& into);
Status read_flag(const codec::Json& json, std::string_view key, bool& into);
Status read_texts(const codec::Json& json, std::string_view key, std::vector<std::string>& into);
Status read_texts(const codec::Json& json, std::string_view key,
                  std::optional<std::vector<std::string>>& into);

}  // namespace tarn::replay
