#include "codec/json_keys.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "codec/hash.h"

namespace tarn::codec {
namespace {

// Up to here comparing each with each is faster than sorting.
constexpr std::size_t few = 24;

}  // namespace

void KeyStack::clear() { keys_.clear(); }

// Cheap, and different for keys of one document nearly always: length, beginning and end.
std::uint64_t KeyStack::fingerprint(std::string_view key) {
    std::uint64_t first = 0, last = 0;
    if (key.size() >= 8) {
        std::memcpy(&first, key.data(), 8);
        std::memcpy(&last, key.data() + key.size() - 8, 8);
    } else if (key.size() >= 4) {
        std::memcpy(&first, key.data(), 4);
        std::memcpy(&last, key.data() + key.size() - 4, 4);
    } else {
        for (const char c : key) first = first << 8 | static_cast<unsigned char>(c);
    }
    return (first * 0x9E37'79B9'7F4A'7C15u) ^ (last + key.size() * 0xC2B2'AE3D'27D4'EB4Fu);
}

bool KeyStack::close(std::size_t start) {
    const std::size_t count = keys_.size() - start;
    const bool equal = count < 2 ? false : count <= few ? has_equal_few(start) : has_equal_many(start);
    keys_.resize(start);
    return equal;
}

bool KeyStack::has_equal_few(std::size_t start) const {
    const Key* keys = keys_.data();
    for (std::size_t i = start + 1; i < keys_.size(); ++i)
        for (std::size_t j = start; j < i; ++j)
            if (keys[i].fingerprint == keys[j].fingerprint && keys[i].text == keys[j].text) return true;
    return false;
}

// Sorting by a hash of the whole text first keeps the cost bounded for keys made to collide.
bool KeyStack::has_equal_many(std::size_t start) {
    const auto first = keys_.begin() + static_cast<std::ptrdiff_t>(start);
    for (auto key = first; key != keys_.end(); ++key) key->fingerprint = xxh3_64(key->text);
    std::sort(first, keys_.end(), [](const Key& a, const Key& b) {
        return std::tie(a.fingerprint, a.text) < std::tie(b.fingerprint, b.text);
    });
    return std::adjacent_find(first, keys_.end(), [](const Key& a, const Key& b) {
               return a.fingerprint == b.fingerprint && a.text == b.text;
           }) != keys_.end();
}

}  // namespace tarn::codec
