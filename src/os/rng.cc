#include "os/rng.h"

#include <fmt/core.h>
#include <sys/random.h>

#include "base/check.h"

namespace tarn::os {
namespace {

class RealRng final : public Rng {
public:
    std::uint64_t next() override {
        std::uint64_t value = 0;
        TARN_CHECK(::getrandom(&value, sizeof value, 0) == sizeof value);
        return value;
    }
};

}  // namespace

std::unique_ptr<Rng> make_real_rng() { return std::make_unique<RealRng>(); }

std::string make_uuid7(Time now, Rng& rng) {
    const std::uint64_t ms = static_cast<std::uint64_t>(now.us / 1000) & 0xFFFF'FFFF'FFFFu;
    const std::uint64_t a = rng.next();
    const std::uint64_t b = rng.next();
    return fmt::format("{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}", ms >> 16, ms & 0xFFFF, a & 0xFFF,
                       0x8000 | (b >> 50), b & 0xFFFF'FFFF'FFFFu);
}

}  // namespace tarn::os
