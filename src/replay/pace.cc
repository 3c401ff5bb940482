#include "replay/pace.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tarn::replay {
namespace {

Failure bad_pace(std::string_view text) {
    return fail(Code::bad_selection,
                fmt::format("--pace \"{}\": expected max, N/s, NMB/s or Nx, N above zero", text),
                {.next = "for example --pace 2000/s, --pace 5MB/s, --pace 10x, --pace max"});
}

bool parse_positive(std::string_view text, double& value) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    return problem == std::errc() && end == text.data() + text.size() && std::isfinite(value) && value > 0;
}

bool ends_with(std::string_view& text, std::string_view ending) {
    if (!text.ends_with(ending)) return false;
    text.remove_suffix(ending.size());
    return true;
}

// A burst covers a twentieth of a second: small enough to look even, large enough to batch.
constexpr double burst_seconds = 0.05;

}  // namespace

Result<Pace> Pace::parse(std::string_view text) {
    if (text == "max" || text.empty()) return Pace{};
    Pace pace;
    std::string_view number = text;
    double unit = 1;
    if (ends_with(number, "x")) {
        pace.kind = Kind::original;
    } else if (ends_with(number, "MB/s")) {
        pace.kind = Kind::bytes;
        unit = 1e6;
    } else if (ends_with(number, "kB/s")) {
        pace.kind = Kind::bytes;
        unit = 1e3;
    } else if (ends_with(number, "/s")) {
        pace.kind = Kind::events;
    } else {
        return bad_pace(text);
    }
    if (!parse_positive(number, pace.rate)) return bad_pace(text);
    pace.rate *= unit;
    return pace;
}

Pacer::Pacer(Pace pace, std::int64_t now_us) { change(pace, now_us); }

void Pacer::change(Pace pace, std::int64_t now_us) {
    pace_ = pace;
    tokens_ = 1;
    refilled_us_ = now_us;
    anchored_ = false;
}

void Pacer::refill(std::int64_t now_us) {
    const double burst = std::max(1.0, pace_.rate * burst_seconds);
    tokens_ = std::min(burst, tokens_ + pace_.rate * static_cast<double>(now_us - refilled_us_) / 1e6);
    refilled_us_ = now_us;
}

bool Pacer::take(std::int64_t now_us, std::int64_t event_time_us, std::uint64_t bytes) {
    if (pace_.kind == Pace::Kind::max) return true;
    if (pace_.kind == Pace::Kind::original) {
        if (!anchored_) {
            anchored_ = true;
            anchor_us_ = now_us;
            first_time_us_ = event_time_us;
        }
        // Events out of order, or earlier than the first one, are due at once.
        const double gap =
            std::clamp(static_cast<double>(event_time_us - first_time_us_) / pace_.rate, 0.0, 9e17);
        due_us_ = anchor_us_ + static_cast<std::int64_t>(gap);
        return now_us >= due_us_;
    }
    refill(now_us);
    // Bytes may overdraw: an event larger than a burst goes when the account is even, and the next one waits
    // for it.
    if (pace_.kind == Pace::Kind::bytes ? tokens_ <= 0 : tokens_ < 1 - 1e-9) return false;
    tokens_ -= pace_.kind == Pace::Kind::bytes ? static_cast<double>(std::max<std::uint64_t>(bytes, 1)) : 1;
    return true;
}

std::int64_t Pacer::wait_us(std::int64_t now_us) const {
    if (pace_.kind == Pace::Kind::max) return 0;
    if (pace_.kind == Pace::Kind::original) return std::max<std::int64_t>(1, due_us_ - now_us);
    const double missing = (pace_.kind == Pace::Kind::bytes ? 1e-6 : 1) - tokens_;
    return std::max<std::int64_t>(
        1, static_cast<std::int64_t>(std::min(1e15, std::ceil(missing / pace_.rate * 1e6))));
}

}  // namespace tarn::replay
