// What capture knows about a stream while it serves: its settings and the compiled deriver, kept so that the
// catalog is asked once and not per request.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "catalog/catalog.h"
#include "event/derive.h"

namespace tarn::capture {

// Immutable but for the round-robin counter; safe from any thread.
struct Stream {
    catalog::StreamInfo info;
    std::unique_ptr<event::Deriver> deriver;
    mutable std::atomic<std::uint32_t> next_partition{0};

    // Where the events without a key of one request go: the requests take turns.
    Partition keyless_partition() const {
        return next_partition.fetch_add(1, std::memory_order_relaxed) % info.settings.partitions;
    }
    // A run had sent it, and the stream wants none of these.
    bool drops(const event::Derived& derived) const {
        return derived.from_replay && info.settings.drops_replayed;
    }
    std::size_t max_event_bytes() const { return info.settings.max_event_bytes; }
};

Result<std::shared_ptr<const Stream>> make_stream(catalog::StreamInfo info);

// Names of Tarn's own streams begin with an underscore; nobody else may write to them.
Status refuse_system_stream(std::string_view name);

// Thread-safe.
class StreamCache {
public:
    // `catalog` must outlive it.
    explicit StreamCache(catalog::Catalog& catalog) : catalog_(catalog) {}
    Result<std::shared_ptr<const Stream>> find(const std::string& name);
    void forget(std::string_view name);

private:
    catalog::Catalog& catalog_;
    std::shared_mutex mutex_;
    std::unordered_map<std::string, std::shared_ptr<const Stream>> streams_;
    std::uint64_t generation_ = 0;  // counts forgets: what was read before one must not be kept after it
};

}  // namespace tarn::capture
