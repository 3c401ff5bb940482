#include "pattern/leaves.h"

#include <cstring>

#include "codec/json.h"
#include "pattern/address.h"
#include "pattern/number.h"

namespace tarn::pattern {
namespace {

bool is_literal(std::string_view text) { return text == "true" || text == "false" || text == "null"; }

// What reads numbers may rely on their form, though the document may not have been validated.
bool is_number(std::string_view text) {
    std::size_t at = 0;
    const auto take = [&](char a, char b) {
        const bool is_there = at < text.size() && (text[at] == a || text[at] == b);
        at += is_there;
        return is_there;
    };
    const auto take_digits = [&] {
        const std::size_t from = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        return at != from;
    };
    take('-', '-');
    if (!take_digits() || (take('.', '.') && !take_digits())) return false;
    if (take('e', 'E')) {
        take('+', '-');
        if (!take_digits()) return false;
    }
    return at == text.size();
}

}  // namespace

std::optional<double> Leaf::number() {
    if (number_known_ == Known::not_yet) {
        const auto read = kind == Kind::number ? comparable_number(text) : std::nullopt;
        number_known_ = read ? Known::some : Known::none;
        number_ = read.value_or(0);
    }
    return number_known_ == Known::some ? std::optional(number_) : std::nullopt;
}

std::optional<Address> Leaf::address() {
    if (address_known_ == Known::not_yet) {
        const auto read = kind == Kind::string ? parse_address(text) : std::nullopt;
        address_known_ = read ? Known::some : Known::none;
        address_ = read.value_or(Address{});
    }
    return address_known_ == Known::some ? std::optional(address_) : std::nullopt;
}

void Leaves::read(std::string_view document, const Paths& paths) {
    begin(document, paths);
    if (!skip_space() || text_[at_] != '{') return;
    is_object_ = true;
    structure_.read(text_);
    ++at_;
    frames_.push_back({root_path, whole_event, 0, false});
    walk(paths);
}

void Leaves::begin(std::string_view document, const Paths& paths) {
    text_ = document;
    at_ = 0;
    if (++event_ == 0) {
        paths_.clear();
        event_ = 1;
    }
    if (paths_.size() < paths.size()) paths_.resize(paths.size());
    leaves_.clear();
    frames_.clear();
    elements_.clear();
    elements_.push_back({no_leaf, 0, root_path});
    arrays_ = 0;
    unescaped_.clear();
    is_object_ = has_elements_ = has_twin_arrays_ = false;
}

// From a key to its value. `path` comes as that of the object.
[[gnu::always_inline]] inline bool Leaves::take_key(const Paths& paths, PathId& path) {
    if (text_[at_] != '"') return false;
    const std::size_t from = at_ + 1;
    const std::size_t to = structure_.next_quote(from);
    if (to == text_.size()) return false;
    const std::string_view key = text_.substr(from, to - from);
    path = to != from && structure_.has_odd(from, to) ? odd_key(paths, path, key) : paths.child(path, key);
    at_ = to + 1;
    if (!skip_space() || text_[at_] != ':') return false;
    ++at_;
    return skip_space();
}

// Stops where the text is not JSON, or deeper than any that was validated.
void Leaves::walk(const Paths& paths) {
    while (!frames_.empty()) {
        if (!skip_space()) return;
        if (text_[at_] == '}' || text_[at_] == ']') {
            frames_.pop_back();
            ++at_;
        } else {
            const Frame& frame = frames_.back();
            PathId path = frame.path;
            if (!frame.is_array && !take_key(paths, path)) return;
            if (text_[at_] == '{' || text_[at_] == '[') {
                if (path != no_path &&
                    (paths.has_children(path) || (text_[at_] == '[' && paths.is_asked(path)))) {
                    if (!enter(paths, path)) return;
                    continue;
                }
                at_ = structure_.container_end(at_);
            } else {
                const std::size_t end = structure_.next_end(at_);
                if (path != no_path && paths.is_asked(path) && !take_scalar(path, frame.element, end)) return;
                at_ = end;
            }
        }
        if (!skip_space()) return;
        if (text_[at_] == ',') ++at_;
    }
}

PathId Leaves::odd_key(const Paths& paths, PathId path, std::string_view raw) {
    key_.clear();
    codec::append_unescaped(key_, raw);
    std::string_view rest = key_;
    for (;;) {
        const std::size_t dot = rest.find('.');
        path = paths.child(path, rest.substr(0, dot));
        if (path == no_path || dot == std::string_view::npos) return path;
        has_twin_arrays_ = true;
        rest.remove_prefix(dot + 1);
    }
}

// `at_` stands at the bracket of a container that may hold leaves.
bool Leaves::enter(const Paths& paths, PathId path) {
    if (frames_.size() == max_depth) return false;
    const Frame above = frames_.back();
    const bool is_array = text_[at_] == '[';
    ElementId element = above.element;
    if (above.is_array) {
        element = static_cast<ElementId>(elements_.size());
        elements_.push_back({above.element, above.array, above.path});
    }
    if (is_array) note_array(paths, path, element);
    frames_.push_back({path, element, is_array ? ++arrays_ : 0, is_array});
    ++at_;
    return true;
}

// `at_` stands at the first byte of a scalar and `end` at what follows it. False when it is none.
bool Leaves::take_scalar(PathId path, ElementId element, std::size_t end) {
    while (end > at_ && static_cast<unsigned char>(text_[end - 1]) <= ' ') --end;
    if (end == at_) return false;
    Leaf leaf;
    leaf.path = path;
    leaf.element = element;
    leaf.text = text_.substr(at_, end - at_);
    const char c = leaf.text.front();
    if (c == '"') {
        if (leaf.text.size() < 2 || leaf.text.back() != '"') return false;
        leaf.text = leaf.text.substr(1, leaf.text.size() - 2);
        if (std::memchr(leaf.text.data(), '\\', leaf.text.size()) != nullptr) {
            // Unescaped text is never longer, so that leaves' views stay where they are.
            unescaped_.reserve(text_.size());
            const std::size_t from = unescaped_.size();
            if (text_.size() - from < leaf.text.size()) return false;
            codec::append_unescaped(unescaped_, leaf.text);
            leaf.text = std::string_view(unescaped_).substr(from);
        }
    } else {
        leaf.kind = is_literal(leaf.text) ? Leaf::Kind::literal : Leaf::Kind::number;
        if (leaf.kind == Leaf::Kind::number && !is_number(leaf.text)) return false;
    }
    PathState& here = state(path);
    const auto number = static_cast<std::uint32_t>(leaves_.size());
    if (here.first == no_leaf)
        here.first = number;
    else
        leaves_[here.last].next = number;
    here.last = number;
    if (element != whole_event) here.in_element = has_elements_ = true;
    leaves_.push_back(leaf);
    return true;
}

Leaves::PathState& Leaves::state(PathId path) {
    PathState& state = paths_[path];
    if (state.event != event_) {
        state = PathState{};
        state.event = event_;
    }
    return state;
}

// Two arrays in one element, of one path or one path above the other's, are twins: only a key given twice (or
// with dots) makes them.
void Leaves::note_array(const Paths& paths, PathId path, ElementId element) {
    const PathId top = elements_[element].path;
    for (PathId at = path; at != top; at = paths.parent(at)) {
        PathState& here = state(at);
        if (here.array_in == element || (at == path && here.array_below == element)) has_twin_arrays_ = true;
        (at == path ? here.array_in : here.array_below) = element;
    }
}

}  // namespace tarn::pattern
