#include "pattern/spots.h"

#include <fmt/core.h>

namespace tarn::pattern {
namespace {

void walk(const Spot& parent, bool root, std::vector<Spot>& spots) {
    if (parent.type == codec::JsonType::object) {
        codec::for_each_member(parent.raw, [&](std::string_view key, std::string_view value) {
            const std::string dot = root ? "" : ".";
            const Spot spot{parent.path + dot + std::string(key), parent.where + dot + std::string(key),
                            codec::trim_json(value), codec::type_of(value)};
            spots.push_back(spot);
            walk(spot, false, spots);
            return true;
        });
    } else if (parent.type == codec::JsonType::array) {
        std::size_t index = 0;
        codec::for_each_element(parent.raw, [&](std::string_view value) {
            const Spot spot{parent.path, fmt::format("{}[{}]", parent.where, index++),
                            codec::trim_json(value), codec::type_of(value)};
            spots.push_back(spot);
            walk(spot, false, spots);
            return true;
        });
    }
}

}  // namespace

std::string Spot::text() const {
    return type == codec::JsonType::string ? codec::unescape(raw) : std::string(raw);
}

std::vector<Spot> spots_of(std::string_view document) {
    std::vector<Spot> spots;
    const Spot root{"", "", codec::trim_json(document), codec::type_of(document)};
    if (root.type == codec::JsonType::object) walk(root, true, spots);
    return spots;
}

}  // namespace tarn::pattern
