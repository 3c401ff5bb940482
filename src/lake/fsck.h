// Reads every object and compares what is there with what should be.
#pragma once

#include "lake/lake.h"

namespace tarn::lake {

Result<std::vector<Finding>> check_objects(catalog::Catalog& catalog, objects::ObjectStore& store);

}  // namespace tarn::lake
