// What a rule set has to know of one event: the scalars at the paths that some rule asks for, read straight
// from the bytes. Everything else is skipped unread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pattern/paths.h"
#include "pattern/rule.h"
#include "pattern/structure.h"

namespace tarn::pattern {

// An object or array that stands in an array ties together what is below it: two leaves agree when they pass
// each array that they share at the same element. Elements form a tree; 0 is the event itself. (A scalar
// directly in an array is tied only by what the array stands in. So it is in Event Ruler.)
using ElementId = std::uint32_t;
inline constexpr ElementId whole_event = 0;
inline constexpr std::uint32_t no_leaf = 0xFFFF'FFFF;

struct Leaf {
    enum class Kind : std::uint8_t { string, number, literal };
    Kind kind = Kind::string;
    bool repeats = false;  // an earlier leaf of this path has the same `value`
    PathId path = 0;
    ElementId element = whole_event;
    std::uint32_t next = no_leaf;  // of the same path
    std::uint32_t value = 0;       // the rule set's own number for it; 0: it knows no such value
    std::string_view text;         // unescaped, without quotes; numbers and literals as written

    // Found out when first asked for.
    std::optional<double> number();    // of a comparable number
    std::optional<Address> address();  // of a string

private:
    enum class Known : std::uint8_t { not_yet, none, some };
    Known number_known_ = Known::not_yet, address_known_ = Known::not_yet;
    double number_ = 0;
    Address address_;
};

// Keeps its memory between events. Not thread-safe. Leaves point into the document and into this object,
// until the next read.
class Leaves {
public:
    // Any bytes will do. Of a document that is not JSON some leaves come out.
    void read(std::string_view document, const Paths& paths);

    bool is_object() const { return is_object_; }  // otherwise no rule can match
    std::vector<Leaf>& all() { return leaves_; }
    Leaf& operator[](std::uint32_t leaf) { return leaves_[leaf]; }
    const Leaf& operator[](std::uint32_t leaf) const { return leaves_[leaf]; }
    std::uint32_t first(PathId path) const {
        return paths_[path].event == event_ ? paths_[path].first : no_leaf;
    }
    // Does some leaf stand in an element of an array?
    bool has_elements() const { return has_elements_; }
    bool has_elements(PathId path) const { return paths_[path].event == event_ && paths_[path].in_element; }
    // Some array is named twice in one object, or a key has dots: then arrays of one path may be independent.
    bool has_twin_arrays() const { return has_twin_arrays_; }

    std::size_t element_count() const { return elements_.size(); }
    ElementId parent(ElementId element) const { return elements_[element].parent; }
    PathId array_path(ElementId element) const { return elements_[element].path; }
    std::uint32_t array(ElementId element) const { return elements_[element].array; }
    std::uint32_t array_count() const { return arrays_ + 1; }  // every number of an array is below it

private:
    static constexpr std::size_t max_depth = 1024;
    struct Frame {
        PathId path;
        ElementId element;
        std::uint32_t array;
        bool is_array;
    };
    struct Element {
        ElementId parent;
        std::uint32_t array;  // each array of the event has a number
        PathId path;          // of the array
    };
    struct PathState {
        std::uint32_t event = 0;  // the rest is of another event unless this is ours
        std::uint32_t first = no_leaf, last = no_leaf;
        bool in_element = false;
        ElementId array_in = no_leaf, array_below = no_leaf;  // the element that has an array here, or below
    };

    void begin(std::string_view document, const Paths& paths);
    void walk(const Paths& paths);
    bool take_key(const Paths& paths, PathId& path);
    PathId odd_key(const Paths& paths, PathId path, std::string_view raw);
    bool enter(const Paths& paths, PathId path);
    bool take_scalar(PathId path, ElementId element, std::size_t end);
    void note_array(const Paths& paths, PathId path, ElementId element);
    PathState& state(PathId path);
    bool skip_space() {
        while (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) <= ' ') ++at_;
        return at_ < text_.size();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    Structure structure_;
    std::vector<Leaf> leaves_;
    std::vector<PathState> paths_;
    std::vector<Frame> frames_;
    std::vector<Element> elements_;
    std::uint32_t arrays_ = 0;
    std::string unescaped_, key_;
    std::uint32_t event_ = 0;
    bool is_object_ = false, has_elements_ = false, has_twin_arrays_ = false;
};

}  // namespace tarn::pattern
