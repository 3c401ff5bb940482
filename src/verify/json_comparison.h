// Where two JSON documents differ, by path.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "state/tolerance.h"

namespace tarn::verify {

// What does not count as a difference. A name without dots means members and columns of that name wherever
// they stand; one with dots a path from the root, list elements not counted: "items.price".
struct Leniency {
    std::vector<std::string> ignored;
    state::Tolerances tolerances;

    bool ignores(std::string_view path) const;
    bool covers(std::string_view path, std::string_view a, std::string_view b) const;
};

struct PathDifference {
    std::string path;                          // "data.items[2].price"; "" the whole document
    std::optional<std::string> before, after;  // as JSON; nullopt: not there
};

// Numbers are the same when their values are (1.0 and 1), objects whatever the order of their members, lists
// element by element. Calls `fn` for each difference; false ends the comparison. Returns whether there was
// none.
bool compare_json(const codec::Json& before, const codec::Json& after, const Leniency& leniency,
                  const std::function<bool(const PathDifference&)>& fn);
// The same of texts; what is not JSON is compared byte by byte.
bool compare_texts(std::string_view before, std::string_view after, const Leniency& leniency,
                   const std::function<bool(const PathDifference&)>& fn);

}  // namespace tarn::verify
