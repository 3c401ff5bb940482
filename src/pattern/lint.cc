#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>

#include "codec/json.h"
#include "pattern/compile.h"
#include "pattern/draft.h"

namespace tarn::pattern {
namespace {

using Kind = Finding::Kind;

// What AWS has been seen to do: its limits are not published.
constexpr int kServiceTakes = 7, kServiceRefuses = 11;
constexpr std::size_t kServiceCharacters = 4096;

class Linter {
public:
    Linter(std::string_view text, const Draft& draft) : text_(text), draft_(draft) {}

    std::vector<Finding> run(const Rule& rule, int complexity_limit) {
        check_size();
        if (!draft_.or_as_field.empty())
            note(Kind::or_as_field, "$or", draft_.or_as_field,
                 "this is no list of alternatives: $or is read as the name of a field, since it does not "
                 "have two objects or "
                 "more, or they are no patterns");
        for (const DraftFieldPtr& field : draft_.replaced)
            note(Kind::duplicate_path, field->path, field->key,
                 "the field is given again further on, and only the last counts");
        for (const DraftFieldPtr& field : draft_.fields) check_field(*field);
        for (const DraftAlternative& alternative : draft_.alternatives) check_order(alternative);
        check_complexity(rule, complexity_limit);
        return placed();
    }

private:
    void note(Kind kind, const std::string& path, std::string_view token, std::string message) {
        Finding finding{.kind = kind, .path = path, .message = std::move(message)};
        finding.place.byte = static_cast<std::uint64_t>(token.data() - text_.data());
        findings_.push_back(std::move(finding));
    }

    void check_size() {
        const auto characters = static_cast<std::size_t>(std::ranges::count_if(
            text_, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
        if (characters > kServiceCharacters)
            note(Kind::service_limit, "", text_.substr(0, 1),
                 fmt::format("AWS takes patterns of up to {} characters; this one has {}", kServiceCharacters,
                             characters));
    }

    void check_field(const DraftField& field) {
        std::unordered_set<std::string_view> seen;
        bool exists = false, absent = false;
        int anything_buts = 0;
        for (const DraftValue& value : field.values) {
            const Test::Kind kind = value.test.kind;
            exists = exists || kind == Test::Kind::exists;
            absent = absent || kind == Test::Kind::absent;
            if (!seen.insert(value.token).second) {
                note(Kind::redundant, field.path, value.token, "the value stands in the list already");
                continue;
            }
            if (kind == Test::Kind::anything_but && ++anything_buts == 2)
                note(Kind::always_matches, field.path, value.token,
                     "one anything-but or another is nearly always true: put what is not wanted into one, "
                     "{\"anything-but\": [\"a\", \"b\"]}");
            check_value(field, value);
        }
        if (exists && absent)
            note(Kind::always_matches, field.path, field.key,
                 "the field is there or it is not: this asks for nothing");
        else if (exists && field.values.size() > 1)
            note(Kind::redundant, field.path, field.key,
                 "{\"exists\": true} covers the other values of the list");
    }

    void check_value(const DraftField& field, const DraftValue& value) {
        const Test& test = value.test;
        const bool affix = test.kind == Test::Kind::prefix || test.kind == Test::Kind::suffix ||
                           test.kind == Test::Kind::prefix_fold || test.kind == Test::Kind::suffix_fold;
        const bool any_text = test.kind == Test::Kind::wildcard && test.parts == std::vector<std::string>(2);
        if ((affix && test.text.empty()) || any_text)
            note(Kind::always_matches, field.path, value.token,
                 "every string matches this, and nothing else does");
        if (test.kind == Test::Kind::number && !test.comparable)
            note(Kind::exact_spelling, field.path, value.token,
                 "a double does not hold this number exactly, so it matches only where it is spelled the "
                 "same");
        const bool open = test.kind == Test::Kind::range && !test.low_closed && !test.high_closed;
        if (open && std::nextafter(test.low, test.high) == test.high)
            note(Kind::never_matches, field.path, value.token, "there is no number between these two");
    }

    // Absence is judged among the array elements that earlier fields chose; later ones do not count.
    void check_order(const DraftAlternative& alternative) {
        for (auto it = alternative.begin(); it != alternative.end(); ++it) {
            const auto& [path, field] = *it;
            const auto next = std::next(it);
            const auto dot = path.find('.');
            if (next == alternative.end() || dot == path.npos ||
                !next->first.starts_with(path.substr(0, dot + 1)))
                continue;
            for (const DraftValue& value : field->values)
                if (value.test.kind == Test::Kind::absent && ordered_.insert(value.token.data()).second)
                    note(Kind::order_dependent, path, value.token,
                         fmt::format("where {} holds arrays, absence is judged before {} is looked at, "
                                     "because of the order of "
                                     "their names",
                                     path.substr(0, dot), next->first));
        }
    }

    void check_complexity(const Rule& rule, int limit) {
        const int complexity = wildcard_complexity(rule, limit + 1);
        if (complexity <= kServiceTakes) return;
        note(Kind::complex_wildcard, "", text_.substr(0, 1),
             fmt::format("its wildcards have complexity {} of at most {} here; AWS takes {}, and refuses {}",
                         complexity, limit, kServiceTakes, kServiceRefuses));
    }

    // In the order of the text, with line and column: counted once along it.
    std::vector<Finding> placed() {
        std::ranges::stable_sort(findings_, {}, [](const Finding& finding) { return *finding.place.byte; });
        std::size_t at = 0, line = 1, line_start = 0;
        for (Finding& finding : findings_) {
            for (; at < *finding.place.byte; ++at)
                if (text_[at] == '\n') {
                    ++line;
                    line_start = at + 1;
                }
            finding.place.line = line;
            finding.place.column = at - line_start + 1;
        }
        return std::move(findings_);
    }

    std::string_view text_;
    const Draft& draft_;
    std::vector<Finding> findings_;
    std::set<const char*> ordered_;
};

}  // namespace

std::string_view finding_name(Finding::Kind kind) {
    switch (kind) {
        case Kind::never_matches:
            return "never_matches";
        case Kind::always_matches:
            return "always_matches";
        case Kind::exact_spelling:
            return "exact_spelling";
        case Kind::order_dependent:
            return "order_dependent";
        case Kind::complex_wildcard:
            return "complex_wildcard";
        case Kind::duplicate_path:
            return "duplicate_path";
        case Kind::redundant:
            return "redundant";
        case Kind::or_as_field:
            return "or_as_field";
        case Kind::service_limit:
            return "service_limit";
    }
    return "";
}

Result<std::vector<Finding>> lint(std::string_view json, const Limits& limits) {
    TARN_ASSIGN(const Draft draft, make_draft(json, limits));
    TARN_ASSIGN(const Rule rule, compile_draft(json, draft, limits));
    return Linter(json, draft).run(rule, limits.max_wildcard_complexity);
}

}  // namespace tarn::pattern
