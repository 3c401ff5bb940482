#include <fmt/core.h>

#include "codec/hash.h"
#include "lake/raw_object_format.h"

namespace tarn::lake {

namespace {

// Holds the tables of any object up to about 200 MB of lines, so that opening one takes a single read.
constexpr std::uint64_t tail_bytes = 64 * 1024;
// No frame of ours is larger: one line above the target, escaped at worst six-fold.
constexpr std::uint32_t max_frame_bytes = 1u << 30;

class Reader final : public RawObjectReader {
public:
    Reader(objects::ObjectStore& store, std::string name, ObjectIndex index)
        : store_(store), name_(std::move(name)), index_(std::move(index)) {}

    const std::vector<FrameInfo>& frames() const override { return index_.frames; }
    Partition partition() const override { return index_.partition; }
    Result<std::string_view> frame(std::size_t index) override;

private:
    objects::ObjectStore& store_;
    const std::string name_;
    const ObjectIndex index_;
    codec::ZstdDecompressor decompressor_;
    std::string lines_;
};

Result<std::string_view> Reader::frame(std::size_t index) {
    const FrameInfo& frame = index_.frames.at(index);
    TARN_ASSIGN(const std::string compressed, store_.get_range(name_, frame.at, frame.compressed));
    if (compressed.size() != frame.compressed)
        return corrupt_object(
            name_, frame.at,
            fmt::format("frame {}: {} bytes expected, {} there", index, frame.compressed, compressed.size()));
    if (codec::crc32c(compressed) != frame.crc)
        return corrupt_object(name_, frame.at, fmt::format("frame {} does not fit its checksum", index));
    if (frame.uncompressed > max_frame_bytes)
        return corrupt_object(name_, frame.at,
                              fmt::format("frame {} claims {} bytes", index, frame.uncompressed));
    const Status unpacked = decompressor_.frame(compressed, frame.uncompressed, lines_);
    if (!unpacked)
        return corrupt_object(name_, frame.at, fmt::format("frame {}: {}", index, unpacked.error().message));
    if (lines_.empty() || lines_.back() != '\n')
        return corrupt_object(name_, frame.at, fmt::format("frame {} does not end with a whole line", index));
    return std::string_view(lines_);
}

}  // namespace

Result<std::unique_ptr<RawObjectReader>> RawObjectReader::open(objects::ObjectStore& store,
                                                               const std::string& name, StreamId stream) {
    TARN_ASSIGN(const std::uint64_t size, store.size(name));
    const std::uint64_t tail_at = size - std::min(size, tail_bytes);
    TARN_ASSIGN(std::string tail, store.get_range(name, tail_at, size - tail_at));
    if (tail.size() != size - tail_at) return corrupt_object(name, tail_at, "changed while it was read");
    TARN_ASSIGN(const std::uint64_t tables_size, size_of_tables(name, tail, size));
    if (tables_size > tail.size()) {
        TARN_ASSIGN(tail, store.get_range(name, size - tables_size, tables_size));
        if (tail.size() != tables_size)
            return corrupt_object(name, size - tables_size, "changed while it was read");
    }
    const std::string_view tables = std::string_view(tail).substr(tail.size() - tables_size);
    TARN_ASSIGN(ObjectIndex index, decode_tables(name, tables, size));
    if (index.stream != stream)
        return corrupt_object(
            name, size - tables_size,
            fmt::format("belongs to stream id {}, expected {}", index.stream.value, stream.value));
    return std::make_unique<Reader>(store, name, std::move(index));
}

}  // namespace tarn::lake
