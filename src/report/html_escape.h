// Text for an HTML page. Everything that comes from data goes through here; nothing else may write data into
// the page.
#pragma once

#include <string>
#include <string_view>

namespace tarn::report {

// For element content and quoted attributes. Bytes that are not UTF-8, and control characters, become U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace tarn::report
