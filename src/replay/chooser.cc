#include "replay/chooser.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::replay {

// Conditions with what was compiled of them. Cheap ones are asked first.
class Chooser::Test {
public:
    Test(const Conditions& conditions, std::vector<Test*>& with_ids) : conditions_(conditions) {
        if (conditions_.pattern) {
            type_need_ = conditions_.pattern->need("type");
            time_need_ = conditions_.pattern->need("time");
        }
        for (const Conditions& each : conditions_.also)
            also_.push_back(std::make_unique<Test>(each, with_ids));
        for (const Conditions& each : conditions_.except)
            except_.push_back(std::make_unique<Test>(each, with_ids));
        missing_ = conditions_.ids;
        if (!missing_.empty()) with_ids.push_back(this);
    }

    bool holds(const event::StoredEvent& event, const event::Meta& meta, DocumentOnce& document) const {
        return holds_by_place(event) && holds_by_attributes(event, meta) &&
               (!conditions_.pattern || matches(meta, document)) &&
               std::ranges::all_of(also_,
                                   [&](const auto& each) { return each->holds(event, meta, document); }) &&
               std::ranges::none_of(except_,
                                    [&](const auto& each) { return each->holds(event, meta, document); });
    }

    // What --ids asks for and exists is found, whatever else rules it out.
    void note_id(std::string_view id) {
        if (const auto found = missing_.find(id); found != missing_.end()) missing_.erase(found);
    }
    const TextSet& missing() const { return missing_; }

private:
    bool holds_by_place(const event::StoredEvent& event) const {
        if (conditions_.streams && !conditions_.streams->contains(event.position.stream)) return false;
        if (event.sequence < conditions_.since_sequence) return false;
        if (conditions_.positions && !conditions_.positions->contains(event.position)) return false;
        const auto lacks = [&event](const Feeder& feeder) {
            return feeder.stream == event.position.stream && feeder.is_after_base(event);
        };
        return conditions_.lacking.empty() || std::ranges::any_of(conditions_.lacking, lacks);
    }

    bool holds_by_attributes(const event::StoredEvent& event, const event::Meta& meta) const {
        const Time time = conditions_.ingested ? event.ingested : meta.time;
        if (conditions_.since && time < *conditions_.since) return false;
        if (conditions_.until && time >= *conditions_.until) return false;
        if (conditions_.keys && !(meta.key && conditions_.keys->contains(*meta.key))) return false;
        if (conditions_.sql_ids && !conditions_.sql_ids->contains(meta.id)) return false;
        return !conditions_.has_ids() || conditions_.id_positions.contains(event.position) ||
               conditions_.ids.contains(meta.id);
    }

    // Type and time are those that the event counts under: a payload that gives one twice has the last.
    bool matches(const event::Meta& meta, DocumentOnce& document) const {
        if (type_need_ && !type_need_->allows(meta.type)) return false;
        if (time_need_ && !time_need_->allows(meta.time_text)) return false;
        return conditions_.pattern->matches(document.text());
    }

    const Conditions& conditions_;
    std::optional<pattern::TextNeed> type_need_, time_need_;
    std::vector<std::unique_ptr<Test>> also_, except_;
    TextSet missing_;
};

Chooser::Chooser(const Selection& selection)
    : selection_(selection), test_(std::make_unique<Test>(selection.conditions, with_ids_)) {}
Chooser::~Chooser() = default;

Chooser::Choice Chooser::choose(const event::StoredEvent& event, const event::Meta& meta, bool selects) {
    document_.begin(event, meta);
    for (Test* test : with_ids_) test->note_id(meta.id);
    Choice choice;
    choice.needed = is_needed(event);
    choice.selected =
        selects && (!selection_.conditions.rebuild || choice.needed) && test_->holds(event, meta, document_);
    if (choice.selected && selection_.conditions.keys && !keys_seen_.contains(*meta.key))
        keys_seen_.emplace(*meta.key);
    return choice;
}

bool Chooser::is_needed(const event::StoredEvent& event) {
    return std::ranges::any_of(selection_.feeders, [&](const Feeder& feeder) {
        return feeder.stream == event.position.stream && feeder.is_after_base(event) &&
               (feeder.takes_all || feeder.matches(document_.text()));
    });
}

Status Chooser::finish() const {
    std::vector<std::string_view> missing;
    for (const Test* test : with_ids_)
        missing.insert(missing.end(), test->missing().begin(), test->missing().end());
    if (missing.empty()) return {};
    constexpr std::size_t listed = 10;
    std::string names;
    for (std::size_t i = 0; i < std::min(missing.size(), listed); ++i)
        names += fmt::format("{}{}", i == 0 ? "" : ", ", missing[i]);
    if (missing.size() > listed) names += fmt::format(" and {} more", format_count(missing.size() - listed));
    return fail(
        Code::unknown_position,
        fmt::format("--ids names {} that the stream does not have: {}",
                    missing.size() == 1 ? "1 event" : format_count(missing.size()) + " events", names),
        {.next = "correct the list; nothing was planned"});
}

std::vector<std::string> Chooser::keys_without_events() const {
    std::vector<std::string> keys;
    if (!selection_.conditions.keys) return keys;
    std::ranges::set_difference(*selection_.conditions.keys, keys_seen_, std::back_inserter(keys));
    return keys;
}

}  // namespace tarn::replay
