// Events that a projection's SQL refused, as dead letters of `projection:NAME`: grouped by cause, shown with
// the statement, and applied again when the declaration or the event is right.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/engine.h"

namespace tarn::server {

struct RefusedGroup {
    std::string group;  // "dg-…"
    std::string projection, store;
    std::string cause;                       // of the first one
    std::vector<state::FailedEvent> events;  // by place in the log

    std::string subscription() const { return "projection:" + projection; }
};

struct RefusedSelection {
    std::optional<std::string> group;
    std::optional<std::int64_t> since_us,
        until_us;  // last tried in [since, until); one without a time is not
};
// Of all live stores. A damaged store has none.
Result<std::vector<RefusedGroup>> refused_groups(Engine& engine, const RefusedSelection& selection);
codec::Json group_json(const RefusedGroup& group);
// Its events, the first `limit`.
codec::Json letters_json(Engine& engine, const RefusedGroup& group, std::size_t limit);

struct AppliedAgain {
    std::uint64_t applied = 0, refused = 0;
};
// With today's declaration, and corrections in the place of their originals. In the order of the log, but
// after what the projection has applied since.
Result<AppliedAgain> apply_again(Engine& engine, const RefusedGroup& group);

}  // namespace tarn::server
