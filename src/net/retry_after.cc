#include "net/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

namespace tarn::net {

std::optional<std::int64_t> retry_after_us(const Headers& headers, Time now) {
    constexpr std::int64_t longest_seconds = 3600;
    const auto asked = find_header(headers, "retry-after");
    if (!asked) return std::nullopt;
    std::int64_t seconds = 0;
    const auto [end, problem] = std::from_chars(asked->data(), asked->data() + asked->size(), seconds);
    if (problem == std::errc() && end == asked->data() + asked->size()) {
        if (seconds < 0) return std::nullopt;
    } else if (problem == std::errc::result_out_of_range) {
        seconds = longest_seconds;
    } else {
        const std::int64_t at = ::curl_getdate(std::string(*asked).c_str(), nullptr);
        if (at < 0) return std::nullopt;
        seconds = std::max<std::int64_t>(at - now.us / 1'000'000, 0);
    }
    return std::min(seconds, longest_seconds) * 1'000'000;
}

}  // namespace tarn::net
