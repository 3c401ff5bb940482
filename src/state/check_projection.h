// Whether a projection's SQL would be accepted, without a store: so that a mistake is found when the
// projection is declared, not at its first event.
#pragma once

#include <vector>

#include "state/state.h"

namespace tarn::state {

// Runs the schema and prepares patterns and statements on a scratch database in memory, under the rules of
// real feeding (sql_rules.h). `others`: the store's other projections, whose tables may be used.
// projection_sql with the statement, the line and column in its SQL, and why.
Status check_projection(const ProjectionSpec& spec, const std::vector<ProjectionSpec>& others = {});

}  // namespace tarn::state
