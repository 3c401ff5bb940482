#include "pattern/rule_index.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tarn::pattern {

// One alternative of a rule: all of its predicates hold.
struct RuleIndex::Conjunction {
    std::uint32_t slot = 0;
    std::uint32_t next = 0;      // of the same rule
    std::uint32_t count = 0;     // of predicates
    std::uint32_t position = 0;  // in the group's list
    bool by_branches = true;     // see Agreement
    Group* group = nullptr;
    // Twice `count`: in the order of the fields, then in the order in which they are asked. The second begins
    // with the one that wakes the conjunction (unless none does), then those on the way to its group.
    std::unique_ptr<PredicateId[]> predicates;

    PredicateId* asked() const { return predicates.get() + count; }
};

struct RuleIndex::Child {
    PredicateId predicate;
    std::unique_ptr<Group> group;
};

// Conjunctions that begin with the same predicates. A small group is a list. A large one is split by one more
// predicate, the most shared first, so that one that is false rules out all conjunctions below it.
struct RuleIndex::Group {
    Group* parent = nullptr;
    PredicateId predicate = 0;  // on the way from the parent, or the one that wakes; 0: always
    std::uint32_t depth = 0;    // predicates known to be true here
    bool is_split = false;
    std::vector<std::uint32_t> conjunctions;  // when split: those without any more predicates
    // Plain predicates (a value, nothing else) stand apart: when there are many, those that are true are
    // found from the event's values instead of being asked one by one.
    struct Children {
        std::vector<Child> list;
        std::unordered_map<PredicateId, std::uint32_t> positions;  // once there are more than a few
    };
    Children plain, other;
    std::vector<std::pair<PathId, std::uint32_t>> plain_paths;  // of the plain children, with their number
};

namespace {

constexpr std::size_t few_children = 8;
constexpr std::size_t most_in_list = 8;
constexpr std::uint32_t deepest_split = 64;

}  // namespace

RuleIndex::RuleIndex() : always_(std::make_unique<Group>()), conjunctions_(1), slots_(1) {}

RuleIndex::~RuleIndex() = default;

// ---- add

// Dots sort before everything, so that what is below a path stands right behind it.
static bool is_branch_before(std::string_view a, std::string_view b) {
    return std::ranges::lexicographical_compare(a, b, [](char x, char y) {
        const auto rank = [](char c) {
            return c == '.' ? -1 : static_cast<int>(static_cast<unsigned char>(c));
        };
        return rank(x) < rank(y);
    });
}

// Only `absent` depends on the order of fields; without it we take the order that is easiest to match.
bool RuleIndex::order_fields(std::vector<const Field*>& fields) const {
    const bool depends = std::ranges::any_of(fields, [](const Field* field) {
        return std::ranges::any_of(field->tests,
                                   [](const Test& test) { return test.kind == Test::Kind::absent; });
    });
    if (!depends)
        std::ranges::stable_sort(
            fields, [](const Field* a, const Field* b) { return is_branch_before(a->path, b->path); });
    return depends;
}

bool RuleIndex::is_by_branches(const Conjunction& conjunction) const {
    const Paths& paths = predicates_.paths();
    std::unordered_map<PathId, std::uint32_t> last;
    for (std::uint32_t i = 0; i < conjunction.count; ++i) {
        PathId at = predicates_[conjunction.predicates[i]].path;
        for (; at != root_path; at = paths.parent(at)) {
            const auto [known, is_new] = last.try_emplace(at, i);
            if (!is_new && known->second + 1 < i) return false;
            known->second = i;
        }
    }
    return true;
}

void RuleIndex::add(RuleId id, const Rule& rule) {
    remove(id);
    std::uint32_t slot = 0;
    if (free_slots_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        slot = free_slots_.back();
        free_slots_.pop_back();
    }
    slots_[slot] = {.id = id, .first = 0, .has_alternatives = rule.alternatives.size() > 1};
    for (const Alternative& alternative : rule.alternatives) {
        const std::uint32_t conjunction = add_alternative(alternative, slot);
        conjunctions_[conjunction].next = slots_[slot].first;
        slots_[slot].first = conjunction;
    }
    slots_by_id_.emplace(id, slot);
}

