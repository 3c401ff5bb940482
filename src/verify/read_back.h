// Asks a service, event by event, for what it holds, and compares the answer with what was captured.
#pragma once

#include <string>

#include "verify/checks.h"
#include "verify/differences.h"
#include "verify/verify.h"

namespace tarn::verify {

// `url` holds {id}, {position} or {key}; with {key} alone the last acknowledged event of each key is what the
// service should hold (memory grows with the keys then). An answer is right when its bytes are the payload,
// the data or the document that was sent, or when it is the same JSON. bad_usage for a URL that cannot be
// meant.
Result<Check> check_read_back(const Parts& parts, const Subject& subject, const std::string& url,
                              const Leniency& leniency, Differences& differences);

}  // namespace tarn::verify
