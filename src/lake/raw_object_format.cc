#include "lake/raw_object_format.h"

#include <fmt/core.h>

#include "codec/hash.h"

namespace tarn::lake {

namespace {

constexpr std::uint32_t index_magic = 0x184D2A5C;
constexpr std::uint32_t seek_table_magic = 0x184D2A5E;
constexpr std::uint32_t seek_footer_magic = 0x8F92EAB1;
constexpr std::string_view index_name = "tarnidx1";
constexpr std::size_t skippable_header_bytes = 8;
constexpr std::size_t index_header_bytes = 24;
constexpr std::size_t index_entry_bytes = 72;
constexpr std::size_t checksum_bytes = 4;
constexpr std::size_t seek_entry_bytes = 8;

template <typename T>
void put(std::string& out, T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

// Takes numbers from the front. The caller has checked that there are enough bytes.
struct Cursor {
    std::string_view rest;

    std::uint64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
        rest.remove_prefix(bytes);
        return value;
    }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }
    std::int64_t i64() { return static_cast<std::int64_t>(number(8)); }
};

std::uint64_t index_frame_bytes(std::uint64_t frames) {
    return skippable_header_bytes + index_header_bytes + frames * index_entry_bytes + checksum_bytes;
}
// `entries` counts the index frame too.
std::uint64_t seek_frame_bytes(std::uint64_t entries) {
    return skippable_header_bytes + entries * seek_entry_bytes + footer_bytes;
}

void append_index_frame(std::string& out, const ObjectIndex& index) {
    std::string body(index_name);
    put(body, index.stream.value);
    put(body, index.partition);
    put(body, static_cast<std::uint32_t>(index.frames.size()));
    put(body, std::uint32_t{0});
    for (const FrameInfo& frame : index.frames) {
        put(body, frame.at);
        put(body, frame.compressed);
        put(body, frame.uncompressed);
        put(body, frame.events);
        put(body, frame.crc);
        put(body, frame.first);
        put(body, frame.last);
        put(body, frame.first_sequence);
        put(body, frame.last_sequence);
        put(body, frame.min_time.us);
        put(body, frame.max_time.us);
    }
    put(body, codec::crc32c(body));
    put(out, index_magic);
    put(out, static_cast<std::uint32_t>(body.size()));
    out += body;
}

void append_seek_frame(std::string& out, const ObjectIndex& index, std::size_t index_bytes) {
    const std::size_t entries = index.frames.size() + 1;
    put(out, seek_table_magic);
    put(out, static_cast<std::uint32_t>(seek_frame_bytes(entries) - skippable_header_bytes));
    for (const FrameInfo& frame : index.frames) {
        put(out, frame.compressed);
        put(out, frame.uncompressed);
    }
    put(out, static_cast<std::uint32_t>(index_bytes));
    put(out, std::uint32_t{0});
    put(out, static_cast<std::uint32_t>(entries));
    put(out, std::uint8_t{0});
    put(out, seek_footer_magic);
}

FrameInfo take_entry(Cursor& cursor) {
    FrameInfo frame;
    frame.at = cursor.u64();
    frame.compressed = cursor.u32();
    frame.uncompressed = cursor.u32();
    frame.events = cursor.u32();
    frame.crc = cursor.u32();
    frame.first = cursor.u64();
    frame.last = cursor.u64();
    frame.first_sequence = cursor.u64();
    frame.last_sequence = cursor.u64();
    frame.min_time = Time{cursor.i64()};
    frame.max_time = Time{cursor.i64()};
    return frame;
}

// What every index made by our writer fulfils.
bool is_consistent(const FrameInfo& frame, const FrameInfo* before) {
    const std::uint64_t expected_at = before == nullptr ? 0 : before->at + before->compressed;
    if (frame.at != expected_at || frame.compressed == 0 || frame.events == 0) return false;
    if (frame.last < frame.first || frame.last - frame.first + 1 != frame.events) return false;
    if (frame.last_sequence < frame.first_sequence || frame.max_time < frame.min_time) return false;
    return before == nullptr ||
           (frame.first == before->last + 1 && frame.first_sequence > before->last_sequence);
}

Result<ObjectIndex> decode_index(const std::string& name, std::string_view body, std::uint64_t at) {
    const std::string_view guarded = body.substr(0, body.size() - checksum_bytes);
    Cursor checksum{body.substr(guarded.size())};
    if (checksum.u32() != codec::crc32c(guarded))
        return corrupt_object(name, at, "the index does not fit its checksum");
    if (!guarded.starts_with(index_name))
        return corrupt_object(name, at, fmt::format("expected the index {}, found another", index_name));
    Cursor cursor{guarded.substr(index_name.size())};
    ObjectIndex index;
    index.stream = StreamId{cursor.u32()};
    index.partition = cursor.u32();
    const std::uint64_t frames = cursor.u32();
    if (cursor.u32() != 0 || cursor.rest.size() != frames * index_entry_bytes)
        return corrupt_object(name, at,
                              fmt::format("the index says {} frames, its size says otherwise", frames));
    index.frames.reserve(frames);
    for (std::uint64_t i = 0; i < frames; ++i) {
        const FrameInfo frame = take_entry(cursor);
        if (!is_consistent(frame, i == 0 ? nullptr : &index.frames.back()))
            return corrupt_object(
                name, at, fmt::format("entry {} of the index contradicts itself or the one before", i));
        index.frames.push_back(frame);
    }
    return index;
}

}  // namespace