std::uint32_t RuleIndex::add_alternative(const Alternative& alternative, std::uint32_t slot) {
    std::uint32_t id = 0;
    if (free_conjunctions_.empty()) {
        id = static_cast<std::uint32_t>(conjunctions_.size());
        conjunctions_.emplace_back();
    } else {
        id = free_conjunctions_.back();
        free_conjunctions_.pop_back();
    }
    std::vector<const Field*> fields;
    for (const Field& field : alternative.fields) fields.push_back(&field);
    const bool depends_on_order = order_fields(fields);

    Conjunction& conjunction = conjunctions_[id];
    conjunction = Conjunction{.slot = slot, .count = static_cast<std::uint32_t>(fields.size())};
    conjunction.predicates = std::make_unique<PredicateId[]>(2 * fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i)
        conjunction.predicates[i] = predicates_.acquire(*fields[i]);
    if (depends_on_order) conjunction.by_branches = is_by_branches(conjunction);

    // The rarest first: it wakes the conjunction, and the others are quickly found false.
    std::vector<std::pair<double, PredicateId>> costs;
    for (std::size_t i = 0; i < fields.size(); ++i)
        costs.emplace_back(predicates_.cost(conjunction.predicates[i]), conjunction.predicates[i]);
    std::ranges::stable_sort(costs, {}, &std::pair<double, PredicateId>::first);
    for (std::size_t i = 0; i < costs.size(); ++i) conjunction.asked()[i] = costs[i].second;
    const bool has_access = !costs.empty() && costs.front().first != std::numeric_limits<double>::infinity();
    place(id, has_access ? access_group(costs.front().second) : *always_);
    return id;
}

RuleIndex::Group& RuleIndex::access_group(PredicateId access) {
    if (access_.size() < predicates_.size()) access_.resize(predicates_.size());
    auto& group = access_[access];
    if (!group) {
        group = std::make_unique<Group>();
        group->predicate = access;
        group->depth = 1;
        predicates_.list(access);
    }
    return *group;
}

void RuleIndex::place_here(std::uint32_t id, Group& group) {
    Conjunction& conjunction = conjunctions_[id];
    conjunction.group = &group;
    conjunction.position = static_cast<std::uint32_t>(group.conjunctions.size());
    group.conjunctions.push_back(id);
}

void RuleIndex::place(std::uint32_t id, Group& group) {
    Group* at = &group;
    while (at->is_split && conjunctions_[id].count > at->depth) at = &child_for(id, *at);
    place_here(id, *at);
    if (!at->is_split && at->conjunctions.size() > most_in_list && at->depth < deepest_split) split(*at);
}

// The group below by the conjunction's most shared predicate; it moves to its place among those asked.
RuleIndex::Group& RuleIndex::child_for(std::uint32_t id, Group& group) {
    const Conjunction& conjunction = conjunctions_[id];
    PredicateId* const from = conjunction.asked() + group.depth;
    PredicateId* const to = conjunction.asked() + conjunction.count;
    PredicateId* const most = std::max_element(
        from, to, [this](PredicateId a, PredicateId b) { return predicates_[a].uses < predicates_[b].uses; });
    std::rotate(from, most, most + 1);
    const PredicateId predicate = *from;

    Group::Children& children = predicates_[predicate].is_plain() ? group.plain : group.other;
    if (children.positions.empty()) {
        for (const Child& child : children.list)
            if (child.predicate == predicate) return *child.group;
    } else if (const auto known = children.positions.find(predicate); known != children.positions.end()) {
        return *children.list[known->second].group;
    }
    children.list.push_back({predicate, std::make_unique<Group>()});
    Group& child = *children.list.back().group;
    child.parent = &group;
    child.predicate = predicate;
    child.depth = group.depth + 1;
    if (!children.positions.empty() || children.list.size() > few_children) {
        for (std::size_t i = children.positions.size(); i < children.list.size(); ++i)
            children.positions.emplace(children.list[i].predicate, static_cast<std::uint32_t>(i));
    }
    if (&children == &group.plain) {
        const PathId path = predicates_[predicate].path;
        const auto known =
            std::ranges::find(group.plain_paths, path, &std::pair<PathId, std::uint32_t>::first);
        if (known == group.plain_paths.end())
            group.plain_paths.emplace_back(path, 1);
        else
            ++known->second;
    }
    return child;
}

void RuleIndex::split(Group& group) {
    const bool all_end_here = std::ranges::all_of(
        group.conjunctions, [&](std::uint32_t id) { return conjunctions_[id].count == group.depth; });
    if (all_end_here) return;
    group.is_split = true;
    const std::vector<std::uint32_t> conjunctions = std::exchange(group.conjunctions, {});
    for (const std::uint32_t id : conjunctions) place(id, group);
}

// ---- remove

