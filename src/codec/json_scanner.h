// The strict scanner behind validate_json: RFC 8259 to the letter, without recursion, with the place and the
// expectation of the first error. It is the authority; simdjson is the fast way to a yes.
#pragma once

#include "codec/json.h"

namespace tarn::codec {

// As validate_json, without simdjson.
Result<JsonFacts> scan_json(std::string_view text, const JsonLimits& limits);

}  // namespace tarn::codec
