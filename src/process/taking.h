// Which events of its stream a subscription takes. The one place that decides it: what is delivered and what
// is counted when a state is put in another's place must agree.
#pragma once

#include <optional>
#include <string>

#include "event/meta.h"
#include "pattern/pattern.h"
#include "process/subscription_spec.h"

namespace tarn::process {

class Taking {
public:
    static Result<Taking> open(const SubscriptionSpec& spec);

    // `replayed`: a run put the event into the stream; `replayed_for_it`: and it named this subscription.
    // With a pattern, `document` is the event in shape cloudevents afterwards.
    bool takes(const event::StoredEvent& event, const event::Meta& meta, bool replayed, bool replayed_for_it,
               std::string& document) const;
    bool has_pattern() const { return pattern_.has_value(); }

private:
    std::optional<pattern::Pattern> pattern_;
    bool takes_replayed_ = false;
};

}  // namespace tarn::process
