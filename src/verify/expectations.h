// What somebody says must be so: the rows of SELECTs over the store or copy that a run wrote, over another
// store, or over the lake. The file's form: docs/reference/verify.md, "Expectation files".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "verify/checks.h"
#include "verify/differences.h"
#include "verify/json_comparison.h"

namespace tarn::verify {

// A value of a row as text, and whether it was written as a number. nullopt: NULL.
struct RowValue {
    std::optional<std::string> text;
    bool is_number = false;
    static RowValue of(const codec::Json& json);
};

struct Rows {
    std::vector<std::string> columns;
    std::vector<std::vector<RowValue>> rows;
};

struct Expectation {
    std::string name;
    std::string sql;
    std::string over;               // "lake", a store or copy; "" what the run wrote, else the lake
    std::vector<codec::Json> rows;  // lists by place, or objects by column
    std::vector<std::string> key;   // columns that make a row the one it is; empty: all without a tolerance
    Leniency leniency;
    bool is_ordered = false;
};

// bad_usage names the place: "expect[2].rows[0]".
Result<std::vector<Expectation>> parse_expectations(const codec::Json& file, const Leniency& leniency);

struct RowComparison {
    std::vector<state::Difference> differences;  // before: expected, after: found
    std::uint64_t rows_expected = 0, rows_found = 0;
};
// bad_usage when the expected rows do not fit the columns.
Result<RowComparison> compare_rows(const Expectation& expectation, const Rows& found);

Result<std::vector<Check>> check_expectations(const Subject& subject,
                                              const std::vector<Expectation>& expectations,
                                              Differences& differences);

}  // namespace tarn::verify
