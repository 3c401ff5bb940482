// The top-level members of a JSON payload, read once, and the two envelopes that they may form. Internal to
// event/.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/attributes.h"

namespace tarn::event {

// Views point into the payload, which must be validated JSON and stay alive.
class TopLevel {
public:
    // Empty when the payload is not an object.
    void read(std::string_view payload);
    // The raw value of the last member of that name.
    std::optional<std::string_view> find(std::string_view name) const;
    // As codec::find_path from the top.
    std::optional<std::string_view> find_path(std::string_view path) const;
    bool is_object() const { return is_object_; }
    std::string_view payload() const { return payload_; }
    const std::vector<std::pair<std::string_view, std::string_view>>& members() const { return members_; }

private:
    std::string_view payload_;
    bool is_object_ = false;
    std::vector<std::pair<std::string_view, std::string_view>> members_;
    std::deque<std::string> unescaped_;
};

// What an envelope yields besides attributes.
struct Envelope {
    Attributes attributes;
    std::optional<std::string> partition_key;  // extension partitionkey
    std::optional<std::string_view> data;      // raw JSON, for paths
};

// CloudEvents 1.0.2 in JSON. bad_cloudevent with the place.
Result<Envelope> read_cloudevent(const TopLevel& top);
// One more attribute beside those that it has, which it replaces.
Status set_extension(Envelope& envelope, const std::string& name, const std::string& value);
// CloudEvents in HTTP binary mode: attributes by name without "ce-". The payload is not looked at.
Result<Envelope> read_binary_cloudevent(const std::vector<std::pair<std::string, std::string>>& attributes);
// bad_eventbridge with the place.
Result<Envelope> read_eventbridge(const TopLevel& top);

}  // namespace tarn::event
