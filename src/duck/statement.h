// Which SQL texts may reach the engine at all, judged by their first word. The engine's own parser then
// counts and types the statements (engine.cc): both must agree before anything runs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::duck {

struct Statement {
    bool explain = false;
    std::string select;  // the text without EXPLAIN
};

// Takes SELECT, WITH, FROM, VALUES and TABLE, also in parentheses and after comments, and EXPLAIN before any
// of them. EXPLAIN ANALYZE runs its statement and is refused, whatever it explains. sql_not_select names the
// word that stood there.
Result<Statement> read_statement(std::string_view sql);

}  // namespace tarn::duck
