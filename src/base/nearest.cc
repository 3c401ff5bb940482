#include "base/nearest.h"

#include <algorithm>
#include <numeric>

namespace tarn {

namespace {

// Insertions, deletions and replacements, one row of the usual table at a time.
std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& words) {
    constexpr std::size_t longest_considered = 200;  // the input may be anything
    if (word.size() > longest_considered) return {};
    std::string nearest;
    std::size_t fewest = word.size() / 3 + 2;
    for (const std::string& candidate : words) {
        const std::size_t edits = edits_between(word, candidate);
        if (edits >= fewest) continue;
        fewest = edits;
        nearest = candidate;
    }
    return nearest;
}

}  // namespace tarn
