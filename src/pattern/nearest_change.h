// For a field that does not hold: why, and the smallest change of pattern or event that would make it.
#pragma once

#include <string>
#include <vector>

#include "pattern/rule.h"
#include "pattern/spots.h"

namespace tarn::pattern {

struct Change {
    std::string why;      // half a sentence: "differs only in case"
    std::string instead;  // a test that the value would pass, or advice; may be empty
    int distance = 100;   // how far: smaller is nearer
};

// `spots` is the whole document. The field must fail by itself, without regard to array elements.
Change nearest_change(const Field& field, const std::vector<Spot>& spots);

}  // namespace tarn::pattern
