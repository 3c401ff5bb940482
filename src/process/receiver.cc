#include "process/receiver.h"

#include <algorithm>

namespace tarn::process {
namespace {

std::string_view end_name(Receipt::End end) {
    switch (end) {
        case Receipt::End::delivered:
            return "delivered";
        case Receipt::End::refused:
            return "refused";
        case Receipt::End::failed:
            return "failed";
        case Receipt::End::unknown:
            return "unknown";
        case Receipt::End::unreachable:
            return "unreachable";
        case Receipt::End::pushed_back:
            return "pushed_back";
    }
    return "";
}

constexpr std::size_t status_end = 8;  // of "HTTP 400"

bool has_status(std::string_view error) {
    return error.size() >= status_end && error.starts_with("HTTP ") &&
           std::ranges::all_of(error.substr(5, 3), [](char c) { return c >= '0' && c <= '9'; });
}

// Letters with the same status are of one cause: it must not pass for a number that differs by the event.
void set_error(Attempt& attempt, const Receipt& receipt) {
    const std::string_view error = receipt.error;
    if (!has_status(error)) {
        attempt.error_type = receipt.end == Receipt::End::unknown ? "Tarn.NoAnswer" : "Tarn.Target";
        attempt.message = error;
        return;
    }
    attempt.error_type = error.substr(0, status_end);
    attempt.message = error.substr(std::min(status_end + 1, error.size()));
}

Verdict::Kind kind_of(Receipt::End end) {
    switch (end) {
        case Receipt::End::delivered:
            return Verdict::Kind::done;
        case Receipt::End::refused:
            return Verdict::Kind::refused;
        case Receipt::End::unreachable:
            return Verdict::Kind::not_tried;
        case Receipt::End::pushed_back:
            return Verdict::Kind::pushed_back;
        default:
            return Verdict::Kind::fault;
    }
}

}  // namespace

Parcel parcel_of(const Item& item) {
    return {.position = item.position,
            .sequence = item.sequence,
            .ingested_us = item.ingested_us,
            .meta = item.meta,
            .payload = item.document,
            .form = item.form,
            .corrected = item.corrected};
}

Verdict verdict_of(const Receipt& receipt, std::int64_t now_us) {
    if (receipt.end == Receipt::End::delivered) return {};
    Verdict verdict{.kind = kind_of(receipt.end), .attempt = {}, .pause_us = receipt.again_us.value_or(0)};
    verdict.attempt.at_us = now_us;
    verdict.attempt.duration_us = receipt.duration_us;
    verdict.attempt.end = end_name(receipt.end);
    set_error(verdict.attempt, receipt);
    return verdict;
}

}  // namespace tarn::process
