// Random numbers: the kernel's for ids, a seeded generator (SplitMix64) wherever a run must be repeatable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"

namespace tarn::os {

class Rng {
public:
    virtual ~Rng() = default;
    virtual std::uint64_t next() = 0;
    // Uniform in [0, bound), bound > 0; the bias of the remainder is below 2^-32 for the bounds in use.
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
};

std::unique_ptr<Rng> make_real_rng();  // getrandom(2); thread-safe

class SeededRng final : public Rng {
public:
    explicit SeededRng(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() override {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }

private:
    std::uint64_t state_;
};

// RFC 9562 version 7: ordered by creation time.
std::string make_uuid7(Time now, Rng& rng);

}  // namespace tarn::os
