// Where the log's own counting begins, as the catalog knows it from what was rolled.
#pragma once

#include "catalog/catalog.h"
#include "log/log.h"

namespace tarn::lake {

// Reads the catalog now; older_origin asks it later: `catalog` must outlive the log that gets this.
Result<log::Baseline> baseline_of(catalog::Catalog& catalog);

// The answer a producer got, as it is kept in the catalog once its record has left the log.
codec::Json answer_json(const log::Appended& answer);
// With repeated set, and origin_sequence and origin_tag from the record.
log::Appended answer_of(const catalog::OriginRecord& record);

}  // namespace tarn::lake
