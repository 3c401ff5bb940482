// A function does not say which events made a row what it is. Where a row's primary key is the key of events,
// the events of the run with that key are the candidates.
#pragma once

#include <vector>

#include "verify/checks.h"

namespace tarn::verify {

// Adds the last acknowledged events of the same key, oldest first, to differences that name none. Reads the
// run's entries once, and of the lake only the events that are named.
Status name_candidates(const Subject& subject, std::vector<state::Difference>& differences);

}  // namespace tarn::verify
