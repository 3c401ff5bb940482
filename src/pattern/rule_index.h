// Many rules at once, for one thread: which of them does an event match? docs/architecture.md (Patterns)
// tells how it is built and why.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pattern/agreement.h"
#include "pattern/leaves.h"
#include "pattern/predicates.h"
#include "pattern/rule.h"

namespace tarn::pattern {

using RuleId = std::uint64_t;  // the caller's

// What one event needs while it is matched. One for each thread; serves any number of rule sets in turn.
class Scratch {
public:
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

private:
    friend class RuleIndex;
    void begin(const class RuleIndex& index);

    Leaves leaves_;
    // By id, with the number of the event for which they hold: older ones say nothing.
    std::vector<std::uint32_t> predicates_;  // 8 * event + 4 if woken + Truth
    std::vector<std::uint32_t> values_;      // event in which the value stands at its path
    std::vector<std::uint32_t> rules_;       // event that the rule matched, for rules with alternatives
    std::uint32_t event_ = 0;
    std::string folded_;
    Agreement agreement_;
    std::vector<PathId> paths_;
    std::vector<ElementId> satisfying_, all_;
};

// add and remove cost O(the rule), on average. match is const: any number of threads may call it, each with
// its own Scratch, while none changes the index (rule_set.h does without that "while").
class RuleIndex {
public:
    RuleIndex();
    ~RuleIndex();
    RuleIndex(const RuleIndex&) = delete;
    RuleIndex& operator=(const RuleIndex&) = delete;

    void add(RuleId id, const Rule& rule);  // replaces a rule of that id
    bool remove(RuleId id);                 // false: there is none
    std::size_t size() const { return slots_by_id_.size(); }
    // Appends the ids of the rules that match, each once, in no particular order. `document` is validated
    // JSON; for other bytes the answer is some answer. Nothing matches what is not an object.
    void match(std::string_view document, Scratch& scratch, std::vector<RuleId>& out) const;

private:
    friend class Scratch;
    struct Conjunction;
    struct Group;
    struct Child;
    class Matcher;
    struct Slot {
        RuleId id = 0;
        std::uint32_t first = 0;  // conjunction
        bool has_alternatives = false;
    };

    std::uint32_t add_alternative(const Alternative& alternative, std::uint32_t slot);
    void remove_conjunction(std::uint32_t conjunction);
    bool order_fields(std::vector<const Field*>& fields) const;
    bool is_by_branches(const Conjunction& conjunction) const;
    Group& access_group(PredicateId access);
    void place(std::uint32_t conjunction, Group& group);
    void place_here(std::uint32_t conjunction, Group& group);
    Group& child_for(std::uint32_t conjunction, Group& group);
    void split(Group& group);
    void drop_if_empty(Group* group);

    Predicates predicates_;
    std::vector<std::unique_ptr<Group>> access_;  // by predicate: the conjunctions it wakes
    std::unique_ptr<Group> always_;               // those that nothing wakes
    std::vector<Conjunction> conjunctions_;       // ids begin with 1
    std::vector<std::uint32_t> free_conjunctions_;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::unordered_map<RuleId, std::uint32_t> slots_by_id_;
};

}  // namespace tarn::pattern
