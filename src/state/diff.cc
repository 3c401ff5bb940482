#include "state/diff.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "state/damage.h"
#include "state/state_impl.h"
#include "state/table_reader.h"

namespace tarn::state {
namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// What of one table is compared with what.
struct Comparison {
    std::string table;
    Names key;
    Names columns;            // read as values on both sides, in the same order
    bool key_is_row = false;  // no common primary key: the whole row is its key
    bool before_rowid = true, after_rowid = true;
};

Names without(const Names& names, const Names& dropped) {
    Names kept;
    for (const auto& name : names)
        if (!contains(dropped, name)) kept.push_back(name);
    return kept;
}

Names common(const Names& a, const Names& b) {
    Names both;
    for (const auto& name : a)
        if (contains(b, name)) both.push_back(name);
    return both;
}

class Differ {
public:
    Differ(sqlite::Database& before, sqlite::Database& after, const DiffOptions& options,
           const MatchesAny& matches)
        : before_(before),
          after_(after),
          options_(options),
          before_causes_(before, before_foldings_, after_foldings_, matches),
          after_causes_(after, after_foldings_, before_foldings_, matches) {}

    Result<DiffResult> run() {
        TARN_ASSIGN(before_foldings_, Foldings::read(before_));
        TARN_ASSIGN(after_foldings_, Foldings::read(after_));
        TARN_TRY(before_causes_.prepare());
        TARN_TRY(after_causes_.prepare());
        TARN_ASSIGN(const auto left, read_tables(before_));
        TARN_ASSIGN(const auto right, read_tables(after_));
        std::set<std::string> names;
        for (const auto& [name, shape] : left) names.insert(name);
        for (const auto& [name, shape] : right) names.insert(name);
        for (const auto& name : names) {
            const auto l = left.find(name), r = right.find(name);
            if (l != left.end() && r != right.end()) {
                TARN_TRY(compare_table(name, l->second, r->second));
            } else if (l != left.end()) {
                TARN_TRY(report_table(before_, name, l->second, true));
            } else {
                TARN_TRY(report_table(after_, name, r->second, false));
            }
        }
        result_.events_note = inexact_ ? "candidate" : "exact";
        return std::move(result_);
    }

private:
    Status compare_table(const std::string& name, const TableShape& left, const TableShape& right) {
        Comparison what{name, {}, {}, false, left.has_rowid, right.has_rowid};
        const Names shared = without(common(right.columns, left.columns), options_.ignore_columns);
        what.key = right.key;
        what.key_is_row = right.key.empty() || right.key != left.key;
        if (what.key_is_row) what.key = shared;
        if (!what.key_is_row) what.columns = without(shared, what.key);
        TARN_TRY(report_columns(name, left, right));
        return merge(what);
    }

    // A column that only one side has is one difference, not one a row.
    Status report_columns(const std::string& name, const TableShape& left, const TableShape& right) {
        const auto report = [&](const Names& columns, const Names& others, bool is_before) {
            for (const auto& column : without(without(columns, others), options_.ignore_columns)) {
                Difference difference{name, "", column, {}, {}, {}};
                (is_before ? difference.before : difference.after) = "(the column is there)";
                add(std::move(difference));
            }
        };
        report(left.columns, right.columns, true);
        report(right.columns, left.columns, false);
        return {};
    }

    Status merge(const Comparison& what) {
        TARN_ASSIGN(auto left,
                    TableReader::open(before_, what.table, what.key, what.columns, what.before_rowid));
        TARN_ASSIGN(auto right,
                    TableReader::open(after_, what.table, what.key, what.columns, what.after_rowid));
        TARN_ASSIGN(bool more_left, left.next());
        TARN_ASSIGN(bool more_right, right.next());
        while (more_left || more_right) {
            int order = 0;
            if (!more_left)
                order = 1;
            else if (!more_right)
                order = -1;
            else
                order = compare_keys(left.row().key, right.row().key);
            result_.rows_compared++;
            if (order < 0) TARN_TRY(report_missing(what, left.row(), true));
            if (order > 0) TARN_TRY(report_missing(what, right.row(), false));
            if (order == 0) TARN_TRY(compare_rows(what, left.row(), right.row()));
            if (order <= 0) {
                TARN_ASSIGN(more_left, left.next());
            }
            if (order >= 0) {
                TARN_ASSIGN(more_right, right.next());
            }
        }
        return {};
    }

