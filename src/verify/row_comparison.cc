// Expected rows against those found. Rows are grouped by their key; of a group each expected row takes the
// first found one that fits it, and what is left over is told apart column by column.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "verify/expectations.h"

namespace tarn::verify {
namespace {

using codec::Json;
using Row = std::vector<RowValue>;
using Index = std::vector<std::size_t>;

constexpr std::size_t max_tried = 2000;  // rows of a group that are tried one against each other

// 1.50, +1.5 and 1.5 as one text; what is no plain decimal as it is.
std::string canonical(const RowValue& value) {
    if (!value.text) return "\x01";
    std::string_view text = *value.text;
    const std::string_view digits = text.substr(text.starts_with('-') || text.starts_with('+') ? 1 : 0);
    if (digits.empty() || digits.find_first_not_of("0123456789.") != std::string_view::npos ||
        std::ranges::count(digits, '.') > 1)
        return *value.text;
    std::string plain(digits.substr(std::min(digits.find_first_not_of('0'), digits.size())));
    if (plain.find('.') != std::string::npos) {
        plain.erase(plain.find_last_not_of('0') + 1);
        if (plain.ends_with('.')) plain.pop_back();
    }
    return (text.starts_with('-') ? "-" : "") + plain;
}

class Comparison {
public:
    Comparison(const Expectation& expectation, const Rows& found)
        : expectation_(expectation), found_(found) {}

    Result<RowComparison> run() {
        TARN_TRY(choose_columns());
        TARN_TRY(read_expected());
        if (expectation_.is_ordered)
            compare_in_order();
        else
            compare_by_key();
        result_.rows_expected = expected_.size();
        result_.rows_found = found_.rows.size();
        return std::move(result_);
    }

private:
    Failure bad(std::string_view what) const {
        return fail(Code::bad_usage, fmt::format("expectation {}: {}", expectation_.name, what),
                    {.next = fmt::format("its SELECT gives: {}", fmt::join(found_.columns, ", "))});
    }

    Result<std::size_t> column(const std::string& name) const {
        const auto at = std::ranges::find(found_.columns, name);
        if (at == found_.columns.end()) return bad(fmt::format("there is no column {}", name));
        return static_cast<std::size_t>(at - found_.columns.begin());
    }

    Status choose_columns() {
        for (std::size_t i = 0; i < found_.columns.size(); ++i)
            if (!expectation_.leniency.ignores(found_.columns[i])) compared_.push_back(i);
        for (const std::string& name : expectation_.key) {
            TARN_ASSIGN(const std::size_t at, column(name));
            key_.push_back(at);
        }
        if (!key_.empty()) return {};
        for (const std::size_t i : compared_)
            if (!expectation_.leniency.tolerances.has(found_.columns[i])) key_.push_back(i);
        return {};
    }

    Status read_expected() {
        for (const Json& row : expectation_.rows) {
            if (row.is_array()) {
                TARN_TRY(read_list(row));
            } else {
                TARN_TRY(read_object(row));
            }
        }
        return {};
    }

    Status read_list(const Json& row) {
        if (row.size() != found_.columns.size())
            return bad(fmt::format("row {} has {} values", expected_.size() + 1, row.size()));
        Row& values = expected_.emplace_back();
        for (const Json& value : row.elements()) values.push_back(RowValue::of(value));
        return {};
    }

    Status read_object(const Json& row) {
        Row& values = expected_.emplace_back(found_.columns.size());
        for (const auto& [name, value] : row.members()) {
            TARN_ASSIGN(const std::size_t at, column(name));
            values[at] = RowValue::of(value);
        }
        for (const std::size_t i : compared_)
            if (!row.has(found_.columns[i]))
                return bad(
                    fmt::format("row {} does not name column {}", expected_.size(), found_.columns[i]));
        return {};
    }

    bool is_same(std::size_t column, const RowValue& expected, const RowValue& found) const {
        if (!expected.text || !found.text) return !expected.text && !found.text;
        if (*expected.text == *found.text) return true;
        if (expected.is_number && state::are_equal_numbers(*expected.text, *found.text)) return true;
        return expectation_.leniency.covers(found_.columns[column], *expected.text, *found.text);
    }

    bool fits(const Row& expected, const Row& found) const {
        return std::ranges::all_of(compared_,
                                   [&](std::size_t i) { return is_same(i, expected[i], found[i]); });
    }

    std::string text_of_key(const Row& row) const {
        std::string text;
        for (const std::size_t i : key_) text += (text.empty() ? "" : ", ") + row[i].text.value_or("NULL");
        return text;
    }

