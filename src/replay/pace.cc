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
    pace.text = text;
    return pace;
}

Pacer::Pacer(Pace pace, std::int64_t now_us) { change(pace, now_us); }

void Pacer::change(Pace pace, std::int64_t now_us) {
    pace_ = pace;
    seen_us_ = now_us;
    due_us_ = static_cast<double>(now_us);
    has_begun_ = false;
    slipped_us_ = lateness_us_ = 0;
}

void Pacer::follow(std::int64_t now_us) {
    if (now_us < seen_us_) {
        const auto back = static_cast<double>(seen_us_ - now_us);
        due_us_ -= back;
        anchor_us_ -= back;
    }
    seen_us_ = now_us;
}

bool Pacer::take(std::int64_t now_us, std::int64_t event_time_us, std::uint64_t bytes) {
    if (pace_.kind == Pace::Kind::max) return true;
    follow(now_us);
    const auto now = static_cast<double>(now_us);
    if (!has_begun_) {
        has_begun_ = true;
        due_us_ = anchor_us_ = now;
        first_time_us_ = newest_time_us_ = event_time_us;
    }
    if (pace_.kind == Pace::Kind::original) {
        // Events out of order, or earlier than the first one, are due at once.
        const double since = static_cast<double>(event_time_us) - static_cast<double>(first_time_us_);
        due_us_ = anchor_us_ + std::clamp(since / pace_.rate, 0.0, 9e17);
    }
    if (now < due_us_) return false;
    const double late = now - due_us_;
    const double slip = std::max(0.0, late - static_cast<double>(catch_up_us));
    // At the original speed an event that lies before the first one, or behind a later one, is no delay.
    const bool is_late = pace_.kind != Pace::Kind::original || event_time_us >= newest_time_us_;
    newest_time_us_ = std::max(newest_time_us_, event_time_us);
    if (is_late) {
        anchor_us_ += slip;
        due_us_ += slip;
        slipped_us_ += static_cast<std::int64_t>(slip);
        lateness_us_ = static_cast<std::int64_t>(late - slip);
    }
    if (pace_.kind == Pace::Kind::events) due_us_ += 1e6 / pace_.rate;
    // An event larger than what is due goes all the same, and the next one waits for it.
    if (pace_.kind == Pace::Kind::bytes)
        due_us_ += 1e6 * static_cast<double>(std::max<std::uint64_t>(bytes, 1)) / pace_.rate;
    return true;
}

std::int64_t Pacer::wait_us(std::int64_t now_us) const {
    if (pace_.kind == Pace::Kind::max) return 0;
    const double wait = due_us_ - static_cast<double>(std::min(now_us, seen_us_));
    return static_cast<std::int64_t>(std::clamp(std::ceil(wait), 1.0, 1e15));
}

}  // namespace tarn::replay