Failure corrupt_object(const std::string& name, std::uint64_t byte, std::string message) {
    return fail(Code::object_corrupt, std::move(message),
                {.place = {.source = name, .byte = byte}, .next = "tarn fsck"});
}

std::string encode_tables(const ObjectIndex& index) {
    std::string out;
    append_index_frame(out, index);
    append_seek_frame(out, index, out.size());
    return out;
}

Result<std::uint64_t> size_of_tables(const std::string& name, std::string_view tail,
                                     std::uint64_t object_size) {
    if (tail.size() < footer_bytes) return corrupt_object(name, 0, "too short for a raw object");
    Cursor footer{tail.substr(tail.size() - footer_bytes)};
    const std::uint64_t entries = footer.u32();
    const std::uint64_t descriptor = footer.number(1);
    if (footer.u32() != seek_footer_magic || descriptor != 0)
        return corrupt_object(name, object_size - footer_bytes,
                              "does not end in a seek table: cut off, or not a raw object");
    if (entries < 2 || seek_frame_bytes(entries) + index_frame_bytes(entries - 1) > object_size)
        return corrupt_object(
            name, object_size - footer_bytes,
            fmt::format("a seek table of {} entries does not fit into the object", entries));
    return seek_frame_bytes(entries) + index_frame_bytes(entries - 1);
}

Result<ObjectIndex> decode_tables(const std::string& name, std::string_view tables,
                                  std::uint64_t object_size) {
    Cursor footer{tables.substr(tables.size() - footer_bytes)};
    const std::uint64_t entries = footer.u32();
    const std::uint64_t index_at = object_size - tables.size();
    if (entries < 2 || seek_frame_bytes(entries) + index_frame_bytes(entries - 1) != tables.size())
        return corrupt_object(name, index_at, "changed while it was read");
    const std::uint64_t frames = entries - 1;
    const std::uint64_t index_bytes = index_frame_bytes(frames);

    Cursor header{tables};
    if (header.u32() != index_magic || header.u32() != index_bytes - skippable_header_bytes)
        return corrupt_object(name, index_at, "expected the index frame");
    const std::string_view body =
        tables.substr(skippable_header_bytes, static_cast<std::size_t>(index_bytes - skippable_header_bytes));
    TARN_ASSIGN(ObjectIndex index, decode_index(name, body, index_at));
    if (index.frames.size() != frames) return corrupt_object(name, index_at, "index and seek table differ");
    if (index.frames.back().at + index.frames.back().compressed != index_at)
        return corrupt_object(name, index_at, "the frames do not end where the index begins");

    std::string expected;
    append_seek_frame(expected, index, static_cast<std::size_t>(index_bytes));
    if (tables.substr(static_cast<std::size_t>(index_bytes)) != expected)
        return corrupt_object(name, index_at + index_bytes, "the seek table contradicts the index");
    return index;
}

}  // namespace tarn::lake
