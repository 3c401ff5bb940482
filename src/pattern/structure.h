// Where the structure of a JSON text stands, a bit for each byte, found 64 bytes at a time with the widest
// registers that the machine has. Any bytes will do: on text that is not JSON the answers are some places in
// it, and never outside.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tarn::pattern {

// Keeps its memory between texts. Not thread-safe. Places are counted in bytes; the text's size means
// nowhere.
class Structure {
public:
    void read(std::string_view text);

    std::size_t next_quote(std::size_t at) const { return next<&Block::quote>(at); }
    // Of a member or element that is no container: the comma or closing bracket after it.
    std::size_t next_end(std::size_t at) const { return next<&Block::end>(at); }
    // `at` is an opening bracket; gives the place after its closing one.
    std::size_t container_end(std::size_t at) const;
    // Is there a dot or backslash in [from, to)? to > from.
    bool has_odd(std::size_t from, std::size_t to) const {
        const std::size_t first = from / 64, last = (to - 1) / 64;
        const std::uint64_t head = ~std::uint64_t{0} << (from % 64);
        const std::uint64_t tail = ~std::uint64_t{0} >> (63 - (to - 1) % 64);
        if (first == last) return (blocks_[first].odd & head & tail) != 0;
        if ((blocks_[first].odd & head) != 0 || (blocks_[last].odd & tail) != 0) return true;
        for (std::size_t block = first + 1; block < last; ++block)
            if (blocks_[block].odd != 0) return true;
        return false;
    }

    struct Block {
        std::uint64_t quote;        // not escaped
        std::uint64_t open, close;  // brackets and braces outside of strings
        std::uint64_t end;          // close, or a comma outside of strings
        std::uint64_t odd;          // dot or backslash, anywhere
        std::uint32_t opens, closes;
    };

private:
    template <auto mask>
    std::size_t next(std::size_t at) const {
        std::size_t block = at / 64;
        if (block >= used_) return size_;
        std::uint64_t bits = blocks_[block].*mask >> (at % 64) << (at % 64);
        while (bits == 0) {
            if (++block == used_) return size_;
            bits = blocks_[block].*mask;
        }
        return block * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    }

    std::vector<Block> blocks_;
    std::size_t used_ = 0;
    std::size_t size_ = 0;
};

}  // namespace tarn::pattern
