// One POST an event. 2xx is taken; 408, 425, 429 and 5xx are tried again with growing pauses, other answers
// are failures. A request that went out without an answer is unknown: it is not repeated, because that could
// deliver it twice.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "net/http_client.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

constexpr int max_attempts = 5;
constexpr std::int64_t first_pause_us = 100'000;
constexpr std::int64_t max_pause_us = 30'000'000;
constexpr std::int64_t timeout_us = 30'000'000;

bool may_be_repeated(int status) { return status == 408 || status == 425 || status == 429 || status >= 500; }

std::int64_t pause_before(int attempt, const net::Headers& headers) {
    const std::int64_t own = first_pause_us << (attempt - 2);
    const auto asked = net::find_header(headers, "retry-after");
    std::int64_t seconds = 0;
    if (!asked || std::from_chars(asked->data(), asked->data() + asked->size(), seconds).ec != std::errc())
        return own;
    return std::clamp(seconds, std::int64_t{0}, max_pause_us / 1'000'000) * 1'000'000 + own;
}

std::string_view content_type_of(event::Shape shape, const Outgoing& outgoing) {
    if (shape == event::Shape::cloudevents) return "application/cloudevents+json";
    if (shape == event::Shape::eventbridge) return "application/json";
    if (outgoing.meta.content_type) return *outgoing.meta.content_type;
    return outgoing.meta.format == event::Format::bytes ? "application/octet-stream" : "application/json";
}

// The first line of what the receiver said, fit for a report.
std::string first_words(std::string_view body) {
    std::string words(body.substr(0, std::min<std::size_t>(body.find_first_of("\r\n"), 200)));
    while (!words.empty() && !codec::is_valid_utf8(words)) words.pop_back();
    return words;
}

class HttpTarget final : public Target {
public:
    HttpTarget(os::Clock& clock, std::string url, TargetRun run)
        : clock_(clock), url_(std::move(url)), run_(std::move(run)) {}

    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        std::vector<Sent> answers;
        for (const Outgoing& outgoing : batch) {
            TARN_ASSIGN(Sent sent, post(outgoing));
            answers.push_back(std::move(sent));
            if (answers.back().delivery != Delivery::acknowledged) break;
        }
        return answers;
    }

    Status flush() override { return {}; }
    std::size_t max_batch() const override { return 10; }
    std::size_t max_unsettled() const override { return 10; }

private:
    Result<Sent> post(const Outgoing& outgoing) {
        for (int attempt = 1;; ++attempt) {
            const Result<net::ClientResponse> response = client_.send(make_request(outgoing, attempt));
            if (!response && response.error().kind == ErrorKind::outcome_unknown)
                return Sent{Delivery::unknown, response.error().message, attempt};
            // Nobody there: not this event's fault, and the next ones would fare no better.
            if (!response && attempt == max_attempts) return fail(response.error());
            if (response && response->status >= 200 && response->status < 300)
                return Sent{Delivery::acknowledged, "", attempt};
            if (response && (attempt == max_attempts || !may_be_repeated(response->status)))
                return Sent{Delivery::failed,
                            fmt::format("HTTP {} {}", response->status, first_words(response->body)),
                            attempt};
            clock_.sleep_us(pause_before(attempt + 1, response ? response->headers : net::Headers()));
        }
    }

    net::ClientRequest make_request(const Outgoing& outgoing, int attempt) {
        net::ClientRequest request;
        request.method = "POST";
        request.url = url_;
        request.timeout_us = timeout_us;
        request.headers = {{"content-type", std::string(content_type_of(run_.shape, outgoing))},
                           {"idempotency-key", outgoing.idempotency_key}};
        event::append_shape(request.body, run_.shape, outgoing.event, outgoing.meta,
                            {.run = run_.run, .attempt = attempt});
        return request;
    }

    os::Clock& clock_;
    std::string url_;
    TargetRun run_;
    net::HttpClient client_;
};

}  // namespace

std::unique_ptr<Target> make_http_target(os::Clock& clock, std::string url, TargetRun run) {
    return std::make_unique<HttpTarget>(clock, std::move(url), std::move(run));
}

}  // namespace tarn::replay
