#include "lake/scan.h"

#include <algorithm>

#include "lake/object_cursor.h"
#include "lake/tail_cursor.h"

namespace tarn::lake {

namespace {

// Objects first, merged by sequence if asked; then the tail, whose sequences are all higher.
class MergingScan final : public Scan {
public:
    MergingScan(objects::ObjectStore& store, os::FileSystem& fs, StreamView view, ScanOptions options)
        : view_(std::move(view)),
          options_(std::move(options)),
          filter_(options_),
          tail_(fs, view_, options_, filter_, counts_) {
        add_cursors(store);
        for (const log::Extent& extent : view_.tail.extents) counts_.tail_bytes += extent.end - extent.begin;
    }

    Result<const event::StoredEvent*> next() override;
    const ScanCounts& counts() const override { return counts_; }

private:
    // A cursor in the heap. Until it is read on, `sequence` is only a lower bound of what it gives next.
    struct Head {
        Sequence sequence = 0;
        ObjectCursor* cursor = nullptr;
        const event::StoredEvent* event = nullptr;  // nullptr: must be read on
    };
    static bool is_later(const Head& a, const Head& b) { return a.sequence > b.sequence; }

    void add_cursors(objects::ObjectStore& store);
    Result<const event::StoredEvent*> next_from_objects();
    void sift_down();

    const StreamView view_;
    const ScanOptions options_;
    const EventFilter filter_;
    ScanCounts counts_;
    std::vector<std::unique_ptr<ObjectCursor>> cursors_;
    std::vector<Head> heap_;
    TailCursor tail_;
};

void MergingScan::add_cursors(objects::ObjectStore& store) {
    const auto& objects = options_.quarantine ? view_.quarantine_objects : view_.objects;
    counts_.objects_total = objects.size();
    const catalog::ObjectInfo* before = nullptr;
    for (const catalog::ObjectInfo& info : objects) {
        if (const std::string_view why = filter_.why_skipped(info); !why.empty()) {
            counts_.skipped[why].add(info);
            continue;
        }
        counts_.to_read.add(info);
        const bool same_run =
            before != nullptr && (!options_.in_sequence || before->partition == info.partition);
        if (!same_run) cursors_.push_back(std::make_unique<ObjectCursor>(store, options_, filter_, counts_));
        cursors_.back()->add(info);
        before = &info;
    }
    for (const auto& cursor : cursors_) heap_.push_back({cursor->first_sequence(), cursor.get(), nullptr});
    std::ranges::make_heap(heap_, is_later);
}

// Restores the heap after its first element has grown.
void MergingScan::sift_down() {
    std::size_t at = 0;
    for (;;) {
        std::size_t child = 2 * at + 1;
        if (child >= heap_.size()) return;
        if (child + 1 < heap_.size() && heap_[child + 1].sequence < heap_[child].sequence) ++child;
        if (heap_[at].sequence <= heap_[child].sequence) return;
        std::swap(heap_[at], heap_[child]);
        at = child;
    }
}

// A cursor is read only when its bound is the lowest, so that partitions whose time has not come hold no
// frame.
Result<const event::StoredEvent*> MergingScan::next_from_objects() {
    while (!heap_.empty()) {
        Head& head = heap_.front();
        if (head.event != nullptr) return std::exchange(head.event, nullptr);
        TARN_ASSIGN(head.event, head.cursor->next());
        if (head.event != nullptr) {
            head.sequence = head.event->sequence;
        } else {
            head = heap_.back();
            heap_.pop_back();
        }
        sift_down();
    }
    return nullptr;
}

Result<const event::StoredEvent*> MergingScan::next() {
    if (!heap_.empty()) {
        TARN_ASSIGN(const event::StoredEvent* found, next_from_objects());
        if (found != nullptr) {
            ++counts_.events;
            return found;
        }
    }
    TARN_ASSIGN(const event::StoredEvent* found, tail_.next());
    if (found != nullptr) ++counts_.events;
    return found;
}

}  // namespace

Result<std::unique_ptr<Scan>> Scan::open(objects::ObjectStore& store, os::FileSystem& fs, StreamView view,
                                         ScanOptions options) {
    return std::make_unique<MergingScan>(store, fs, std::move(view), std::move(options));
}

}  // namespace tarn::lake
