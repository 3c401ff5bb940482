#include "state/tolerance.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "codec/decimal.h"

namespace tarn::state {
namespace {

std::optional<double> number(std::string_view text) {
    double value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

// What decimals cannot say (exponents, too many digits) is compared as the nearest doubles.
bool are_within(std::string_view a, std::string_view b, std::string_view tolerance) {
    if (const auto difference = codec::decimal_sub(a, b)) {
        const std::string_view text = *difference;
        const auto order = codec::decimal_cmp(text.starts_with('-') ? text.substr(1) : text, tolerance);
        if (order) return *order <= 0;
    }
    const auto left = number(a), right = number(b), apart = number(tolerance);
    return left && right && apart && std::abs(*left - *right) <= *apart;
}

}  // namespace

Result<Tolerances> Tolerances::parse(const std::vector<std::string>& texts) {
    Tolerances tolerances;
    for (const std::string& text : texts) {
        const auto at = text.rfind('=');
        if (at == std::string::npos || at == 0)
            return fail(Code::bad_usage, fmt::format("tolerance \"{}\": expected COLUMN=NUMBER", text),
                        {.next = "for example --tolerance balance=0.01"});
        TARN_TRY(tolerances.set(text.substr(0, at), text.substr(at + 1)));
    }
    return tolerances;
}

Status Tolerances::set(const std::string& column, const std::string& number_text) {
    const auto value = number(number_text);
    if (!value || !std::isfinite(*value) || *value < 0)
        return fail(Code::bad_usage,
                    fmt::format("tolerance of {}: \"{}\" is not a number of at least 0", column, number_text),
                    {.next = fmt::format("for example --tolerance {}=0.01", column)});
    by_column_[column] = number_text;
    return {};
}

bool Tolerances::covers(std::string_view column, std::string_view a, std::string_view b) const {
    const auto found = by_column_.find(column);
    return found != by_column_.end() && are_within(a, b, found->second);
}

bool are_equal_numbers(std::string_view a, std::string_view b) { return are_within(a, b, "0"); }

}  // namespace tarn::state
