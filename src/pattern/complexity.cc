// The measure of wildcards that Event Ruler's MachineComplexityEvaluator takes, found by experiment: no
// difference in 9,000 random lists of ASCII, and 25 in 30,000 patterns whose $or branches repeat wildcards
// among other values, two of them at the limit. One field's wildcards are put into one automaton of bytes, as
// they stand between quotes. After some text a number of its edges are under way: the stars that still run,
// and the edges that the last byte took. Each counts for the patterns that it can lead to. The measure is the
// largest such sum that any text can cause.
#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pattern/compile.h"

namespace tarn::pattern {
namespace {

constexpr int kStar = 256, kQuote = '"';

bool is_wildcard(const Test& test) {
    return test.kind == Test::Kind::wildcard ||
           (test.kind == Test::Kind::anything_but && test.except.front().kind == Test::Kind::wildcard);
}

template <typename T>
void append_bytes(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_text(std::string& out, const std::string& text) {
    append_bytes(out, text.size());
    out += text;
}

// Equal for tests that mean the same.
std::string identity(const Test& test) {
    std::string out(1, static_cast<char>(test.kind));
    append_text(out, test.text);
    append_text(out, test.spelled);
    append_bytes(out, test.low);
    append_bytes(out, test.high);
    append_bytes(out, test.low_closed);
    append_bytes(out, test.high_closed);
    append_bytes(out, test.from.bytes);
    append_bytes(out, test.to.bytes);
    for (const std::string& part : test.parts) append_text(out, part);
    std::set<std::string> except;
    for (const Test& one : test.except) except.insert(identity(one));
    for (const std::string& one : except) append_text(out, one);
    return out;
}

// A number that a double holds is two values to Event Ruler: its size, and its spelling.
std::vector<std::string> identities(const Test& test) {
    if (test.kind != Test::Kind::number || !test.comparable) return {identity(test)};
    Test size = test, spelling = test;
    size.text.clear();
    spelling.low = 0;
    return {identity(size), identity(spelling)};
}

using Symbols = std::vector<int>;

Symbols symbols_of(const Test& wildcard) {
    Symbols symbols{kQuote};
    for (const std::string& part : wildcard.parts) {
        if (&part != &wildcard.parts.front()) symbols.push_back(kStar);
        for (const char byte : part) symbols.push_back(static_cast<unsigned char>(byte));
    }
    symbols.push_back(kQuote);
    return symbols;
}

// A letter, or the first byte of one beyond ASCII.
bool is_letter(int symbol) {
    constexpr int kFirstLead = 0xC2;
    const int lower = symbol | 0x20;
    return symbol < 0x80 ? lower >= 'a' && lower <= 'z' : symbol >= kFirstLead && symbol < kStar;
}

// The wildcards of one field. A node stands for the edge that leads to it.
class Automaton {
public:
    explicit Automaton(int at_most) : at_most_(at_most) {}

    // A pattern: equal ones have one id; how often it was added, and to how many states it leads.
    struct Added {
        int id, times, ends;
    };
    void add(const Test& test, const Added& added) {
        ends_.push_back(added.ends);
        if (test.kind == Test::Kind::wildcard) return insert(symbols_of(test), added);
        std::set<Symbols> words;
        for (const Test& except : test.except) words.insert(symbols_of(except));
        for (const Symbols& word : words) insert(word, added);
    }

    int measure() {
        std::set<Nodes> seen;
        std::vector<Nodes> waiting{with_stars({0})};
        int most = 0;
        while (!waiting.empty()) {
            const Nodes nodes = std::move(waiting.back());
            waiting.pop_back();
            if (!seen.insert(nodes).second) continue;
            most = std::max(most, weight(nodes));
            // Beyond any pattern that is meant; keeps the time within bounds.
            constexpr std::size_t kMostSeen = 20'000;
            if (most >= at_most_ || seen.size() > kMostSeen) return at_most_;
            for (Nodes& next : after(nodes)) waiting.push_back(std::move(next));
        }
        return most;
    }

private:
    using Nodes = std::vector<int>;  // sorted

    struct Node {
        int symbol = 0;
        std::map<int, int> children;
        std::set<int> ids;
        int words = 0;            // that pass here, equal ones counted each
        bool after_star = false;  // or a star
        bool apart = false;       // equal words have each a node of their own, in Event Ruler
    };

    void insert(const Symbols& word, const Added& added) {
        std::size_t at = 0;
        for (const int symbol : word) {
            const auto [child, is_new] =
                nodes_[at].children.try_emplace(symbol, static_cast<int>(nodes_.size()));
            const auto next = static_cast<std::size_t>(child->second);
            if (is_new) {
                const Node& from = nodes_[at];
                Node node{.symbol = symbol, .after_star = from.after_star || symbol == kStar};
                node.apart = from.apart || (from.after_star && is_letter(symbol));
                nodes_.push_back(std::move(node));
            }
            nodes_[next].ids.insert(added.id);
            nodes_[next].words += added.times;
            at = next;
        }
    }

    const Node& node(int at) const { return nodes_[static_cast<std::size_t>(at)]; }

    // A star counts as soon as what stands before it has been read.
    Nodes with_stars(Nodes nodes) const {
        const std::size_t size = nodes.size();
        for (std::size_t i = 0; i < size; ++i)
            if (const auto star = node(nodes[i]).children.find(kStar); star != node(nodes[i]).children.end())
                nodes.push_back(star->second);
        std::ranges::sort(nodes);
        nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
        return nodes;
    }

    int weight(const Nodes& nodes) const {
        std::map<int, int> ended;
        std::size_t sum = 0;
        for (const int at : nodes) {
            if (at == 0) continue;
            const Node& one = node(at);
            if (one.children.empty())
                for (const int id : one.ids)
                    ended[id] = std::max(ended[id], one.apart ? ends_[static_cast<std::size_t>(id)] : 1);
            else
                sum += one.apart ? static_cast<std::size_t>(one.words) : one.ids.size();
        }
        for (const auto& [id, times] : ended) sum += static_cast<std::size_t>(times);
        return static_cast<int>(std::min(sum, static_cast<std::size_t>(at_most_)));
    }

    // What is under way after one byte more: for each byte that matters, and for one that does not.
    std::vector<Nodes> after(const Nodes& nodes) const {
        std::map<int, Nodes> by_byte;
        Nodes stars;
        for (const int at : nodes) {
            if (node(at).symbol == kStar) stars.push_back(at);
            for (const auto& [symbol, child] : node(at).children)
                if (symbol != kStar) by_byte[symbol].push_back(child);
        }
        std::vector<Nodes> all;
        if (!stars.empty()) all.push_back(with_stars(stars));
        for (auto& [symbol, taken] : by_byte) {
            taken.insert(taken.end(), stars.begin(), stars.end());
            all.push_back(with_stars(std::move(taken)));
        }
        return all;
    }

    int at_most_;
    std::vector<Node> nodes_{1};
    std::vector<int> ends_;
};

// Equal wildcards share one place in Event Ruler's machine unless a letter follows a star; such a one leads
// to a state of its own each time that it is added.
bool is_apart(const Test& wildcard) {
    const auto has_letter = [](const std::string& part) {
        return std::ranges::any_of(part, [](char c) { return is_letter(static_cast<unsigned char>(c)); });
    };
    if (wildcard.kind == Test::Kind::anything_but) return std::ranges::all_of(wildcard.except, is_apart);
    return std::any_of(wildcard.parts.begin() + 1, wildcard.parts.end(), has_letter);
}

// The states in which Event Ruler waits for a field, shared between alternatives as it shares them. An
// alternative goes from state to state, field by field: a value that a state knows leads where it led before,
// any other where the value before it in its list leads, and the first of a list to a new state.
class StateGraph {
public:
    explicit StateGraph(int at_most) : at_most_(at_most) {}

    // False when the graph grows beyond any pattern that is meant.
    bool add(const Alternative& alternative) {
        std::vector<std::size_t> at{0};
        for (const Field& field : alternative.fields) {
            std::vector<std::size_t> next;
            constexpr std::size_t kMostExtra = 500'000;
            extra_ += (at.size() - 1) * field.tests.size();
            if (extra_ > kMostExtra) return false;
            for (const std::size_t state : at) std::ranges::copy(add(field, state), std::back_inserter(next));
            at = std::move(next);
        }
        return true;
    }

    int measure() {
        int most = 0;
        for (const auto& machines : states_)
            for (const auto& [path, machine] : machines) {
                most = std::max(most, measure(machine));
                if (most >= at_most_) return at_most_;
            }
        return most;
    }

private:
    struct Wildcard {
        const Test* test = nullptr;
        int times = 0;  // that it was added
        std::set<std::size_t> next;
    };
    // The values of one path in one state.
    struct Machine {
        std::map<std::string, std::size_t> next;  // by identity
        std::map<std::string, Wildcard> wildcards;
    };

    std::set<std::size_t> add(const Field& field, std::size_t state) {
        std::set<std::size_t> next;
        std::optional<std::size_t> last;
        Machine& machine = states_[state][field.path];
        for (const Test& test : field.tests)
            for (std::string& value : identities(test)) {
                const auto known = machine.next.find(value);
                const bool leads_apart = is_wildcard(test) && is_apart(test);
                if (known != machine.next.end() && !leads_apart)
                    last = known->second;
                else if (!last)
                    last = new_state();
                if (is_wildcard(test)) {
                    Wildcard& wildcard = machine.wildcards[value];
                    wildcard.test = &test;
                    wildcard.next.insert(*last);
                    ++wildcard.times;
                }
                if (known == machine.next.end()) machine.next.emplace(std::move(value), *last);
                next.insert(*last);
            }
        return next;
    }

    std::size_t new_state() {
        states_.emplace_back();
        return states_.size() - 1;
    }

    // Many states ask for the same.
    int measure(const Machine& machine) {
        if (machine.wildcards.empty()) return 0;
        // The first quote leads to all.
        if (machine.wildcards.size() >= static_cast<std::size_t>(at_most_)) return at_most_;
        std::string all;
        for (const auto& [value, wildcard] : machine.wildcards) {
            append_text(all, value);
            append_bytes(all, wildcard.times);
            append_bytes(all, wildcard.next.size());
        }
        const auto [measured, is_new] = measured_.try_emplace(std::move(all), 0);
        if (!is_new) return measured->second;
        Automaton automaton(at_most_);
        int id = 0;
        for (const auto& [value, wildcard] : machine.wildcards)
            automaton.add(*wildcard.test, {id++, wildcard.times, static_cast<int>(wildcard.next.size())});
        return measured->second = automaton.measure();
    }

    int at_most_;
    std::size_t extra_ = 0;  // tests added beyond those of the alternatives
    std::deque<std::map<std::string_view, Machine>> states_{1};  // by path; grows while a machine is held
    std::unordered_map<std::string, int> measured_;
};

bool has_wildcard(const Rule& rule) {
    return std::ranges::any_of(rule.alternatives, [](const Alternative& alternative) {
        return std::ranges::any_of(alternative.fields, [](const Field& field) {
            return std::ranges::any_of(field.tests, is_wildcard);
        });
    });
}

}  // namespace

int wildcard_complexity(const Rule& rule, int at_most) {
    if (!has_wildcard(rule)) return 0;
    StateGraph graph(at_most);
    for (const Alternative& alternative : rule.alternatives)
        if (!graph.add(alternative)) return at_most;
    return graph.measure();
}

}  // namespace tarn::pattern
