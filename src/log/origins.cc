#include "log/origins.h"

namespace tarn::log {

const Appended* Origins::find(std::string_view producer) {
    if (const auto found = known_.find(producer); found != known_.end()) return &found->second;
    if (const auto found = remembered_.find(producer); found != remembered_.end()) return &found->second;
    if (!older_) return nullptr;
    std::optional<Appended> answer = older_(producer);
    if (!answer) return nullptr;
    if (remembered_.size() >= remembered_max) remembered_.clear();
    answer->repeated = true;
    return &remembered_.insert_or_assign(std::string(producer), *std::move(answer)).first->second;
}

std::optional<Appended> Origins::remember(const Origin& origin, const Appended& answer) {
    std::optional<Appended> before;
    const auto [at, fresh] = known_.try_emplace(origin.producer);
    if (!fresh) before = std::move(at->second);
    at->second = answer;
    at->second.repeated = true;
    at->second.origin_sequence = origin.sequence;
    at->second.origin_tag = origin.tag;
    uses_.push_back({answer.first_sequence, &*at});
    if (const auto stale = remembered_.find(origin.producer); stale != remembered_.end())
        remembered_.erase(stale);
    return before;
}

void Origins::forget_last(std::optional<Appended> before) {
    Table::value_type* known = uses_.back().known;
    uses_.pop_back();
    if (before) {
        known->second = *std::move(before);
    } else {
        known_.erase(known_.find(known->first));
    }
}

void Origins::release(Sequence oldest) {
    while (!uses_.empty() && uses_.front().sequence < oldest) {
        const Use use = uses_.front();
        uses_.pop_front();
        if (use.known->second.first_sequence == use.sequence) known_.erase(known_.find(use.known->first));
    }
}

}  // namespace tarn::log
