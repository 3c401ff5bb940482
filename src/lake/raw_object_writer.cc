#include "base/check.h"
#include "codec/hash.h"
#include "event/raw_line.h"
#include "lake/raw_object_format.h"

namespace tarn::lake {

struct RawObjectBuilder::State {
    codec::ZstdCompressor compressor{1};
    std::string object;  // finished frames
    std::string lines;   // of the open frame
    FrameInfo frame;     // the open one
    ObjectIndex index;
    std::uint64_t raw_bytes = 0;

    void begin_frame(const event::StoredEvent& event, Time event_time) {
        frame = FrameInfo{};
        frame.at = object.size();
        frame.first = event.position.offset;
        frame.first_sequence = event.sequence;
        frame.min_time = frame.max_time = event_time;
    }

    void end_frame() {
        if (lines.empty()) return;
        compressor.append_frame(object, lines);
        const std::string_view compressed = std::string_view(object).substr(frame.at);
        frame.compressed = static_cast<std::uint32_t>(compressed.size());
        frame.uncompressed = static_cast<std::uint32_t>(lines.size());
        frame.crc = codec::crc32c(compressed);
        index.frames.push_back(frame);
        lines.clear();
    }
};

RawObjectBuilder::RawObjectBuilder() : state_(std::make_unique<State>()) {}
RawObjectBuilder::~RawObjectBuilder() = default;
RawObjectBuilder::RawObjectBuilder(RawObjectBuilder&&) noexcept = default;
RawObjectBuilder& RawObjectBuilder::operator=(RawObjectBuilder&&) noexcept = default;

void RawObjectBuilder::add(const event::StoredEvent& event, Time event_time) {
    State& state = *state_;
    if (state.lines.empty()) state.begin_frame(event, event_time);
    TARN_CHECK(event.position.offset == state.frame.first + state.frame.events);  // dense, in order
    state.index.stream = event.position.stream;
    state.index.partition = event.position.partition;

    const std::size_t before = state.lines.size();
    event::append_raw_line(state.lines, event);
    state.raw_bytes += state.lines.size() - before;
    state.frame.last = event.position.offset;
    state.frame.last_sequence = event.sequence;
    state.frame.min_time = std::min(state.frame.min_time, event_time);
    state.frame.max_time = std::max(state.frame.max_time, event_time);
    ++state.frame.events;
    if (state.lines.size() >= frame_target_bytes) state.end_frame();
}

std::uint64_t RawObjectBuilder::raw_bytes() const { return state_->raw_bytes; }

std::string RawObjectBuilder::finish() {
    State& state = *state_;
    state.end_frame();
    std::string object = std::move(state.object);
    object += encode_tables(state.index);
    state.object.clear();
    state.index = {};
    state.raw_bytes = 0;
    return object;
}

}  // namespace tarn::lake
