#include "process/taking.h"

#include "event/shapes.h"

namespace tarn::process {

Result<Taking> Taking::open(const SubscriptionSpec& spec) {
    Taking taking;
    taking.takes_replayed_ = spec.takes_replayed;
    if (!spec.pattern.empty()) {
        TARN_ASSIGN(taking.pattern_, pattern::Pattern::compile(spec.pattern));
    }
    return taking;
}

bool Taking::takes(const event::StoredEvent& event, const event::Meta& meta, bool replayed,
                   bool replayed_for_it, std::string& document) const {
    if (replayed && !replayed_for_it && !takes_replayed_) return false;
    if (!pattern_) return true;
    document.clear();
    event::append_shape(document, event::Shape::cloudevents, event, meta);
    return pattern_->matches(document);
}

}  // namespace tarn::process
