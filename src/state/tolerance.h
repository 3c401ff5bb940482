// How far two values of a column may lie apart and still count as equal: "balance=0.01".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::state {

class Tolerances {
public:
    Tolerances() = default;
    // Each "COLUMN=NUMBER", the number not negative; bad_usage.
    static Result<Tolerances> parse(const std::vector<std::string>& texts);
    Status set(const std::string& column, const std::string& number);

    bool empty() const { return by_column_.empty(); }
    bool has(std::string_view column) const { return by_column_.contains(column); }
    // Whether both are numbers that lie no farther apart than the column's tolerance. Exact for decimals of
    // up to 38 digits.
    bool covers(std::string_view column, std::string_view a, std::string_view b) const;

private:
    std::map<std::string, std::string, std::less<>> by_column_;
};

// Whether both texts are numbers, and the same one: 1.50 and 1.5.
bool are_equal_numbers(std::string_view a, std::string_view b);

}  // namespace tarn::state
