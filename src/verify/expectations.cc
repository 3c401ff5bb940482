#include "verify/expectations.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"

namespace tarn::verify {
namespace {

using codec::Json;

constexpr std::size_t max_rows = 100'000;
const std::vector<std::string> known_keys = {"name", "expect", "over",      "rows",
                                             "key",  "ignore", "tolerance", "ordered"};

Failure bad(const std::string& place, std::string_view what, std::string next = "") {
    return fail(Code::bad_usage, fmt::format("{}: {}", place, what), {.next = std::move(next)});
}

Status check_keys(const Json& item, const std::string& place) {
    if (!item.is_object())
        return bad(place, "expected a mapping", "- expect: SELECT …, and below it rows: [[…]]");
    for (const auto& [key, value] : item.members()) {
        if (std::ranges::find(known_keys, key) != known_keys.end()) continue;
        const std::string nearest = nearest_word(key, known_keys);
        return bad(place, fmt::format("unknown key {}", key),
                   nearest.empty() ? fmt::format("known here: {}", fmt::join(known_keys, ", "))
                                   : fmt::format("did you mean {}?", nearest));
    }
    if (item["expect"].as_string().empty()) return bad(place, "expect is missing", "expect: SELECT …");
    if (!item["rows"].is_array())
        return bad(place, "rows is missing", "rows: [] when the SELECT shall give none");
    return {};
}

Result<std::vector<std::string>> names(const Json& value, const std::string& place) {
    if (value.is_string()) return std::vector<std::string>{value.as_string()};
    std::vector<std::string> list;
    for (const Json& name : value.elements()) {
        if (!name.is_string()) return bad(place, "expected names of columns");
        list.push_back(name.as_string());
    }
    if (!value.is_null() && !value.is_array()) return bad(place, "expected names of columns");
    return list;
}

Status add_tolerances(const Json& value, const std::string& place, state::Tolerances& tolerances) {
    if (value.is_null()) return {};
    if (!value.is_object()) return bad(place, "expected columns with numbers", "tolerance: {balance: 0.01}");
    for (const auto& [column, number] : value.members()) TARN_TRY(tolerances.set(column, number.as_string()));
    return {};
}

Result<Expectation> parse_one(const Json& item, std::size_t number, const Leniency& leniency) {
    const std::string place = fmt::format("expect[{}]", number);
    TARN_TRY(check_keys(item, place));
    Expectation expectation{.name = item["name"].as_string(),
                            .sql = item["expect"].as_string(),
                            .over = item["over"].as_string(),
                            .rows = item["rows"].elements(),
                            .key = {},
                            .leniency = leniency,
                            .is_ordered = item["ordered"].as_bool()};
    if (expectation.name.empty()) expectation.name = fmt::format("number {}", number + 1);
    TARN_ASSIGN(expectation.key, names(item["key"], place + ".key"));
    TARN_ASSIGN(const auto ignored, names(item["ignore"], place + ".ignore"));
    expectation.leniency.ignored.insert(expectation.leniency.ignored.end(), ignored.begin(), ignored.end());
    TARN_TRY(add_tolerances(item["tolerance"], place + ".tolerance", expectation.leniency.tolerances));
    for (std::size_t i = 0; i < expectation.rows.size(); ++i)
        if (!expectation.rows[i].is_array() && !expectation.rows[i].is_object())
            return bad(fmt::format("{}.rows[{}]", place, i), "expected a list or a mapping",
                       "a row of one column is [38]");
    return expectation;
}

Rows rows_of(state::QueryAnswer answer) {
    Rows found{std::move(answer.columns), {}};
    for (const auto& row : answer.rows) {
        auto& values = found.rows.emplace_back();
        for (const Json& cell : row) values.push_back(RowValue::of(cell));
    }
    return found;
}

// What the SELECT gives, or why it cannot be known whole.
struct Asked {
    Rows rows;
    std::string incomplete;
};

Result<Asked> ask_store(const Subject& subject, const std::string& store, const std::string& sql) {
    TARN_ASSIGN(auto answer, subject.state.query(store, sql, {.max_rows = max_rows}));
    std::string why = answer.complete ? "" : answer.why;
    return Asked{rows_of(std::move(answer)), std::move(why)};
}

Result<Asked> ask_lake(const Subject& subject, const std::string& sql) {
    Asked asked;
    std::vector<bool> is_number;
    query::QuerySink sink;
    sink.columns = [&](const std::vector<query::QueryColumn>& columns) {
        for (const auto& column : columns) {
            asked.rows.columns.push_back(column.name);
            is_number.push_back(column.is_number);
        }
        return Status();
    };
    sink.row = [&](const std::vector<std::optional<std::string>>& row) -> Status {
        if (asked.rows.rows.size() == max_rows)
            return fail(Code::bad_usage,
                        fmt::format("the SELECT gives more than {} rows", format_count(max_rows)),
                        {.next = "aggregate, or narrow it"});
        auto& values = asked.rows.rows.emplace_back();
        for (std::size_t i = 0; i < row.size(); ++i) values.push_back({row[i], is_number[i]});
        return {};
    };
    TARN_ASSIGN(const auto summary, subject.query.run(sql, {}, sink));
    if (!summary.complete) asked.incomplete = summary.why;
    return asked;
}

Result<Asked> ask(const Subject& subject, const Expectation& expectation) {
    const std::string over = expectation.over.empty() ? subject.store() : expectation.over;
    if (over.empty() || over == "lake") return ask_lake(subject, expectation.sql);
    return ask_store(subject, over, expectation.sql);
}

}  // namespace

RowValue RowValue::of(const Json& json) {
    switch (json.type()) {
        case codec::JsonType::null:
            return {};
        case codec::JsonType::number:
            return {json.as_string(), true};
        case codec::JsonType::string:
            return {json.as_string(), false};
        default:
            return {json.dump(), false};
    }
}

Result<std::vector<Expectation>> parse_expectations(const Json& file, const Leniency& leniency) {
    if (!file.is_array())
        return bad("the file", "expected a list of expectations",
                   "- expect: SELECT count(*) FROM t\n  rows: [[38]]");
    std::vector<Expectation> expectations;
    for (const Json& item : file.elements()) {
        TARN_ASSIGN(Expectation expectation, parse_one(item, expectations.size(), leniency));
        expectations.push_back(std::move(expectation));
    }
    if (expectations.empty()) return bad("the file", "it expects nothing");
    return expectations;
}

Result<std::vector<Check>> check_expectations(const Subject& subject,
                                              const std::vector<Expectation>& expectations,
                                              Differences& differences) {
    std::vector<Check> checks;
    for (const Expectation& expectation : expectations) {
        auto asked = ask(subject, expectation);
        if (!asked) {
            asked.error().message =
                fmt::format("expectation {}: {}", expectation.name, asked.error().message);
            return fail(std::move(asked.error()));
        }
        TARN_ASSIGN(RowComparison comparison, compare_rows(expectation, asked->rows));
        const std::uint64_t total = comparison.differences.size();
        Check check{.name = "expect", .ok = total == 0 && asked->incomplete.empty(), .detail = {}};
        check.counts = Json::object()
                           .set("rows_expected", comparison.rows_expected)
                           .set("rows_found", comparison.rows_found)
                           .set("differences", total);
        check.detail = total == 0 ? fmt::format("{}: {} rows, as expected", expectation.name,
                                                format_count(comparison.rows_found))
                                  : fmt::format("{}: {} rows expected, {} found, {} differences",
                                                expectation.name, format_count(comparison.rows_expected),
                                                format_count(comparison.rows_found), format_count(total));
        if (!asked->incomplete.empty()) check.detail += "; the answer is not whole: " + asked->incomplete;
        checks.push_back(std::move(check));
        differences.add_all(std::move(comparison.differences), total);
    }
    return checks;
}

}  // namespace tarn::verify
