// Applies a stream's mapping: attributes from paths in the data, groups of the name, constants. Internal to
// event/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/envelope.h"
#include "event/stream_settings.h"

namespace tarn::event {

// What the named groups of name_pattern matched in one name.
struct NameGroups {
    std::vector<std::optional<std::string_view>> by_index;
};

// name_pattern, compiled. Safe from any thread.
class NamePattern {
public:
    static Result<std::unique_ptr<NamePattern>> make(const std::string& pattern);
    ~NamePattern();
    // The pattern is searched in the last part of `name`; when the pattern itself has a slash, in the whole
    // name. nullopt when it does not match. Views point into `name`.
    std::optional<NameGroups> match(std::string_view name) const;
    // The index of a group, -1 when the pattern has none of that name.
    int group_index(const std::string& group) const;

private:
    NamePattern();
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

// Where values are looked for.
struct MappingInput {
    std::string_view payload;              // for places in errors
    const TopLevel* top = nullptr;         // payload as JSON, when paths are paths into it
    std::optional<std::string_view> data;  // raw JSON that paths go into when there is no `top`
    const NamePattern* pattern = nullptr;
    const NameGroups* groups = nullptr;  // nullptr: no name came
};

// The text that the first rule with a value gives; nullopt when none has. bad_mapping when a value is an
// object or array.
Result<std::optional<std::string>> mapped_text(const Rules& rules, std::string_view attribute,
                                               const MappingInput& input);
// The same for time, as RFC 3339.
Result<std::optional<std::string>> mapped_time(const Rules& rules, const MappingInput& input);
// "1700000000.25" in `unit` → an instant; nullopt when it is not a number or outside the years 0 to 9999.
std::optional<Time> epoch_time(std::string_view number, TimeUnit unit);

}  // namespace tarn::event
