// Case folding as Event Ruler does it, by code point instead of by UTF-16 unit (docs/reference/patterns.md).
//
// A code point of the pattern stands for two spellings: its full lower and its full upper case mapping (so
// "ß" for "ß" and "SS", "ı" for "ı" and "I"). That is no equivalence: "ſ" takes "S", but "S" does not take
// "ſ". For hashing and sorting there is a key, equal for all spellings that can stand for one another.
// Tables: Unicode Character Database 14.0 (fold_table.inc, written by tools/make-fold-table).
// Text is UTF-8; bytes that are not stand for themselves.
#pragma once

#include <string>
#include <string_view>

namespace tarn::pattern {

// Works piece by piece: fold_key(a + b) == fold_key(a) + fold_key(b) when cut between code points.
void append_fold_key(std::string& out, std::string_view text);
std::string fold_key(std::string_view text);

// Is `value`, or its beginning or end, a spelling of `pattern`? Each implies that the key of `pattern` is, or
// begins or ends, the key of `value`; the reverse holds when both are ASCII.
bool fold_equal(std::string_view pattern, std::string_view value);
bool fold_prefix(std::string_view pattern, std::string_view value);
bool fold_suffix(std::string_view pattern, std::string_view value);

}  // namespace tarn::pattern
