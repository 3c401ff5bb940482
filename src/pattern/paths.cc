#include "pattern/paths.h"

#include <algorithm>

namespace tarn::pattern {

PathId Paths::new_node() {
    if (free_.empty()) {
        nodes_.emplace_back();
        return static_cast<PathId>(nodes_.size() - 1);
    }
    const PathId id = free_.back();
    free_.pop_back();
    nodes_[id] = Node{};
    return id;
}

PathId Paths::step(PathId parent, std::string_view name) {
    if (const PathId known = child(parent, name); known != no_path) return known;
    const PathId id = new_node();
    Node& node = nodes_[id];
    node.name = name;
    node.parent = parent;
    Node& above = nodes_[parent];
    above.filter |= std::uint64_t{1} << mark(name);
    if (!above.many && above.children.size() == few) {
        above.many = std::make_unique<Many>();
        for (const Child& one : above.children) above.many->emplace(nodes_[one.id].name, one.id);
        above.children.clear();
    }
    if (above.many)
        above.many->emplace(name, id);
    else
        above.children.push_back({head_of(name), static_cast<std::uint32_t>(name.size()), id});
    return id;
}

PathId Paths::add(std::string_view path) {
    PathId at = root_path;
    for (;;) {
        const std::size_t dot = path.find('.');
        at = step(at, path.substr(0, dot));
        if (dot == std::string_view::npos) break;
        path.remove_prefix(dot + 1);
    }
    ++nodes_[at].uses;
    return at;
}

// The filter keeps the bit: a key more that is looked up in vain.
void Paths::drop_child(Node& parent, PathId child) {
    if (parent.many) {
        parent.many->erase(nodes_[child].name);
        if (parent.many->empty()) parent.many.reset();
    } else {
        std::erase_if(parent.children, [child](const Child& one) { return one.id == child; });
    }
    if (parent.is_end()) parent.filter = 0;
}

void Paths::remove(PathId path) {
    --nodes_[path].uses;
    while (path != root_path && nodes_[path].uses == 0 && nodes_[path].is_end()) {
        const PathId parent = nodes_[path].parent;
        drop_child(nodes_[parent], path);
        free_.push_back(path);
        path = parent;
    }
}

}  // namespace tarn::pattern
