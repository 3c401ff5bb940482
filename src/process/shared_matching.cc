#include "process/shared_matching.h"

#include "event/shapes.h"
#include "pattern/compile.h"

namespace tarn::process {

Status SharedMatching::add(Subscriber subscriber, const SubscriptionSpec& spec) {
    if (spec.pattern.empty()) {
        without_pattern_.push_back(subscriber);
        return {};
    }
    TARN_ASSIGN(const auto rule, pattern::compile_rule(spec.pattern));
    index_.add(subscriber, rule);
    return {};
}

const std::vector<SharedMatching::Subscriber>& SharedMatching::match(const event::StoredEvent& event,
                                                                     const event::Meta& meta,
                                                                     std::string& document) {
    found_ = without_pattern_;
    if (index_.size() == 0) return found_;
    document.clear();
    event::append_shape(document, event::Shape::cloudevents, event, meta);
    index_.match(document, scratch_, found_);
    return found_;
}

}  // namespace tarn::process
