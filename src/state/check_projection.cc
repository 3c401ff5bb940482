#include "state/check_projection.h"

#include <fmt/core.h>

#include "state/feeder.h"

namespace tarn::state {

Status check_projection(const ProjectionSpec& spec, const std::vector<ProjectionSpec>& others) {
    TARN_ASSIGN(auto scratch, open_store_file(":memory:"));
    for (const auto& other : others)
        TARN_TRY(run_schema(scratch, other.schema, fmt::format("projection {}, schema", other.name)));
    TARN_TRY(run_schema(scratch, spec.schema, fmt::format("projection {}, schema", spec.name)));
    TARN_TRY(add_feeder(scratch, spec, StreamId{}));
    TARN_ASSIGN(const auto feeder, Feeder::open(scratch, spec, FeedOrder::ascending));
    return {};
}

}  // namespace tarn::state
