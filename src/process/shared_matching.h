// Many subscriptions on one stream: an event is matched against all their patterns at once, so that those it
// is not for cost nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/meta.h"
#include "pattern/rule_index.h"
#include "process/subscription_spec.h"

namespace tarn::process {

// Of one stream. One thread. A subscriber is whatever the caller numbers.
class SharedMatching {
public:
    using Subscriber = std::uint64_t;
    Status add(Subscriber subscriber, const SubscriptionSpec& spec);

    // Who takes it, apart from whether it was replayed. `document` is its shape cloudevents afterwards, if
    // anybody has a pattern.
    const std::vector<Subscriber>& match(const event::StoredEvent& event, const event::Meta& meta,
                                         std::string& document);

private:
    pattern::RuleIndex index_;
    pattern::Scratch scratch_;
    std::vector<Subscriber> without_pattern_, found_;
};

}  // namespace tarn::process
