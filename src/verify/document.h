// The document of a verification: docs/reference/verify.schema.json.
#pragma once

#include <vector>

#include "codec/json.h"
#include "verify/checks.h"
#include "verify/differences.h"

namespace tarn::verify {

codec::Json document_of(const std::vector<Check>& checks, const Differences& differences);

}  // namespace tarn::verify
