// A pattern, a line feed, a document: compiled or refused, matched or not, explained, whatever the bytes. On
// bytes that are not JSON the matcher's answer is some answer.
#include <cstdlib>

#include "codec/json.h"
#include "pattern/compile.h"
#include "pattern/explain.h"
#include "pattern/pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t most_explained = 2048;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t middle = text.find('\n');
    if (middle == std::string_view::npos) return 0;
    const auto pattern = tarn::pattern::Pattern::compile(text.substr(0, middle));
    if (!pattern) return 0;
    const std::string_view document = text.substr(middle + 1);
    const bool matches = pattern->matches(document);
    if (size > most_explained || !tarn::codec::validate_json(document)) return 0;
    const auto rule = tarn::pattern::compile_rule(text.substr(0, middle), {.max_alternatives = 32});
    if (rule && tarn::pattern::explain(*rule, document).matches != matches) std::abort();
    return 0;
}
