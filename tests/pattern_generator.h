// Pattern/event pairs by chance, the same for the same seed and compiler: patterns are made from an event's
// own leaves, so that they match about as often as not, in every operator and every odd spelling that the
// language knows, and are now and then wrong in every way that it refuses.
#pragma once

#include <algorithm>

#include "pattern_tests.h"

namespace tarn::test {

struct Pair {
    std::string pattern;  // mostly valid; now and then not even JSON
    std::string event;    // always valid JSON, an object
};

class PatternGenerator : PatternTests {
public:
    explicit PatternGenerator(std::uint64_t seed) : PatternTests(seed) {}

    Pair next() {
        leaves_.clear();
        fold_odd_ = chance_.percent(2);
        spaced_ = chance_.percent(10);
        Pair pair;
        pair.event = object({}, 0);
        spaced_ = chance_.percent(10);
        broken_ = chance_.percent(12);
        pair.pattern = pattern();
        if (chance_.percent(2)) scratch(pair.pattern);
        return pair;
    }

private:
    using Path = std::vector<std::string>;
    struct Leaf {
        Path path;
        Scalar scalar;
    };
    struct Target {
        Path path;
        std::string values;
    };

    // ---- events

    std::string object(const Path& path, int depth) {
        const std::size_t members = depth > 0 && chance_.percent(4) ? 0 : chance_.below(4) + 1;
        std::string out = "{";
        for (std::size_t i = 0; i < members; ++i) {
            Path inner = path;
            inner.push_back(key());
            if (i > 0) out += ",";
            out += space() + quoted(inner.back()) + space() + ":" + space() + value(inner, depth) + space();
        }
        return out + "}";
    }

    std::string array(const Path& path, int depth) {
        std::string out = "[";
        const std::size_t size = chance_.below(4) + (chance_.percent(90) ? 1 : 0);
        const bool objects = chance_.percent(60);
        for (std::size_t i = 0; i < size; ++i) {
            if (i > 0) out += "," + space();
            if (depth < 4 && objects && chance_.percent(85))
                out += object(path, depth + 1);
            else
                out += value(path, depth + 1);
        }
        return out + "]";
    }

    std::string value(const Path& path, int depth) {
        const std::size_t dice = chance_.below(100);
        if (depth < 3 && dice < 25) return object(path, depth + 1);
        if (depth < 4 && dice < 50) return array(path, depth + 1);
        const Scalar found = scalar();
        leaves_.push_back({path, found});
        return written(found);
    }
    // ---- patterns

    Target target() {
        if (leaves_.empty() || chance_.percent(15)) {
            Path path{key()};
            while (path.size() < 3 && chance_.percent(45)) path.push_back(key());
            return {path, chance_.percent(40) ? "[" + rule("exists", "false") + "]" : tests_of(scalar())};
        }
        const Leaf& leaf = chance_.of(leaves_);
        return {leaf.path, tests_of(leaf.scalar)};
    }

    Target small_target() { return {{key()}, tests_of(scalar())}; }

    std::string member(std::string_view name, const std::string& inner) {
        return quoted(name) + space() + ":" + space() + inner + space();
    }

    // `$or` over the targets from `first` on and some more.
    std::string alternatives(std::vector<Target>& targets, std::size_t first, int depth) {
        std::vector<std::string> all;
        while (first < targets.size() || all.size() < (chance_.percent(97) ? 2u : 1u)) {
            std::vector<Target> some;
            for (std::size_t n = chance_.below(2) + 1; n > 0; --n) {
                if (targets.size() > first) {
                    some.push_back(std::move(targets.back()));
                    targets.pop_back();
                } else {
                    some.push_back(depth == 0 ? target() : small_target());
                }
            }
            all.push_back(fields(std::move(some), depth + 1, depth > 0));
        }
        if (broken_ && chance_.percent(10)) all.push_back("1");
        return member("$or", list(all));
    }

    std::string fields(std::vector<Target> targets, int depth, bool below) {
        std::vector<std::string> members;
        if (chance_.percent(depth == 0 ? 18 : 7)) {
            const std::size_t first = chance_.below(targets.size() + 1);
            const std::string choice = alternatives(targets, first, depth + (below ? 1 : 0));
            targets.resize(first);
            members.push_back(choice);
        }
        while (!targets.empty()) {
            Target one = std::move(targets.back());
            targets.pop_back();
            while (one.path.size() > 1 && chance_.percent(12)) {
                one.path[0] += "." + one.path[1];
                one.path.erase(one.path.begin() + 1);
            }
            if (one.path.size() == 1) {
                members.push_back(member(one.path[0], one.values));
                continue;
            }
            const std::string name = one.path[0];
            one.path.erase(one.path.begin());
            std::vector<Target> inner{std::move(one)};
            for (std::size_t i = 0; i < targets.size();) {
                if (targets[i].path.size() < 2 || targets[i].path[0] != name || chance_.percent(8)) {
                    ++i;
                    continue;
                }
                targets[i].path.erase(targets[i].path.begin());
                inner.push_back(std::move(targets[i]));
                targets.erase(targets.begin() + static_cast<std::ptrdiff_t>(i));
            }
            members.push_back(member(name, fields(std::move(inner), depth + 1, true)));
        }
        if (broken_ && chance_.percent(10)) {
            static constexpr std::string_view wrong[] = {"{}",   "[]",    "1",    "\"a\"",
                                                         "null", "[[1]]", "true", "[{}]"};
            members.push_back(member(key(), std::string(chance_.of(wrong))));
        }
        if (chance_.percent(50)) std::ranges::reverse(members);
        std::string out = "{" + space();
        for (const std::string& one : members) out += one + ",";
        out.back() = '}';
        return out;
    }

    std::string pattern() {
        std::vector<Target> targets;
        for (std::size_t n = chance_.below(3) + 1; n > 0; --n) targets.push_back(target());
        return fields(std::move(targets), 0, false);
    }

    // One character more, less, or other.
    void scratch(std::string& text) {
        static constexpr std::string_view some[] = {"{", "}", "[", "]", "\"", ",",
                                                    ":", "0", "a", "e", "\\", " "};
        auto all = characters(text);
        const std::size_t at = chance_.below(all.size());
        switch (chance_.below(3)) {
            case 0:
                all[at].clear();
                break;
            case 1:
                all[at] += chance_.of(some);
                break;
            default:
                all[at] = chance_.of(some);
        }
        text = join(all, 0, all.size());
    }
    std::vector<Leaf> leaves_;
};

}  // namespace tarn::test
