#include "event/event.h"

#include <fmt/core.h>

#include <charconv>

#include "base/check.h"
#include "codec/hash.h"

namespace tarn::event {

std::string_view format_name(Format format) {
    switch (format) {
        case Format::json:
            return "json";
        case Format::cloudevents:
            return "cloudevents";
        case Format::eventbridge:
            return "eventbridge";
        case Format::bytes:
            return "bytes";
    }
    return "json";
}

std::string position_text(Partition partition, Offset offset) {
    // Of every event that came without an id: formatting takes several times as long.
    char text[32];
    char* end = std::to_chars(text, text + 10, partition).ptr;
    *end++ = ':';
    end = std::to_chars(end, text + sizeof text, offset).ptr;
    return {text, end};
}

Result<Position> parse_position(StreamId stream, std::string_view text) {
    Position position{.stream = stream};
    const char* const end = text.data() + text.size();
    const auto [colon, partition_status] = std::from_chars(text.data(), end, position.partition);
    if (partition_status == std::errc() && colon != end && *colon == ':') {
        const auto [stop, offset_status] = std::from_chars(colon + 1, end, position.offset);
        if (offset_status == std::errc() && stop == end) return position;
    }
    return fail(
        Code::bad_selection,
        fmt::format("\"{}\" is not a position: expected PARTITION:OFFSET such as 0:41", text.substr(0, 64)));
}

Partition partition_of(std::string_view key, std::uint32_t partitions) {
    TARN_CHECK(partitions > 0);
    return (codec::murmur2(key) & 0x7FFF'FFFF) % partitions;
}

}  // namespace tarn::event
