// A document as explanations see it: every value with the place where it stands. Not for matching: leaves.h
// is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"

namespace tarn::pattern {

struct Spot {
    std::string path;      // as patterns name it: "detail.items.id"
    std::string where;     // with elements: "detail.items[1].id"
    std::string_view raw;  // into the document
    codec::JsonType type = codec::JsonType::null;

    bool is_scalar() const { return type != codec::JsonType::object && type != codec::JsonType::array; }
    std::string text() const;  // of a string: unescaped; of others: as written
};

// In the order of the document, containers before what they hold, without the document itself. The document
// is validated JSON and outlives the result.
std::vector<Spot> spots_of(std::string_view document);

}  // namespace tarn::pattern
