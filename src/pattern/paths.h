// The fields that some rule asks for, as a tree of names. A dotted path is split at every dot, so that a key
// "a.b" of an event, split the same way, comes to the same place as "b" below "a".
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tarn::pattern {

using PathId = std::uint32_t;
inline constexpr PathId root_path = 0;  // the event itself
inline constexpr PathId no_path = 0xFFFF'FFFF;

// add and remove cost O(the path). Not thread-safe while they run; otherwise safe for readers.
class Paths {
public:
    Paths() : nodes_(1) {}
    PathId add(std::string_view path);  // counts
    void remove(PathId path);           // takes back one add

    PathId child(PathId parent, std::string_view name) const;
    bool is_asked(PathId path) const { return nodes_[path].uses != 0; }
    bool has_children(PathId path) const { return !nodes_[path].is_end(); }
    PathId parent(PathId path) const { return nodes_[path].parent; }
    std::size_t size() const { return nodes_.size(); }  // every id is below it

private:
    static constexpr std::size_t few = 8;
    struct Child {
        std::uint64_t head;  // its first eight bytes, or all and zeros
        std::uint32_t size;
        PathId id;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
    };
    using Many = std::unordered_map<std::string, PathId, Hash, std::equal_to<>>;
    struct Node {
        bool is_end() const { return children.empty() && !many; }

        std::string name;
        PathId parent = no_path;
        std::uint32_t uses = 0;
        std::uint64_t filter = 0;  // a bit for each child's mark(name): most other keys are refused by it
        std::vector<Child> children;
        std::unique_ptr<Many> many;  // instead, beyond a few
    };

    static unsigned mark(std::string_view name) {
        if (name.empty()) return 0;
        const auto first = static_cast<unsigned char>(name.front()),
                   last = static_cast<unsigned char>(name.back());
        return (static_cast<unsigned>(name.size()) + 13u * first + 29u * last) & 63;
    }
    static std::uint64_t head_of(std::string_view name) {
        std::uint64_t head = 0;
        if (name.size() >= 8)
            std::memcpy(&head, name.data(), 8);
        else
            for (std::size_t i = 0; i < name.size(); ++i)
                head |= std::uint64_t{static_cast<unsigned char>(name[i])} << (8 * i);
        return head;
    }
    PathId step(PathId parent, std::string_view name);
    PathId new_node();
    void drop_child(Node& parent, PathId child);

    std::vector<Node> nodes_;
    std::vector<PathId> free_;
};

inline PathId Paths::child(PathId parent, std::string_view name) const {
    const Node& node = nodes_[parent];
    if ((node.filter >> mark(name) & 1) == 0) return no_path;
    if (node.many) {
        const auto found = node.many->find(name);
        return found == node.many->end() ? no_path : found->second;
    }
    const std::uint64_t head = head_of(name);
    for (const Child& child : node.children)
        if (child.head == head && child.size == name.size() &&
            (name.size() <= 8 || nodes_[child.id].name == name))
            return child.id;
    return no_path;
}

}  // namespace tarn::pattern