    Status compare_rows(const Comparison& what, const TableRow& left, const TableRow& right) {
        std::optional<Names> events;
        for (std::size_t i = 0; i < what.columns.size(); i++) {
            auto before = cell_text(left.values[i]), after = cell_text(right.values[i]);
            if (before == after && left.values[i].index() == right.values[i].index()) continue;
            if (before == after && is_number(left.values[i]) && is_number(right.values[i])) continue;
            if (before && after && options_.tolerances.covers(what.columns[i], *before, *after)) continue;
            if (is_full()) {
                result_.total++;
                continue;
            }
            if (!events) {
                TARN_ASSIGN(events, events_of(what.table, left.rowid, right.rowid));
            }
            add({what.table, key_text(what, right), what.columns[i], std::move(before), std::move(after),
                 *events});
        }
        return {};
    }

    static bool is_number(const Cell& cell) { return cell.index() == 1 || cell.index() == 2; }

    Status report_missing(const Comparison& what, const TableRow& row, bool is_before) {
        if (is_full()) {
            result_.total++;
            return {};
        }
        Difference difference{what.table, key_text(what, row), "", {}, {}, {}};
        (is_before ? difference.before : difference.after) = row_json(what, row);
        TARN_ASSIGN(difference.events,
                    events_of(what.table, is_before ? row.rowid : 0, is_before ? 0 : row.rowid));
        add(std::move(difference));
        return {};
    }

    // The whole table is on one side only.
    Status report_table(sqlite::Database& database, const std::string& name, const TableShape& shape,
                        bool is_before) {
        Comparison what{name, shape.key, {}, shape.key.empty(), shape.has_rowid, shape.has_rowid};
        const auto compared = without(shape.columns, options_.ignore_columns);
        if (what.key_is_row) what.key = compared;
        if (!what.key_is_row) what.columns = without(compared, what.key);
        TARN_ASSIGN(auto reader, TableReader::open(database, name, what.key, what.columns, shape.has_rowid));
        while (true) {
            TARN_ASSIGN(const bool more, reader.next());
            if (!more) return {};
            result_.rows_compared++;
            TARN_TRY(report_missing(what, reader.row(), is_before));
        }
    }

    bool is_full() const { return result_.differences.size() >= options_.limit; }

    void add(Difference difference) {
        result_.total++;
        if (!is_full()) result_.differences.push_back(std::move(difference));
    }

    static codec::Json cell_json(const Cell& cell) {
        const auto text = cell_text(cell);
        if (!text) return nullptr;
        if (cell.index() == 1) return codec::Json::number_text(*text);
        return *text;
    }

    static std::string row_json(const Comparison& what, const TableRow& row) {
        auto json = codec::Json::object();
        for (std::size_t i = 0; i < what.key.size(); i++) json.set(what.key[i], cell_json(row.key[i]));
        for (std::size_t i = 0; i < what.columns.size(); i++)
            json.set(what.columns[i], cell_json(row.values[i]));
        return json.dump();
    }

    static std::string key_text(const Comparison& what, const TableRow& row) {
        if (what.key_is_row) return row_json(what, row);
        std::string text;
        for (const auto& cell : row.key)
            text += (text.empty() ? "" : ", ") + cell_text(cell).value_or("NULL");
        return text;
    }

    // By the copy's notes: of the side compared with when both have some.
    Result<Names> events_of(const std::string& table, std::int64_t before_rowid, std::int64_t after_rowid) {
        Causes causes;
        if (after_causes_.available() && after_rowid != 0) {
            TARN_ASSIGN(causes, after_causes_.of_row(table, after_rowid));
        }
        if (causes.events.empty() && before_causes_.available() && before_rowid != 0) {
            TARN_ASSIGN(causes, before_causes_.of_row(table, before_rowid));
        }
        if (!causes.exact) inexact_ = true;
        return std::move(causes.events);
    }

    sqlite::Database& before_;
    sqlite::Database& after_;
    const DiffOptions& options_;
    Foldings before_foldings_, after_foldings_;
    CauseFinder before_causes_, after_causes_;
    DiffResult result_;
    bool inexact_ = false;  // of some differing row the events are not known to explain it
};

}  // namespace

Result<DiffResult> diff_databases(sqlite::Database& before, sqlite::Database& after,
                                  const DiffOptions& options, const MatchesAny& matches) {
    TARN_TRY(before.execute("BEGIN"));
    TARN_TRY(after.execute("BEGIN"));
    auto result = Differ(before, after, options, matches).run();
    TARN_TRY(before.execute("COMMIT"));
    TARN_TRY(after.execute("COMMIT"));
    return result;
}

Result<DiffResult> StateImpl::diff(std::string_view before, std::string_view after,
                                   const DiffOptions& options) {
    TARN_ASSIGN(auto left, open_side(before));
    TARN_ASSIGN(auto right, open_side(after));
    return explained(diff_databases(left.database(), right.database(), options, matches_in(parts_.lake)));
}

}  // namespace tarn::state
