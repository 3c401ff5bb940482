// Little-endian fields of the two job files, manifest.bin and ledger.bin. Readers check bounds before they
// call.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tarn::replay {

static_assert(std::endian::native == std::endian::little,
              "the byte order of stored numbers is the machine's");

template <std::integral T>
void put(std::string& out, T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
}

template <std::integral T>
T get(std::string_view bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    return value;
}

}  // namespace tarn::replay