bool RuleIndex::remove(RuleId id) {
    const auto found = slots_by_id_.find(id);
    if (found == slots_by_id_.end()) return false;
    const std::uint32_t slot = found->second;
    for (std::uint32_t at = slots_[slot].first; at != 0;) {
        const std::uint32_t next = conjunctions_[at].next;
        remove_conjunction(at);
        at = next;
    }
    slots_[slot] = Slot{};
    free_slots_.push_back(slot);
    slots_by_id_.erase(found);
    return true;
}

void RuleIndex::remove_conjunction(std::uint32_t id) {
    Conjunction& conjunction = conjunctions_[id];
    Group* const group = conjunction.group;
    const std::uint32_t moved = group->conjunctions.back();
    group->conjunctions[conjunction.position] = moved;
    conjunctions_[moved].position = conjunction.position;
    group->conjunctions.pop_back();
    drop_if_empty(group);
    for (std::uint32_t i = 0; i < conjunction.count; ++i) predicates_.release(conjunction.predicates[i]);
    conjunction = Conjunction{};
    free_conjunctions_.push_back(id);
}

void RuleIndex::drop_if_empty(Group* group) {
    while (group->conjunctions.empty() && group->plain.list.empty() && group->other.list.empty()) {
        Group* const parent = group->parent;
        const PredicateId predicate = group->predicate;
        if (parent == nullptr) {
            group->is_split = false;
            if (group == always_.get()) return;
            predicates_.unlist(predicate);
            access_[predicate].reset();
            return;
        }
        const bool is_plain = predicates_[predicate].is_plain();
        Group::Children& children = is_plain ? parent->plain : parent->other;
        std::size_t at = 0;
        if (children.positions.empty()) {
            while (children.list[at].predicate != predicate) ++at;
        } else {
            at = children.positions.at(predicate);
            children.positions.erase(predicate);
            if (at + 1 != children.list.size())
                children.positions[children.list.back().predicate] = static_cast<std::uint32_t>(at);
        }
        std::swap(children.list[at], children.list.back());
        children.list.pop_back();
        if (is_plain) {
            const auto path = std::ranges::find(parent->plain_paths, predicates_[predicate].path,
                                                &std::pair<PathId, std::uint32_t>::first);
            if (--path->second == 0) parent->plain_paths.erase(path);
        }
        group = parent;
    }
}

// ---- match

void Scratch::begin(const RuleIndex& index) {
    // Three bits beside the number.
    if (++event_ == 1u << 29) {
        for (auto* marks : {&predicates_, &values_, &rules_}) marks->clear();
        event_ = 1;
    }
    const auto fit = [](std::vector<std::uint32_t>& marks, std::size_t size) {
        if (marks.size() < size) marks.resize(size);
    };
    fit(predicates_, index.predicates_.size());
    fit(values_, index.predicates_.keys().size());
    fit(rules_, index.slots_.size());
}

// One event's way through the index.
class RuleIndex::Matcher {
public:
    Matcher(const RuleIndex& index, Scratch& scratch, std::vector<RuleId>& out)
        : index_(index),
          predicates_(index.predicates_),
          scratch_(scratch),
          leaves_(scratch.leaves_),
          out_(out) {}

    void run() {
        for (Leaf& leaf : leaves_.all()) {
            leaf.value = predicates_.value_of(leaf);
            if (leaf.value == 0) continue;
            leaf.repeats = scratch_.values_[leaf.value] == scratch_.event_;
            scratch_.values_[leaf.value] = scratch_.event_;
        }
        for (Leaf& leaf : leaves_.all())
            predicates_.for_each_candidate(leaf, scratch_.folded_, [this](const Posting& posting) {
                wake(posting.predicate, posting.sure != 0);
            });
        descend(*index_.always_);
    }

private:
    enum Truth : std::uint32_t { unknown = 0, no = 1, yes = 2 };
    static constexpr std::uint32_t truth_bits = 3, woken = 4;

    // The predicate's mark, made one of this event.
    std::uint32_t& mark(PredicateId predicate) {
        std::uint32_t& mark = scratch_.predicates_[predicate];
        if (mark / 8 != scratch_.event_) mark = 8 * scratch_.event_;
        return mark;
    }

    // A leaf says that the predicate is true, or may be. What is unsure is looked into last when few depend
    // on it: whatever else they ask for is cheaper.
    void wake(PredicateId predicate, bool sure) {
        std::uint32_t& mark = this->mark(predicate);
        if ((mark & woken) != 0) return;
        mark |= woken;
        if (sure) mark = (mark & ~truth_bits) | yes;
        const Group& group = *index_.access_[predicate];
        if (!sure && (group.is_split || group.conjunctions.size() > 2) && !is_true(predicate)) return;
        descend(group);
    }

