// Which streams a SQL text can touch, found by their names in it. It may find too many (a name inside a
// string), never too few: a stream that is not found is not there for the query.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarn::query {

// True when `name` stands in `lower_case_sql` with no letter, digit or underscore beside it.
bool mentions(std::string_view lower_case_sql, std::string_view name);
std::string lower_case(std::string_view text);
// True when the text asks the engine what tables there are, so that all streams must be there.
bool lists_tables(std::string_view lower_case_sql);

}  // namespace tarn::query
