// Closed intervals, each with a posting; which of them hold a point? A treap by lower end, each node knowing
// the highest upper end below it.
#pragma once

#include <cstdint>
#include <vector>

#include "pattern/key_table.h"

namespace tarn::pattern {

// insert and erase take O(log n) steps, for_each_at O(log n + found) where intervals do not overlap much. Ids
// begin with 1. Not thread-safe while insert or erase runs.
template <typename Point>
class IntervalTree {
public:
    IntervalTree() : nodes_(1) {}
    bool empty() const { return root_ == 0; }
    const Posting& operator[](std::uint32_t id) const { return nodes_[id].posting; }

    std::uint32_t insert(const Point& low, const Point& high, Posting posting) {
        std::uint32_t id = 0;
        if (free_.empty()) {
            id = static_cast<std::uint32_t>(nodes_.size());
            nodes_.emplace_back();
        } else {
            id = free_.back();
            free_.pop_back();
        }
        nodes_[id] = Node{low, high, high, 0, 0, posting};
        const auto [left, right] = split(root_, id);
        root_ = join(join(left, id), right);
        return id;
    }

    void erase(std::uint32_t id) {
        root_ = erase_from(root_, id);
        free_.push_back(id);
    }

    template <typename Fn>
    void for_each_at(const Point& point, Fn&& fn) const {
        visit(root_, point, fn);
    }

private:
    struct Node {
        Point low{}, high{}, highest{};
        std::uint32_t left = 0, right = 0;
        Posting posting{};
    };

    // Chance comes from the id: the shape depends on nothing else.
    static std::uint32_t priority(std::uint32_t id) {
        std::uint32_t x = id * 0x9E37'79B1u;
        x ^= x >> 15;
        x *= 0x85EB'CA77u;
        return x ^ x >> 13;
    }
    bool is_before(std::uint32_t a, std::uint32_t b) const {
        if (nodes_[a].low < nodes_[b].low) return true;
        if (nodes_[b].low < nodes_[a].low) return false;
        return a < b;
    }
    void refresh(std::uint32_t id) {
        Node& node = nodes_[id];
        node.highest = node.high;
        for (const std::uint32_t child : {node.left, node.right})
            if (child != 0 && node.highest < nodes_[child].highest) node.highest = nodes_[child].highest;
    }
    // Into what comes before `id` and what after.
    std::pair<std::uint32_t, std::uint32_t> split(std::uint32_t at, std::uint32_t id) {
        if (at == 0) return {0, 0};
        if (is_before(at, id)) {
            const auto [left, right] = split(nodes_[at].right, id);
            nodes_[at].right = left;
            refresh(at);
            return {at, right};
        }
        const auto [left, right] = split(nodes_[at].left, id);
        nodes_[at].left = right;
        refresh(at);
        return {left, at};
    }
    std::uint32_t join(std::uint32_t left, std::uint32_t right) {
        if (left == 0) return right;
        if (right == 0) return left;
        if (priority(left) > priority(right)) {
            const std::uint32_t joined = join(nodes_[left].right, right);
            nodes_[left].right = joined;
            refresh(left);
            return left;
        }
        const std::uint32_t joined = join(left, nodes_[right].left);
        nodes_[right].left = joined;
        refresh(right);
        return right;
    }
    std::uint32_t erase_from(std::uint32_t at, std::uint32_t id) {
        if (at == id) return join(nodes_[at].left, nodes_[at].right);
        std::uint32_t& side = is_before(id, at) ? nodes_[at].left : nodes_[at].right;
        side = erase_from(side, id);
        refresh(at);
        return at;
    }
    template <typename Fn>
    void visit(std::uint32_t at, const Point& point, Fn& fn) const {
        if (at == 0 || nodes_[at].highest < point) return;
        visit(nodes_[at].left, point, fn);
        if (point < nodes_[at].low) return;
        if (!(nodes_[at].high < point)) fn(nodes_[at].posting);
        visit(nodes_[at].right, point, fn);
    }

    std::vector<Node> nodes_;
    std::vector<std::uint32_t> free_;
    std::uint32_t root_ = 0;
};

}  // namespace tarn::pattern