    bool is_true(PredicateId predicate) {
        std::uint32_t& mark = this->mark(predicate);
        if ((mark & truth_bits) == unknown) mark |= find_out(predicate) ? yes : no;
        return (mark & yes) != 0;
    }

    bool stands(std::uint32_t value) const { return scratch_.values_[value] == scratch_.event_; }

    // Of some leaf or of absence, whatever array elements that takes.
    bool find_out(PredicateId id) {
        const Predicate& predicate = predicates_[id];
        if (predicate.is_plain()) return stands(predicate.value);
        const std::uint32_t first = leaves_.first(predicate.path);
        if (first == no_leaf) return predicate.may_be_absent;
        if (predicate.exists) return true;
        for (const std::uint32_t value : predicate.values)
            if (stands(value)) return true;
        bool all_in_elements = true;
        for (std::uint32_t at = first; at != no_leaf; at = leaves_[at].next) {
            if (!predicate.others.empty() && predicates_.holds_of(id, leaves_[at])) return true;
            all_in_elements = all_in_elements && leaves_[at].element != whole_event;
        }
        return predicate.may_be_absent && all_in_elements;
    }

    void descend(const Group& group) {
        for (const std::uint32_t id : group.conjunctions) {
            const Conjunction& conjunction = index_.conjunctions_[id];
            const PredicateId* const asked = conjunction.asked();
            std::uint32_t at = group.depth;
            while (at != conjunction.count && is_true(asked[at])) ++at;
            if (at == conjunction.count) found(conjunction);
        }
        if (!group.is_split) return;
        for (const Child& child : group.other.list)
            if (is_true(child.predicate)) descend(*child.group);
        if (group.plain.positions.empty()) {
            for (const Child& child : group.plain.list)
                if (is_true(child.predicate)) descend(*child.group);
            return;
        }
        for (const auto& [path, count] : group.plain_paths) descend_by_values(group, path);
    }

    void descend_by_values(const Group& group, PathId path) {
        for (std::uint32_t at = leaves_.first(path); at != no_leaf; at = leaves_[at].next) {
            const Leaf& leaf = leaves_[at];
            if (leaf.value == 0 || leaf.repeats) continue;
            const auto child = group.plain.positions.find(predicates_.keys()[leaf.value].plain);
            if (child != group.plain.positions.end()) descend(*group.plain.list[child->second].group);
        }
    }

    void found(const Conjunction& conjunction) {
        if (!is_true(*conjunction.asked())) return;
        if (leaves_.has_elements() && !agrees(conjunction)) return;
        const Slot& slot = index_.slots_[conjunction.slot];
        if (slot.has_alternatives) {
            std::uint32_t& mark = scratch_.rules_[conjunction.slot];
            if (mark == scratch_.event_) return;
            mark = scratch_.event_;
        }
        out_.push_back(slot.id);
    }

    // Every predicate is true by itself; are they together, in one choice of array elements?
    bool agrees(const Conjunction& conjunction) {
        bool matters = false;
        scratch_.paths_.clear();
        for (std::uint32_t i = 0; i < conjunction.count; ++i) {
            scratch_.paths_.push_back(predicates_[conjunction.predicates[i]].path);
            matters = matters || leaves_.has_elements(scratch_.paths_.back());
        }
        if (!matters) return true;
        Agreement& agreement = scratch_.agreement_;
        agreement.begin(leaves_, predicates_.paths(), scratch_.paths_, conjunction.by_branches);
        for (std::uint32_t i = 0; i < conjunction.count; ++i) {
            const PredicateId id = conjunction.predicates[i];
            const Predicate& predicate = predicates_[id];
            scratch_.satisfying_.clear();
            scratch_.all_.clear();
            for (std::uint32_t at = leaves_.first(predicate.path); at != no_leaf; at = leaves_[at].next) {
                Leaf& leaf = leaves_[at];
                if (predicate.may_be_absent) scratch_.all_.push_back(leaf.element);
                if (predicates_.holds_of(id, leaf)) scratch_.satisfying_.push_back(leaf.element);
            }
            if (!agreement.take(scratch_.satisfying_, predicate.may_be_absent, scratch_.all_)) return false;
        }
        return true;
    }

    const RuleIndex& index_;
    const Predicates& predicates_;
    Scratch& scratch_;
    Leaves& leaves_;
    std::vector<RuleId>& out_;
};

void RuleIndex::match(std::string_view document, Scratch& scratch, std::vector<RuleId>& out) const {
    scratch.begin(*this);
    scratch.leaves_.read(document, predicates_.paths());
    if (scratch.leaves_.is_object()) Matcher(*this, scratch, out).run();
}

}  // namespace tarn::pattern
