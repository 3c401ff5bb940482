// The bytes of a raw object besides its frames: index frame and seek table frame
// (docs/formats/raw-object.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lake/raw_object.h"

namespace tarn::lake {

struct ObjectIndex {
    StreamId stream;
    Partition partition = 0;
    std::vector<FrameInfo> frames;
};

// Both tables as they end the object.
std::string encode_tables(const ObjectIndex& index);

// How many bytes the tables take, read from the end of the object; `tail` is its last bytes, at least
// footer_bytes of them.
inline constexpr std::size_t footer_bytes = 9;
Result<std::uint64_t> size_of_tables(const std::string& name, std::string_view tail,
                                     std::uint64_t object_size);

// `tables` are the object's last bytes, as many as size_of_tables said. Everything in them is verified.
Result<ObjectIndex> decode_tables(const std::string& name, std::string_view tables,
                                  std::uint64_t object_size);

// object_corrupt at a byte of an object.
Failure corrupt_object(const std::string& name, std::uint64_t byte, std::string message);

}  // namespace tarn::lake
