#include "verify/json_comparison.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::verify {
namespace {

using codec::Json;
using codec::JsonType;

// "data.items[2].price" → "data.items.price"
std::string without_indices(std::string_view path) {
    std::string plain;
    bool in_index = false;
    for (const char c : path) {
        if (c == '[') in_index = true;
        if (!in_index) plain += c;
        if (c == ']') in_index = false;
    }
    return plain;
}

std::string_view last_name(std::string_view plain) { return plain.substr(plain.rfind('.') + 1); }

class Comparison {
public:
    Comparison(const Leniency& leniency, const std::function<bool(const PathDifference&)>& fn)
        : leniency_(leniency), fn_(fn) {}

    bool is_equal() const { return is_equal_; }

    void compare(const Json& before, const Json& after) {
        if (is_over_) return;
        if (before.type() != after.type()) return differ(&before, &after);
        switch (before.type()) {
            case JsonType::object:
                return compare_objects(before, after);
            case JsonType::array:
                return compare_arrays(before, after);
            case JsonType::number:
                if (before.as_string() == after.as_string() ||
                    state::are_equal_numbers(before.as_string(), after.as_string()))
                    return;
                return differ(&before, &after);
            default:
                if (!(before == after)) differ(&before, &after);
        }
    }

private:
    void compare_objects(const Json& before, const Json& after) {
        for (const auto& [name, value] : before.members()) {
            const Step step(*this, path_.empty() ? name : "." + name);
            if (after.has(name))
                compare_member(value, after[name]);
            else
                differ(&value, nullptr);
        }
        for (const auto& [name, value] : after.members()) {
            if (before.has(name)) continue;
            const Step step(*this, path_.empty() ? name : "." + name);
            differ(nullptr, &value);
        }
    }

    // What is ignored is not looked into.
    void compare_member(const Json& before, const Json& after) {
        if (!leniency_.ignored.empty() && leniency_.ignores(path_)) return;
        compare(before, after);
    }

    void compare_arrays(const Json& before, const Json& after) {
        const std::size_t both = std::min(before.size(), after.size());
        for (std::size_t i = 0; i < std::max(before.size(), after.size()) && !is_over_; ++i) {
            const Step step(*this, fmt::format("[{}]", i));
            if (i < both)
                compare(before.elements()[i], after.elements()[i]);
            else
                differ(i < before.size() ? &before.elements()[i] : nullptr,
                       i < after.size() ? &after.elements()[i] : nullptr);
        }
    }

    void differ(const Json* before, const Json* after) {
        if (is_over_ || leniency_.ignores(path_)) return;
        if (before && after && leniency_.covers(path_, before->as_string(), after->as_string())) return;
        is_equal_ = false;
        PathDifference difference{path_, {}, {}};
        if (before) difference.before = before->dump();
        if (after) difference.after = after->dump();
        is_over_ = !fn_(difference);
    }

    // Lengthens the path for as long as it lives.
    class Step {
    public:
        Step(Comparison& comparison, const std::string& part)
            : path_(comparison.path_), length_(comparison.path_.size()) {
            path_ += part;
        }
        ~Step() { path_.resize(length_); }
        Step(const Step&) = delete;
        Step& operator=(const Step&) = delete;

    private:
        std::string& path_;
        std::size_t length_;
    };

    const Leniency& leniency_;
    const std::function<bool(const PathDifference&)>& fn_;
    std::string path_;
    bool is_equal_ = true, is_over_ = false;
};

}  // namespace

bool Leniency::ignores(std::string_view path) const {
    if (ignored.empty()) return false;
    const std::string plain = without_indices(path);
    return std::ranges::any_of(ignored, [&plain](const std::string& name) {
        return name == plain || (name.find('.') == std::string::npos && name == last_name(plain));
    });
}

bool Leniency::covers(std::string_view path, std::string_view a, std::string_view b) const {
    if (tolerances.empty()) return false;
    const std::string plain = without_indices(path);
    return tolerances.covers(plain, a, b) || tolerances.covers(last_name(plain), a, b);
}

bool compare_json(const Json& before, const Json& after, const Leniency& leniency,
                  const std::function<bool(const PathDifference&)>& fn) {
    Comparison comparison(leniency, fn);
    comparison.compare(before, after);
    return comparison.is_equal();
}

bool compare_texts(std::string_view before, std::string_view after, const Leniency& leniency,
                   const std::function<bool(const PathDifference&)>& fn) {
    if (before == after) return true;
    const auto left = Json::parse(before), right = Json::parse(after);
    if (left && right) return compare_json(*left, *right, leniency, fn);
    fn({"", std::string(before), std::string(after)});
    return false;
}

}  // namespace tarn::verify
