#include "state/causes.h"

#include <algorithm>
#include <deque>

#include "event/meta.h"
#include "event/shapes.h"
#include "pattern/pattern.h"
#include "state/store_file.h"

namespace tarn::state {

using codec::Json;

namespace {

// A row that more events changed is not looked at event by event.
constexpr std::size_t touches_examined_max = 10'000;

// The patterns of `on` entries that `one` has and `other` has not.
void add_missing(const Json& one, const Json& other, std::vector<std::string>& patterns) {
    for (const auto& on : one["on"].elements()) {
        const auto same = [&](const Json& candidate) { return candidate.dump() == on.dump(); };
        const auto& others = other["on"].elements();
        if (std::none_of(others.begin(), others.end(), same)) patterns.push_back(on["pattern"].dump());
    }
}

// nullopt: tables, defaults or triggers differ, so that any event may have another effect.
std::optional<std::vector<std::string>> changed_patterns(const std::string& mine, const std::string& theirs) {
    const auto one = Json::parse(mine), other = Json::parse(theirs);
    if (!one || !other || (*one)["schema"].as_string() != (*other)["schema"].as_string()) return std::nullopt;
    std::vector<std::string> patterns;
    add_missing(*one, *other, patterns);
    add_missing(*other, *one, patterns);
    return patterns;
}

}  // namespace

// ---- how a side came to be
// ------------------------------------------------------------------------------------------------

Result<Foldings> Foldings::read(sqlite::Database& database) {
    Foldings foldings;
    TARN_ASSIGN(auto positions, read_positions(database));
    for (auto& position : positions) {
        std::sort(position.exceptions.begin(), position.exceptions.end());
        foldings.feeders_[position.feeder].position = std::move(position);
    }
    TARN_ASSIGN(const auto declarations, read_declarations(database));
    for (const auto& one : declarations)
        foldings.feeders_[one.feeder].declarations[one.sequence] = one.declaration;
    return foldings;
}

const Foldings::Folding* Foldings::find(const std::string& feeder) const {
    const auto found = feeders_.find(feeder);
    return found == feeders_.end() ? nullptr : &found->second;
}

bool Foldings::was_applied(const Touch& touch) const {
    const auto* folding = find(touch.feeder);
    if (folding == nullptr) return false;
    const auto& exceptions = folding->position.exceptions;
    const bool is_below = touch.sequence < folding->position.sequence;
    return is_below != std::binary_search(exceptions.begin(), exceptions.end(), touch.position);
}

const std::string& Foldings::declaration_of(const Touch& touch) const {
    static const std::string unknown;
    const auto* folding = find(touch.feeder);
    if (folding == nullptr) return unknown;
    auto after = folding->declarations.upper_bound(touch.sequence);
    return after == folding->declarations.begin() ? unknown : std::prev(after)->second;
}

MatchesAny matches_in(lake::Lake& lake) {
    return [&lake](const Touch& touch, const std::vector<std::string>& patterns) -> Result<bool> {
        std::string document;
        for (const auto& text : patterns) {
            TARN_ASSIGN(const auto compiled, pattern::Pattern::compile(text));
            const auto* types = compiled.types();
            if (types != nullptr && std::find(types->begin(), types->end(), touch.type) == types->end())
                continue;
            if (document.empty()) {
                TARN_ASSIGN(const auto owned, lake.get(touch.position));
                event::MetaReader reader;
                event::append_shape(document, event::Shape::cloudevents, owned.event,
                                    reader.read(owned.event, touch.stream));
            }
            if (compiled.matches(document)) return true;
        }
        return false;
    };
}

// ---- the events of a row
// --------------------------------------------------------------------------------------------------

Result<Causes> CauseFinder::of_row(const std::string& table, std::int64_t rowid) {
    Causes causes;
    std::deque<std::string> newest;
    std::size_t examined = 0;
    const auto look = [&](const Touch& touch) -> Result<bool> {
        if (newest.size() == events_shown_max) newest.pop_front();
        newest.push_back(touch.text());
        if (examined++ >= touches_examined_max) return true;
        TARN_ASSIGN(const bool is_cause, explains(touch));
        if (is_cause) causes.events.push_back(newest.back());
        return causes.events.size() < events_shown_max;
    };
    TARN_TRY(touches_.for_each(table, rowid, look));
    causes.exact = !causes.events.empty();
    if (!causes.exact) causes.events.assign(newest.begin(), newest.end());
    return causes;
}

Result<bool> CauseFinder::explains(const Touch& touch) {
    if (!other_.was_applied(touch)) return true;
    const auto& mine = own_.declaration_of(touch);
    const auto& theirs = other_.declaration_of(touch);
    if (mine == theirs || mine.empty() || theirs.empty()) return false;
    return folds_differently(touch, mine, theirs);
}

Result<bool> CauseFinder::folds_differently(const Touch& touch, const std::string& mine,
                                            const std::string& theirs) {
    const auto [entry, is_new] = changed_.try_emplace({mine, theirs});
    if (is_new) entry->second = changed_patterns(mine, theirs);
    if (!entry->second) return true;
    if (entry->second->empty()) return false;
    auto matches = matches_(touch, *entry->second);
    if (!matches && matches.error().kind != ErrorKind::internal) return true;  // it cannot be read any more
    return matches;
}

}  // namespace tarn::state
