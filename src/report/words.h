// Phrases that text and HTML share: what a run came to, in the same words wherever it is told.
#pragma once

#include <string>
#include <string_view>

#include "codec/json.h"

namespace tarn::report {

enum class Verdict { right, doubtful, wrong };  // green, amber, red

bool has_been_verified(const codec::Json& verify);
bool is_verified_equal(const codec::Json& verify);  // no difference, and every check held
// Whether the run is right, judged from its counts, state and verification.
Verdict verdict_of(const codec::Json& report);
// "it is right: …", the reason in half a sentence.
std::string reason_of(const codec::Json& report);
// "5,212 selected = 5,173 acknowledged + 0 skipped + 2 failed + 37 held + 0 unknown" (+ remaining when there
// is any).
std::string counts_line(const codec::Json& counts);
std::string count(const codec::Json& number);  // "10,020"
// "accounts@fix", else the target.
std::string destination_of(const codec::Json& document);
std::string duration_text(double seconds);
// The text of a terminal: control characters, which could steer it, become "·".
std::string printable(std::string_view text);

}  // namespace tarn::report
