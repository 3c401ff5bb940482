// What was acknowledged against what a target holds, as two bags of hashes. Memory stays bounded whatever
// their size: equal bags are known by sums alone, and only where these differ are both sides read again, to
// name what is missing, what is there twice and what nobody sent.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/hash128.h"
#include "replay/plan.h"

namespace tarn::verify {

// What the target should hold of an acknowledged event, in the order of the manifest.
using Expect = std::function<void(const replay::ManifestEntry& entry, const Hash128& item)>;

// What it holds, in its own order.
struct Found {
    Hash128 item;
    std::optional<std::uint64_t> key_hash;  // as in the manifest, where the target keeps the key
    Position place;                         // at the target; of a file: its line as the offset
};
using Find = std::function<void(const Found&)>;

// A target that can be read, as often as needed and each time the same.
struct Holding {
    std::function<Status(const Expect&)> expected;
    std::function<Status(const Find&)> found;
    bool keeps_keys = false;               // found items know their key
    std::uint64_t entries = 0;             // about as many as are expected
    std::size_t keys_at_once = 1'000'000;  // whose order is followed in one pass over both sides
};

struct Reconciled {
    std::uint64_t expected = 0, found = 0;
    bool is_same = true;                  // the same items as often, in whatever order
    bool is_in_order = true;              // as a whole, also across keys
    std::uint64_t keys_out_of_order = 0;  // only looked for when keys are kept and the whole is not in order

    // When not the same. With `is_exact` false there are at least so many: too much differs to be named.
    bool is_exact = true;
    std::uint64_t missing = 0, repeated = 0, foreign = 0;
    std::set<std::uint64_t> keys_missing, keys_repeated;  // by hash
    std::vector<replay::ManifestEntry> first_missing, first_repeated;
    std::vector<Position> first_foreign;
};

Result<Reconciled> reconcile(const Holding& holding);

}  // namespace tarn::verify
