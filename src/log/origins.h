// Which batches are known: for each producer the last answer, of those still in the log. Older ones are asked
// for outside and remembered a while. Not thread-safe: the log's lock guards it.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "log/log.h"

namespace tarn::log {

class Origins {
public:
    using Older = std::function<std::optional<Appended>(std::string_view)>;
    explicit Origins(Older older) : older_(std::move(older)) {}

    // The producer's last answer, nullptr when it is not known. Valid until the next call.
    const Appended* find(std::string_view producer);
    // The producer's batch got this answer; returns the one in the log before it, for forget_last.
    std::optional<Appended> remember(const Origin& origin, const Appended& answer);
    // Takes back the latest remember.
    void forget_last(std::optional<Appended> before);
    // Answers whose events are all below `oldest` have left the log.
    void release(Sequence oldest);
    std::size_t size() const { return known_.size(); }

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };
    using Table = std::unordered_map<std::string, Appended, Hash, std::equal_to<>>;
    static constexpr std::size_t remembered_max = 16384;

    Older older_;
    Table known_;
    Table remembered_;  // from outside; dropped as a whole when full
    struct Use {
        Sequence sequence;
        Table::value_type* known;  // stands as long as a use names it
    };
    std::deque<Use> uses_;  // ascending by sequence
};

}  // namespace tarn::log
