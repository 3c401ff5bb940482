// Selections with a name: documents of kind "selection" in the catalog. A plan that uses one freezes what it
// says at that moment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "replay/plan.h"

namespace tarn::replay {

// The document {selection, created, request}. bad_selection when the request selects nothing, cannot be read
// (pattern, condition, stream), or would contain itself. Takes the place of an earlier one of that name.
Result<codec::Json> save_selection(catalog::Catalog& catalog, const std::string& name,
                                   const SelectionRequest& request, Time now);
// unknown_selection names the nearest.
Result<codec::Json> show_selection(catalog::Catalog& catalog, std::string_view name);
Result<SelectionRequest> saved_selection(catalog::Catalog& catalog, std::string_view name);
Result<std::vector<codec::Json>> saved_selections(catalog::Catalog& catalog);  // newest first
// bad_selection when another one uses it.
Status delete_selection(catalog::Catalog& catalog, std::string_view name);

}  // namespace tarn::replay
