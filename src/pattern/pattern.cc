#include "pattern/pattern.h"

#include <algorithm>

#include "pattern/rule_index.h"

namespace tarn::pattern {
namespace {

// Adds what a string that satisfies the test can be. False when that says nothing.
bool add_need(const Test& test, TextNeed& need) {
    switch (test.kind) {
        case Test::Kind::text:
            need.exact.push_back(test.text);
            return true;
        case Test::Kind::literal:
        case Test::Kind::number:
        case Test::Kind::range:
            return true;  // no string at all
        case Test::Kind::prefix:
            need.prefixes.push_back(test.text);
            // Compared between quotes (holds.cc): the text before the quote may be the whole string.
            if (test.text.ends_with('"')) need.exact.push_back(test.text.substr(0, test.text.size() - 1));
            return true;
        case Test::Kind::wildcard:
            (test.parts.size() == 1 ? need.exact : need.prefixes).push_back(test.parts.front());
            return true;
        default:
            return false;
    }
}

std::optional<TextNeed> need_of(const Rule& rule, std::string_view path) {
    TextNeed need;
    for (const Alternative& alternative : rule.alternatives) {
        const auto field = std::ranges::find(alternative.fields, path, &Field::path);
        if (field == alternative.fields.end()) return std::nullopt;
        for (const Test& test : field->tests)
            if (!add_need(test, need)) return std::nullopt;
    }
    for (auto* list : {&need.exact, &need.prefixes}) {
        std::ranges::sort(*list);
        list->erase(std::ranges::unique(*list).begin(), list->end());
    }
    if (std::ranges::find(need.prefixes, std::string()) != need.prefixes.end()) return std::nullopt;
    return need;
}

}  // namespace

bool TextNeed::allows(std::string_view text) const {
    return std::ranges::find(exact, text) != exact.end() ||
           std::ranges::any_of(prefixes, [&](const std::string& prefix) { return text.starts_with(prefix); });
}

struct Pattern::Parts {
    std::string text;
    Rule rule;
    RuleIndex index;
    std::optional<std::vector<std::string>> types;
};

Result<Pattern> Pattern::compile(std::string_view json, const Limits& limits) {
    auto parts = std::make_shared<Parts>();
    TARN_ASSIGN(parts->rule, compile_rule(json, limits));
    parts->text = json;
    parts->index.add(0, parts->rule);
    if (auto need = need_of(parts->rule, "type"); need && need->prefixes.empty())
        parts->types = std::move(need->exact);
    Pattern pattern;
    pattern.parts_ = std::move(parts);
    return pattern;
}

bool Pattern::matches(std::string_view document) const {
    thread_local Scratch scratch;
    thread_local std::vector<RuleId> found;
    found.clear();
    parts_->index.match(document, scratch, found);
    return !found.empty();
}

const std::vector<std::string>* Pattern::types() const { return parts_->types ? &*parts_->types : nullptr; }

std::optional<TextNeed> Pattern::need(std::string_view path) const { return need_of(parts_->rule, path); }

const std::string& Pattern::text() const { return parts_->text; }

}  // namespace tarn::pattern
