// Places within a whole: an error found in a part (a line, an array member) said in terms of the body or file
// around it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace tarn::capture {

// Where a part begins in the whole. Lines and columns count from 1.
struct Start {
    std::uint64_t line = 1;
    std::uint64_t column = 1;
    std::uint64_t byte = 0;
};

// Moves the place of an error about a part to the whole. An error without a place gets the part's beginning.
inline void move_place(Error& error, const Start& start, std::string source = {}) {
    Place& place = error.place;
    const std::uint64_t line = place.line == 0 ? 1 : place.line;
    const std::uint64_t column = place.column == 0 ? 1 : place.column;
    place.byte = start.byte + place.byte.value_or(0);
    place.column = line == 1 ? start.column + column - 1 : column;
    place.line = start.line + line - 1;
    if (!source.empty()) place.source = std::move(source);
}

// `from` moved over `bytes`.
inline Start moved_over(Start from, std::string_view bytes) {
    from.byte += bytes.size();
    const std::size_t last = bytes.rfind('\n');
    if (last == std::string_view::npos) {
        from.column += bytes.size();
        return from;
    }
    for (const char c : bytes) from.line += c == '\n' ? 1 : 0;
    from.column = bytes.size() - last;
    return from;
}

}  // namespace tarn::capture
