// What a person can do about an SQL error, where the engine's own message leads astray.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::query {

struct StreamTypes {
    std::string name;
    std::vector<std::string> types;  // of its events; some may be missing
};

// Adds the next step to an error of the engine. A typed table (contract, "SQL") that would be there, were
// typed tables built, becomes not_built. `streams` is asked only when a table is unknown.
Error with_sql_hint(Error error, std::string_view sql,
                    const std::function<std::vector<StreamTypes>()>& streams);

// The table of an event type: its name made a plain identifier, "com.example-order" → "com_example_order".
std::string table_of_type(std::string_view type);

}  // namespace tarn::query
