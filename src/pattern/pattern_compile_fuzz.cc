// Any bytes as a pattern: compiled or refused, never more; the lint agrees about which, and each test written
// out again is the same test.
#include <cstdlib>

#include "codec/json.h"
#include "pattern/compile.h"
#include "pattern/test_text.h"

namespace {

using namespace tarn::pattern;

void check_text(const Test& test) {
    const auto again = compile_rule("{\"a\":[" + test_text(test) + "]}");
    if (!again) std::abort();
    if (test_text(again->alternatives.front().fields.front().tests.front()) != test_text(test)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto rule = compile_rule(text);
    if (rule.has_value() != lint(text).has_value()) std::abort();
    if (!rule) return 0;
    if (rule->alternatives.empty()) std::abort();
    for (const auto& alternative : rule->alternatives)
        for (const auto& field : alternative.fields)
            for (const auto& test : field.tests) check_text(test);
    return 0;
}