    std::string json_of(const Row& row) const {
        Json json = Json::object();
        for (const std::size_t i : compared_) {
            const RowValue& value = row[i];
            json.set(found_.columns[i], !value.text       ? Json()
                                        : value.is_number ? Json::number_text(*value.text)
                                                          : Json(*value.text));
        }
        return json.dump();
    }

    void tell_columns(const std::string& key, const Row& expected, const Row& found) {
        for (const std::size_t i : compared_)
            if (!is_same(i, expected[i], found[i]))
                result_.differences.push_back({.table = expectation_.name,
                                               .key = key,
                                               .column = found_.columns[i],
                                               .before = expected[i].text,
                                               .after = found[i].text,
                                               .events = {}});
    }

    void tell_row(const std::string& key, const Row& row, bool is_expected) {
        state::Difference difference{expectation_.name, key, "", {}, {}, {}};
        (is_expected ? difference.before : difference.after) = json_of(row);
        result_.differences.push_back(std::move(difference));
    }

    void compare_in_order() {
        const std::size_t both = std::min(expected_.size(), found_.rows.size());
        for (std::size_t i = 0; i < both; ++i)
            tell_columns(fmt::format("row {}", i + 1), expected_[i], found_.rows[i]);
        for (std::size_t i = both; i < expected_.size(); ++i)
            tell_row(fmt::format("row {}", i + 1), expected_[i], true);
        for (std::size_t i = both; i < found_.rows.size(); ++i)
            tell_row(fmt::format("row {}", i + 1), found_.rows[i], false);
    }

    void compare_by_key() {
        std::map<std::string, std::pair<Index, Index>> groups;
        const auto group_of = [&](const Row& row) -> auto& {
            std::string key;
            for (const std::size_t i : key_) key += canonical(row[i]) + '\0';
            return groups[key];
        };
        for (std::size_t i = 0; i < expected_.size(); ++i) group_of(expected_[i]).first.push_back(i);
        for (std::size_t i = 0; i < found_.rows.size(); ++i) group_of(found_.rows[i]).second.push_back(i);
        Index missing, unexpected;
        for (auto& [key, group] : groups) compare_group(group.first, group.second, missing, unexpected);
        // A single row on each side that fits nothing else is the same row with other values.
        if (expectation_.key.empty() && missing.size() == 1 && unexpected.size() == 1)
            return tell_columns("", expected_[missing.front()], found_.rows[unexpected.front()]);
        for (const std::size_t i : missing) tell_row(key_if_given(expected_[i]), expected_[i], true);
        for (const std::size_t i : unexpected) tell_row(key_if_given(found_.rows[i]), found_.rows[i], false);
    }

    std::string key_if_given(const Row& row) const {
        return expectation_.key.empty() ? "" : text_of_key(row);
    }

    void compare_group(Index expected, Index found, Index& missing, Index& unexpected) {
        take_fitting(expected, found);
        const std::size_t both = std::min(expected.size(), found.size());
        for (std::size_t i = 0; i < both; ++i)
            tell_columns(text_of_key(expected_[expected[i]]), expected_[expected[i]], found_.rows[found[i]]);
        missing.insert(missing.end(), expected.begin() + static_cast<std::ptrdiff_t>(both), expected.end());
        unexpected.insert(unexpected.end(), found.begin() + static_cast<std::ptrdiff_t>(both), found.end());
    }

    // Rows alike stand next to each other already when there are too many to try.
    void take_fitting(Index& expected, Index& found) const {
        Index left;
        std::size_t at = 0;
        for (const std::size_t row : expected) {
            const std::size_t end = std::min(found.size(), at + max_tried);
            std::size_t fit = at;
            while (fit < end && !fits(expected_[row], found_.rows[found[fit]])) ++fit;
            if (fit == end) {
                left.push_back(row);
                continue;
            }
            std::rotate(found.begin() + static_cast<std::ptrdiff_t>(at),
                        found.begin() + static_cast<std::ptrdiff_t>(fit),
                        found.begin() + static_cast<std::ptrdiff_t>(fit) + 1);
            ++at;
        }
        found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(at));
        expected = std::move(left);
    }

    const Expectation& expectation_;
    const Rows& found_;
    Index compared_, key_;
    std::vector<Row> expected_;
    RowComparison result_;
};

}  // namespace

Result<RowComparison> compare_rows(const Expectation& expectation, const Rows& found) {
    return Comparison(expectation, found).run();
}

}  // namespace tarn::verify
