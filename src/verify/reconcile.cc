#include "verify/reconcile.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace tarn::verify {
namespace {

constexpr std::size_t buckets = 65'536;
constexpr std::size_t max_examined = 200'000;  // items of differing buckets that are looked at one by one
constexpr std::size_t examples = 5;

// Of the items of one bucket, expected minus found: all zero when the bucket holds the same on both sides.
// Other contents are as unlikely to give zero as two payloads are to share a hash.
struct Balance {
    std::uint64_t high = 0, low = 0;
    std::uint32_t expected = 0, found = 0;
    bool differs() const { return expected != found || high != 0 || low != 0; }
};

std::size_t bucket_of(const Hash128& item) { return item.low % buckets; }

std::uint64_t chained(std::uint64_t chain, const Hash128& item) {
    return (chain ^ item.low ^ (item.high << 1)) * 0x9E37'79B9'7F4A'7C15 + (chain >> 31);
}

class Reconciliation {
public:
    explicit Reconciliation(const Holding& holding) : holding_(holding), balances_(buckets) {}

    Result<Reconciled> run() {
        TARN_TRY(add_up());
        if (!result_.is_same) TARN_TRY(examine());
        if (result_.is_same && !result_.is_in_order && holding_.keeps_keys) TARN_TRY(follow_keys());
        return std::move(result_);
    }

private:
    Status add_up() {
        std::uint64_t expected_chain = 1, found_chain = 1;
        TARN_TRY(holding_.expected([&](const replay::ManifestEntry&, const Hash128& item) {
            Balance& balance = balances_[bucket_of(item)];
            balance.high += item.high;
            balance.low += item.low;
            ++balance.expected;
            ++result_.expected;
            expected_chain = chained(expected_chain, item);
        }));
        TARN_TRY(holding_.found([&](const Found& found) {
            Balance& balance = balances_[bucket_of(found.item)];
            balance.high -= found.item.high;
            balance.low -= found.item.low;
            ++balance.found;
            ++result_.found;
            found_chain = chained(found_chain, found.item);
        }));
        result_.is_same = std::ranges::none_of(balances_, &Balance::differs);
        result_.is_in_order = expected_chain == found_chain;
        return {};
    }

    // Chooses the buckets that are looked at: all that differ, or as many as memory allows.
    std::vector<bool> choose() {
        std::vector<bool> chosen(buckets);
        std::size_t items = 0;
        for (std::size_t i = 0; i < buckets; ++i) {
            if (!balances_[i].differs()) continue;
            const std::size_t more = std::size_t{balances_[i].expected} + balances_[i].found;
            if (items > 0 && items + more > max_examined) {
                result_.is_exact = false;
                continue;
            }
            items += more;
            chosen[i] = true;
        }
        return chosen;
    }

    Status examine() {
        const std::vector<bool> chosen = choose();
        struct Seen {
            std::vector<replay::ManifestEntry> expected;
            std::uint64_t found = 0;
        };
        std::map<Hash128, Seen> seen;
        TARN_TRY(holding_.expected([&](const replay::ManifestEntry& entry, const Hash128& item) {
            if (chosen[bucket_of(item)]) seen[item].expected.push_back(entry);
        }));
        TARN_TRY(holding_.found([&](const Found& found) {
            if (!chosen[bucket_of(found.item)]) return;
            const auto known = seen.find(found.item);
            if (known != seen.end()) {
                ++known->second.found;
                return;
            }
            ++result_.foreign;
            if (result_.first_foreign.size() < examples) result_.first_foreign.push_back(found.place);
        }));
        for (auto& [item, one] : seen) judge(one.expected, one.found);
        const auto by_sequence = [](const auto& a, const auto& b) { return a.sequence < b.sequence; };
        for (auto* list : {&result_.first_missing, &result_.first_repeated}) {
            std::ranges::sort(*list, by_sequence);
            if (list->size() > examples) list->resize(examples);
        }
        return {};
    }

    // Of events with the same bytes the last ones are taken to be those that are missing.
    void judge(const std::vector<replay::ManifestEntry>& expected, std::uint64_t found) {
        for (std::size_t i = found; i < expected.size(); ++i) {
            ++result_.missing;
            result_.keys_missing.insert(expected[i].key_hash);
            result_.first_missing.push_back(expected[i]);
        }
        if (found <= expected.size()) return;
        result_.repeated += found - expected.size();
        result_.keys_repeated.insert(expected.back().key_hash);
        result_.first_repeated.push_back(expected.back());
    }

    // What a key's items are in this order is a chain of hashes. Each pass follows a part of the keys.
    Status follow_keys() {
        const std::size_t passes = holding_.entries / holding_.keys_at_once + 1;
        for (std::size_t pass = 0; pass < passes; ++pass) {
            std::unordered_map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> chains;
            TARN_TRY(holding_.found([&](const Found& found) {
                if (!found.key_hash || *found.key_hash % passes != pass) return;
                std::uint64_t& chain = chains[*found.key_hash].second;
                chain = chained(chain, found.item);
            }));
            TARN_TRY(holding_.expected([&](const replay::ManifestEntry& entry, const Hash128& item) {
                const auto known = chains.find(entry.key_hash);
                if (known != chains.end()) known->second.first = chained(known->second.first, item);
            }));
            for (const auto& [key, sides] : chains) result_.keys_out_of_order += sides.first != sides.second;
        }
        return {};
    }

    const Holding& holding_;
    std::vector<Balance> balances_;
    Reconciled result_;
};

}  // namespace

Result<Reconciled> reconcile(const Holding& holding) { return Reconciliation(holding).run(); }

}  // namespace tarn::verify
