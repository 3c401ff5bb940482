// RFC 4648 base64 with padding. Strict: no white space, no missing padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tarn::codec {

std::string base64_encode(std::string_view bytes);
void append_base64(std::string& out, std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace tarn::codec
