// Comparing the user tables of two databases, row by row in key order. Memory stays bounded by a row and the
// answer.
#pragma once

#include "sqlite/sqlite.h"
#include "state/causes.h"
#include "state/state.h"

namespace tarn::state {

// Reads both in one transaction each. Tarn's own tables (tarn_…) are not compared; a copy's notes, and how
// the two sides came to be, name causing events.
Result<DiffResult> diff_databases(sqlite::Database& before, sqlite::Database& after,
                                  const DiffOptions& options, const MatchesAny& matches);

}  // namespace tarn::state
