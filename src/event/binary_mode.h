// An event as CloudEvents' HTTP binding, binary mode, has it: attributes as ce-* headers, the data as the
// body.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "event/shapes.h"

namespace tarn::event {

struct BinaryMode {
    std::vector<std::pair<std::string, std::string>> headers;  // lower-case names; values percent-encoded
    std::string body;
};

BinaryMode binary_mode(const StoredEvent& event, const Meta& meta, const ShapeExtras& extras = {});

}  // namespace tarn::event
