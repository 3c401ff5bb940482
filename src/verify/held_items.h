// A target's check from what was reconciled: the sentence and the numbers.
#pragma once

#include <string>

#include "verify/checks.h"
#include "verify/reconcile.h"

namespace tarn::verify {

struct TargetWords {
    std::string place;                                     // "stream b", "/tmp/out.ndjson"
    std::string items;                                     // "events of this run", "lines"
    std::string good;                                      // ends the sentence when all is well
    std::function<std::string(const Position&)> found_at;  // a foreign item's place
};

Check check_of(const Subject& subject, const Reconciled& reconciled, const TargetWords& words);

}  // namespace tarn::verify
