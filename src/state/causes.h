// Which events explain that a row differs between two states: those that one side has applied and the other
// has not, or that the two sides folded with different SQL.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sqlite/sqlite.h"
#include "state/state.h"
#include "state/touch_reader.h"

namespace tarn::state {

// How a database came to be, per feeder: how far, and with which declaration from which sequence on.
class Foldings {
public:
    static Result<Foldings> read(sqlite::Database& database);

    bool was_applied(const Touch& touch) const;
    // The declaration that folded it, as JSON; "" when that is not known.
    const std::string& declaration_of(const Touch& touch) const;

private:
    struct Folding {
        FeederPosition position;
        std::map<Sequence, std::string> declarations;  // by the first sequence they folded
    };
    const Folding* find(const std::string& feeder) const;
    std::map<std::string, Folding> feeders_;
};

// Whether an event, which it may have to fetch, fits one of the patterns. `patterns`: JSON texts.
using MatchesAny = std::function<Result<bool>(const Touch& touch, const std::vector<std::string>& patterns)>;
MatchesAny matches_in(lake::Lake& lake);

struct Causes {
    std::vector<std::string> events;  // at most events_shown_max, the first ones
    bool exact = false;               // otherwise they are the newest that changed the row
};

class CauseFinder {
public:
    // `database` is the copy with the notes; how the two sides came to be must outlive this.
    CauseFinder(sqlite::Database& database, const Foldings& own, const Foldings& other, MatchesAny matches)
        : touches_(database), own_(own), other_(other), matches_(std::move(matches)) {}
    Status prepare() { return touches_.prepare(); }
    bool available() const { return touches_.available(); }
    Result<Causes> of_row(const std::string& table, std::int64_t rowid);

private:
    Result<bool> explains(const Touch& touch);
    Result<bool> folds_differently(const Touch& touch, const std::string& mine, const std::string& theirs);

    TouchReader touches_;
    const Foldings& own_;
    const Foldings& other_;
    MatchesAny matches_;
    // Patterns whose SQL is in one declaration only, by the two declarations; nullopt: the schemas differ.
    std::map<std::pair<std::string, std::string>, std::optional<std::vector<std::string>>> changed_;
};

}  // namespace tarn::state
