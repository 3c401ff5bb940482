#include "pattern/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "pattern/holds.h"
#include "pattern/nearest_change.h"
#include "pattern/rule_index.h"
#include "pattern/spots.h"
#include "pattern/test_text.h"

namespace tarn::pattern {
namespace {

constexpr std::size_t most_found = 20;  // values that a report shows of one field

// Asks the matcher many questions about one document at once.
class Questions {
public:
    std::size_t ask(const Alternative& alternative) {
        set_.add(static_cast<RuleId>(count_), Rule{{alternative}});
        fields_ += alternative.fields.size();
        return count_++;
    }
    // Patterns may have thousands of fields; what is asked about them must stay within memory.
    bool has_room(std::size_t fields) const { return fields_ + fields <= most_fields; }
    void answer(std::string_view document) {
        Scratch scratch;
        std::vector<RuleId> matched;
        set_.match(document, scratch, matched);
        answers_.assign(count_, false);
        for (const RuleId id : matched) answers_[id] = true;
    }
    bool operator[](std::size_t question) const { return answers_[question]; }

private:
    static constexpr std::size_t most_fields = 500'000;
    RuleIndex set_;
    std::size_t count_ = 0, fields_ = 0;
    std::vector<bool> answers_;
};

Alternative without(const Alternative& alternative, std::size_t field) {
    Alternative rest = alternative;
    rest.fields.erase(rest.fields.begin() + static_cast<std::ptrdiff_t>(field));
    return rest;
}

// The questions about one alternative: does it match; do the others when one field is left out?
struct Asked {
    std::size_t whole = 0;
    std::vector<std::size_t> rest;  // one a field; none when there is one field only, or no room to ask
};

Asked ask_about(const Alternative& alternative, Questions& questions) {
    Asked asked{.whole = questions.ask(alternative)};
    const std::size_t fields = alternative.fields.size();
    if (fields < 2 || !questions.has_room(fields * fields)) return asked;
    for (std::size_t i = 0; i < fields; ++i) asked.rest.push_back(questions.ask(without(alternative, i)));
    return asked;
}

bool fits(const Field& field, const Spot& spot) {
    return std::ranges::any_of(field.tests, [&](const Test& test) { return holds(test, spot.raw); });
}

FieldReport values_of(const Field& field, const std::vector<Spot>& spots) {
    FieldReport report{.path = field.path};
    std::ranges::transform(field.tests, std::back_inserter(report.asked), test_text);
    for (const Spot& spot : spots) {
        if (spot.path != field.path || !spot.is_scalar()) continue;
        ++report.found_total;
        if (report.found.size() < most_found)
            report.found.push_back({spot.where, std::string(spot.raw), fits(field, spot)});
    }
    return report;
}

bool asks_absence(const Field& field) {
    return std::ranges::any_of(field.tests, [](const Test& test) { return test.kind == Test::Kind::absent; });
}

// Which fields hold without regard to array elements. `exists: false` means the elements that other fields
// choose, so it is asked together with those.
std::vector<bool> fields_that_hold(const Alternative& alternative, std::string_view document) {
    const std::size_t fields = alternative.fields.size();
    Questions alone;
    for (const Field& field : alternative.fields) alone.ask({{field}});
    alone.answer(document);
    std::vector<bool> hold(fields);
    for (std::size_t i = 0; i < fields; ++i) {
        hold[i] = alone[i];
        if (alone[i] || !asks_absence(alternative.fields[i])) continue;
        Alternative with;
        for (std::size_t j = 0; j < fields; ++j)
            if (j == i || alone[j]) with.fields.push_back(alternative.fields[j]);
        Questions together;
        together.ask(with);
        together.answer(document);
        hold[i] = together[0];
    }
    return hold;
}

// Each field holds for itself, but not all of them in one element of an array. Blames those without which the
// rest matches; all of the array's when one is not enough.
std::vector<bool> blamed_for_elements(const Asked& asked, const Questions& questions, std::size_t fields) {
    std::vector<bool> blamed(fields, true);
    if (std::ranges::none_of(asked.rest, [&](std::size_t question) { return questions[question]; }))
        return blamed;
    for (std::size_t i = 0; i < fields; ++i) blamed[i] = questions[asked.rest[i]];
    return blamed;
}

std::string places_that_fit(const Field& field, const std::vector<Spot>& spots) {
    constexpr std::size_t most = 5;
    std::string places;
    std::size_t count = 0;
    for (const Spot& spot : spots) {
        if (spot.path != field.path || !spot.is_scalar() || !fits(field, spot)) continue;
        if (++count <= most) places += (places.empty() ? "" : ", ") + spot.where;
    }
    return count > most ? fmt::format("{} and {} more", places, count - most) : places;
}

Change elements_change(const Field& field, const std::vector<Spot>& spots) {
    const std::string places = places_that_fit(field, spots);
    return {places.empty()
                ? "is there in the array element that the other fields choose"
                : fmt::format("holds at {} only, in another array element than the other fields", places),
            "the fields of one array must hold in the same element"};
}

void blame(FieldReport& field, Change change) {
    field.holds = false;
    field.why = std::move(change.why);
    field.instead = std::move(change.instead);
}

AlternativeReport report_of(const Alternative& alternative, const Asked& asked, const Questions& questions,
                            std::string_view document, const std::vector<Spot>& spots) {
    const std::size_t fields = alternative.fields.size();
    AlternativeReport report{.matches = questions[asked.whole]};
    for (const Field& field : alternative.fields) report.fields.push_back(values_of(field, spots));
    if (report.matches) return report;
    const std::vector<bool> hold = fields_that_hold(alternative, document);
    if (std::ranges::find(hold, false) != hold.end()) {
        for (std::size_t i = 0; i < fields; ++i)
            if (!hold[i]) blame(report.fields[i], nearest_change(alternative.fields[i], spots));
    } else {
        const std::vector<bool> blamed = blamed_for_elements(asked, questions, fields);
        for (std::size_t i = 0; i < fields; ++i)
            if (blamed[i]) blame(report.fields[i], elements_change(alternative.fields[i], spots));
    }
    report.failed = static_cast<std::size_t>(std::ranges::count(report.fields, false, &FieldReport::holds));
    return report;
}

}  // namespace

Explanation explain(const Rule& rule, std::string_view document) {
    Questions questions;
    std::vector<Asked> asked;
    for (const Alternative& alternative : rule.alternatives)
        asked.push_back(ask_about(alternative, questions));
    questions.answer(document);
    const std::vector<Spot> spots = spots_of(document);
    Explanation explanation;
    for (std::size_t i = 0; i < rule.alternatives.size(); ++i) {
        explanation.alternatives.push_back(
            report_of(rule.alternatives[i], asked[i], questions, document, spots));
        explanation.matches = explanation.matches || explanation.alternatives.back().matches;
    }
    const auto nearest = std::ranges::min_element(
        explanation.alternatives, {},
        [](const AlternativeReport& report) { return report.matches ? 0 : report.failed + 1; });
    explanation.nearest = static_cast<std::size_t>(nearest - explanation.alternatives.begin());
    return explanation;
}

std::vector<RuleOutcome> explain_set(std::span<const Rule> rules, std::string_view document) {
    Questions questions;
    std::vector<std::vector<Asked>> asked;
    for (const Rule& rule : rules) {
        asked.emplace_back();
        for (const Alternative& alternative : rule.alternatives)
            asked.back().push_back(ask_about(alternative, questions));
    }
    questions.answer(document);
    std::vector<RuleOutcome> outcomes(rules.size());
    for (std::size_t r = 0; r < rules.size(); ++r) {
        for (std::size_t a = 0; a < asked[r].size(); ++a) {
            const Alternative& alternative = rules[r].alternatives[a];
            RuleOutcome& outcome = outcomes[r];
            outcome.matches = outcome.matches || questions[asked[r][a].whole];
            for (std::size_t i = 0; i < alternative.fields.size() && outcome.failed_by.empty(); ++i)
                if (alternative.fields.size() == 1 ||
                    (!asked[r][a].rest.empty() && questions[asked[r][a].rest[i]]))
                    outcome.failed_by = alternative.fields[i].path;
        }
        if (outcomes[r].matches) outcomes[r].failed_by.clear();
    }
    return outcomes;
}

}  // namespace tarn::pattern
