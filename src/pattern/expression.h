// One value of a field's list: a scalar, or a match expression such as {"prefix": "a"}.
#pragma once

#include <string_view>

#include "pattern/rule.h"
#include "pattern/source.h"

namespace tarn::pattern {

Result<Test> compile_value(Source& source, std::string_view raw);

// ---- parts of it, each in its own file

// `terms` is the value of "numeric".
Result<Test> compile_numeric(Source& source, std::string_view terms);
// `value` is that of "anything-but"; reads all of it.
Result<Test> compile_anything_but(Source& source, std::string_view value);
// One wildcard; `raw` is a JSON string.
Result<Test> compile_wildcard(const Source& source, std::string_view raw);
// A comparable number, as a test for it.
Result<Test> compile_number(Source& source, std::string_view raw);
// A test of the text of a JSON string: prefix, suffix, text, or their ignoring case.
Test text_test(Test::Kind kind, std::string text);

}  // namespace tarn::pattern
