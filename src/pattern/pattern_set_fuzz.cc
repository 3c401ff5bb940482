// Lines of patterns and a document as the last line: the set of all rules, and what is left of it when every
// second one is taken out, says the same as the referee about each rule.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "codec/json.h"
#include "pattern/compile.h"
#include "pattern/naive.h"
#include "pattern/rule_index.h"

namespace {

using namespace tarn::pattern;

constexpr std::size_t most_rules = 16, most_bytes = 1024, most_leaves = 24;  // the referee tries every choice

std::vector<Rule> rules_of(std::string_view text) {
    std::vector<Rule> rules;
    while (!text.empty() && rules.size() < most_rules) {
        const auto end = text.find('\n');
        auto rule = compile_rule(text.substr(0, end), {.max_alternatives = 16});
        if (rule) rules.push_back(std::move(*rule));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    return rules;
}

std::vector<RuleId> matching(const RuleIndex& index, std::string_view document) {
    Scratch scratch;
    std::vector<RuleId> matched;
    index.match(document, scratch, matched);
    std::ranges::sort(matched);
    return matched;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto last = text.rfind('\n');
    if (size > most_bytes || last == std::string_view::npos) return 0;
    const std::string_view document = text.substr(last + 1);
    if (!tarn::codec::validate_json(document) || naive::leaves_of(document).size() > most_leaves) return 0;
    const std::vector<Rule> rules = rules_of(text.substr(0, last));
    RuleIndex index;
    std::vector<RuleId> all, odd;
    for (RuleId id = 0; id < rules.size(); ++id) {
        index.add(id, rules[id]);
        if (!naive::matches(rules[id], document)) continue;
        all.push_back(id);
        if (id % 2 == 1) odd.push_back(id);
    }
    if (matching(index, document) != all) std::abort();
    for (RuleId id = 0; id < rules.size(); id += 2)
        if (!index.remove(id)) std::abort();
    if (matching(index, document) != odd) std::abort();
    return 0;
}
