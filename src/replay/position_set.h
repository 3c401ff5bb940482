// Many positions in little memory.
#pragma once

#include <map>
#include <memory>

#include "base/offset_set.h"

namespace tarn::replay {

class PositionSet {
public:
    using OfStream = std::map<Partition, OffsetSet>;

    void add(const Position& position) {
        auto& stream = streams_[position.stream];
        if (!stream) stream = std::make_shared<OfStream>();
        (*stream)[position.partition].add(position.offset);
    }
    bool contains(const Position& position) const {
        const auto stream = streams_.find(position.stream);
        if (stream == streams_.end()) return false;
        const auto offsets = stream->second->find(position.partition);
        return offsets != stream->second->end() && offsets->second.contains(position.offset);
    }
    // Shared with whoever reads a stream by it; do not add meanwhile. Empty when the set has none of it.
    std::shared_ptr<const OfStream> of(StreamId stream) const {
        const auto found = streams_.find(stream);
        return found == streams_.end() ? std::make_shared<const OfStream>() : found->second;
    }
    std::uint64_t size() const {
        std::uint64_t size = 0;
        for (const auto& [stream, partitions] : streams_)
            for (const auto& [partition, offsets] : *partitions) size += offsets.size();
        return size;
    }
    bool empty() const { return streams_.empty() || size() == 0; }
    // Takes in what `other` holds of streams that this one has nothing of.
    void merge(PositionSet other) { streams_.merge(other.streams_); }
    // Keeps only what `other` holds too.
    void intersect(const PositionSet& other) {
        for (auto& [stream, partitions] : streams_) {
            const auto others = other.of(stream);
            auto kept = std::make_shared<OfStream>();
            for (const auto& [partition, offsets] : *partitions)
                if (const auto found = others->find(partition); found != others->end())
                    ((*kept)[partition] = offsets).intersect(found->second);
            partitions = std::move(kept);
        }
    }

private:
    std::map<StreamId, std::shared_ptr<OfStream>> streams_;
};

}  // namespace tarn::replay
