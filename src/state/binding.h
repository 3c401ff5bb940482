// The named parameters of projection SQL and where their values come from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/meta.h"
#include "state/sql_rules.h"

namespace tarn::state {

enum class Parameter : std::uint8_t {
    id,
    type,
    source,
    subject,
    time,
    key,
    data,
    payload,
    partition,
    offset,
    seq,
    run
};

// The parameters that one statement uses, by their index in it.
using Bindings = std::vector<std::pair<int, Parameter>>;

// projection_sql for a parameter that is not one of ours.
Result<Bindings> find_bindings(const UserStatement& statement, std::string_view where);

// What is costly to find is found once an event, when the first statement asks for it.
class EventValues {
public:
    EventValues(const event::StoredEvent& event, const event::Meta& meta) : event_(event), meta_(meta) {}
    // Values are not copied: event and meta must live until the statement has run.
    int bind(sqlite3_stmt* statement, const Bindings& bindings);

private:
    int bind_one(sqlite3_stmt* statement, int index, Parameter parameter);
    const std::optional<std::string_view>& data();

    const event::StoredEvent& event_;
    const event::Meta& meta_;
    std::optional<std::optional<std::string_view>> data_;
};

}  // namespace tarn::state
