// A pattern, a line feed, a document: compiled or refused, matched or not.
#include "codec/json.h"
#include "pattern/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t middle = text.find('\n');
    if (middle == std::string_view::npos) return 0;
    const auto pattern = tarn::pattern::Pattern::compile(text.substr(0, middle));
    const std::string_view document = text.substr(middle + 1);
    if (pattern && tarn::codec::validate_json(document)) (void)pattern->matches(document);
    return 0;
}
