#include "replay/nearest.h"

#include <algorithm>
#include <numeric>

namespace tarn::replay {
namespace {

std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& words) {
    std::string best;
    std::size_t best_edits = word.size() / 2 + 1;
    for (const std::string& candidate : words) {
        if (candidate.size() > 200 || word.size() > 200) continue;
        const std::size_t edits = edits_between(word, candidate);
        if (edits >= best_edits) continue;
        best_edits = edits;
        best = candidate;
    }
    return best;
}

}  // namespace tarn::replay
