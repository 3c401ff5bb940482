// Sends events to a service: one a request over many connections, or in batches. How a request looks and what
// an answer means is described in docs/reference/replay-targets.md.
//
// A batch is filled by events that may go at the same time; so it has at most one of a key. It goes out when
// it is full, or when it has waited for a moment: for a shorter one, or not at all when events come sparsely,
// while nothing else is under way.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "codec/base64.h"
#include "codec/hash.h"
#include "event/binary_mode.h"
#include "net/http_sender.h"
#include "net/retry_after.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

constexpr int max_attempts = 5;
// A service that says that it has too much to do has not failed. With the pauses below this is a quarter of
// an hour.
constexpr int max_pushed_back = 40;
constexpr std::int64_t first_pause_us = 100'000;
constexpr std::int64_t longest_pause_us = 30'000'000;
constexpr std::int64_t longest_linger_us = 5'000, short_linger_us = 1'000;
constexpr std::size_t max_batch_bytes = 1u << 20;
constexpr std::size_t max_answer_bytes = 1u << 20;

std::int64_t pause_after(int attempt) {
    return std::min(first_pause_us << std::min(attempt - 1, 20), longest_pause_us);
}

bool is_pushing_back(int status) { return status == 429 || status == 503; }
// 409: by the draft on Idempotency-Key, an earlier request with this key is still being worked on.
bool may_be_repeated(int status) {
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
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

std::string described(const net::ClientResponse& response) {
    const std::string words = first_words(response.body);
    std::string text = fmt::format("HTTP {}{}{}", response.status, words.empty() ? "" : " ", words);
    if (response.status >= 300 && response.status < 400)
        text += " (redirects are not followed: plan with the place that it leads to)";
    return text;
}

Attempted acknowledged(int attempt) {
    return {.sent = {Delivery::acknowledged, "", attempt}, .again_us = {}};
}

Attempted again_or(Delivery otherwise, std::string error, int attempt, int most, std::int64_t pause_us) {
    Attempted attempted{.sent = {otherwise, std::move(error), attempt}, .again_us = {}};
    if (attempt < most) attempted.again_us = pause_us;
    return attempted;
}

// ---- what a batch's answer says of single events: {"failures":[{"index":3,"error":"…","retry":true}]}

struct Failed {
    std::string error;
    bool may_be_repeated = false;
};

struct Named {
    std::map<std::size_t, Failed> failed;  // by place in the batch
    std::string problem;                   // the answer cannot be understood
};

struct Member {
    std::string key, id;
    int attempt = 1;
    ParallelTarget::Done done;
};

bool is_named(const codec::Json& failure, std::size_t place, const Member& member) {
    if (failure["index"].is_number()) return failure["index"].as_uint(SIZE_MAX) == place;
    if (failure["key"].is_string()) return failure["key"].as_string() == member.key;
    return failure["id"].is_string() && failure["id"].as_string() == member.id;
}

Named failures_in(const std::string& body, const std::vector<Member>& members) {
    Named named;
    if (body.size() >= max_answer_bytes) {
        named.problem = "the answer is too long to see which events it names";
        return named;
    }
    if (body.find("\"failures\"") == std::string::npos) return named;
    const auto answer = codec::Json::parse(body);
    if (!answer || !(*answer)["failures"].is_array()) return named;
    for (const codec::Json& failure : (*answer)["failures"].elements()) {
        bool is_known = false;
        for (std::size_t place = 0; place < members.size(); ++place) {
            if (!is_named(failure, place, members[place])) continue;
            named.failed[place] = {failure["error"].as_string(), failure["retry"].as_bool()};
            is_known = true;
        }
        if (!is_known)
            named.problem =
                "the answer names a failed event that was not in the batch: " + first_words(failure.dump());
    }
    return named;
}

class HttpTarget final : public ParallelTarget {
public:
    HttpTarget(os::Clock& clock, HttpSettings settings, TargetRun run)
        : clock_(clock),
          settings_(std::move(settings)),
          run_(std::move(run)),
          in_batches_(settings_.mode == HttpMode::batched && run_.shape == event::Shape::cloudevents),
          sender_(sender_options()) {}

    // What waits to become a batch was not sent; what is under way ends with the sender.
    ~HttpTarget() override {
        Batch open;
        {
            const std::scoped_lock lock(mutex_);
            open = std::exchange(open_, Batch());
        }
        for (const Member& member : open.members)
            member.done(fail(Code::cannot_connect, fmt::format("POST {}: broken off", settings_.url)));
    }
    HttpTarget(const HttpTarget&) = delete;
    HttpTarget& operator=(const HttpTarget&) = delete;

    std::size_t at_once() const override {
        return settings_.connections * (in_batches_ ? settings_.batch : 1);
    }
    std::size_t max_unsettled() const override { return std::clamp<std::size_t>(at_once(), 100, 10'000); }

    void begin(const Outgoing& outgoing, Done done) override {
        if (in_batches_) return put_into_batch(outgoing, std::move(done));
        auto [headers, body] = request_of(outgoing);
        finish_headers(headers, outgoing.idempotency_key, body);
        sender_.post(std::move(headers), std::move(body),
                     [this, attempt = outgoing.attempt, done = std::move(done)](const auto& answer) {
                         done(judged(answer, attempt));
                     });
    }

    void rest(std::int64_t us) override { clock_.sleep_us(us); }

private:
    net::SenderOptions sender_options() {
        net::SenderOptions options{.url = settings_.url,
                                   .connections = settings_.connections,
                                   .timeout_us = settings_.timeout_us,
                                   .addresses = settings_.addresses,
                                   .max_answer_bytes = max_answer_bytes,
                                   .on_pass = {}};
        if (in_batches_) options.on_pass = [this] { return look_after_batch(); };
        return options;
    }

    // ---- requests

    std::pair<net::Headers, std::string> request_of(const Outgoing& outgoing) const {
        const event::ShapeExtras extras{.run = run_.run, .attempt = outgoing.attempt};
        if (settings_.mode == HttpMode::binary && run_.shape == event::Shape::cloudevents) {
            auto binary = event::binary_mode(outgoing.event, outgoing.meta, extras);
            return {std::move(binary.headers), std::move(binary.body)};
        }
        net::Headers headers = {{"content-type", std::string(content_type_of(run_.shape, outgoing))}};
        if (run_.shape == event::Shape::payload && !run_.run.empty()) {
            headers.emplace_back("tarn-run", run_.run);
            headers.emplace_back("tarn-attempt", std::to_string(outgoing.attempt));
        }
        std::string body;
        event::append_shape(body, run_.shape, outgoing.event, outgoing.meta, extras);
        return {std::move(headers), std::move(body)};
    }

    // The key, the user's own headers, and the signature of Standard Webhooks over all of the body.
    void finish_headers(net::Headers& headers, const std::string& key, const std::string& body) const {
        headers.emplace_back("idempotency-key", key);
        headers.insert(headers.end(), settings_.headers.begin(), settings_.headers.end());
        if (settings_.secret.empty()) return;
        const std::string at = std::to_string(clock_.now().us / 1'000'000);
        const std::string mac = codec::hmac_sha256(settings_.secret, fmt::format("{}.{}.{}", key, at, body));
        headers.emplace_back("webhook-id", key);
        headers.emplace_back("webhook-timestamp", at);
        headers.emplace_back("webhook-signature", "v1," + codec::base64_encode(mac));
    }

    // ---- answers

    Result<Attempted> judged(const Result<net::ClientResponse>& answer, int attempt) const {
        if (answer) return judged(*answer, attempt);
        const Error& error = answer.error();
        if (error.kind == ErrorKind::outcome_unknown)
            return again_or(Delivery::unknown, error.message, attempt,
                            settings_.is_idempotent ? max_attempts : 0, pause_after(attempt));
        // Nobody there, or not allowed: not this event's fault, and the next ones would fare no better.
        if (error.kind != ErrorKind::unavailable || attempt >= max_attempts) return fail(error);
        Attempted attempted =
            again_or(Delivery::failed, error.message, attempt, max_attempts, pause_after(attempt));
        attempted.was_reached = false;
        return attempted;
    }

    Attempted judged(const net::ClientResponse& response, int attempt) const {
        const int status = response.status;
        if (status >= 200 && status < 300) return acknowledged(attempt);
        if (!may_be_repeated(status))
            return {.sent = {Delivery::failed, described(response), attempt}, .again_us = {}};
        const auto asked = net::retry_after_us(response.headers, clock_.now());
        Attempted attempted = again_or(Delivery::failed, described(response), attempt,
                                       is_pushing_back(status) ? max_pushed_back : max_attempts,
                                       std::max(asked.value_or(0), pause_after(attempt)));
        if (is_pushing_back(status)) attempted.pushed_back_us = asked.value_or(0);
        return attempted;
    }

    // ---- batches

    struct Batch {
        std::string body;
        std::vector<Member> members;
        std::int64_t opened_us = 0;
    };

    void put_into_batch(const Outgoing& outgoing, Done done) {
        bool is_due = false, is_first = false;
        {
            const std::scoped_lock lock(mutex_);
            is_first = open_.members.empty();
            if (is_first) open_.opened_us = waiting_->monotonic_us();
            open_.body += is_first ? '[' : ',';
            event::append_shape(
                open_.body, event::Shape::cloudevents, outgoing.event, outgoing.meta,
                {.run = run_.run, .attempt = outgoing.attempt, .key = outgoing.idempotency_key});
            open_.members.push_back({.key = outgoing.idempotency_key,
                                     .id = std::string(outgoing.meta.id),
                                     .attempt = outgoing.attempt,
                                     .done = std::move(done)});
            is_due = is_full() || linger_us() == 0;
            if (is_due) send_open();
        }
        if (!is_due && is_first) sender_.wake();  // which looks when it has waited long enough
    }

    bool is_full() const {
        return open_.members.size() >= settings_.batch || open_.body.size() >= max_batch_bytes;
    }

    // Events that come fast fill the next batch, too, before an answer could come.
    std::int64_t linger_us() const {
        if (under_way_ > 0) return longest_linger_us;
        return last_size_ * 2 < settings_.batch ? 0 : short_linger_us;
    }

    // In the sender's thread. How long until the open batch has waited for long enough.
    std::int64_t look_after_batch() {
        const std::scoped_lock lock(mutex_);
        if (open_.members.empty()) return -1;
        const std::int64_t left_us = open_.opened_us + linger_us() - waiting_->monotonic_us();
        if (left_us > 0) return left_us;
        send_open();
        return -1;
    }

    // The mutex is held.
    void send_open() {
        auto batch = std::make_shared<Batch>(std::exchange(open_, Batch()));
        batch->body += ']';
        std::string body = std::move(batch->body);
        net::Headers headers = {{"content-type", "application/cloudevents-batch+json"}};
        finish_headers(headers, fmt::format("{}+{}", batch->members.front().key, batch->members.size()),
                       body);
        last_size_ = batch->members.size();
        ++under_way_;
        sender_.post(std::move(headers), std::move(body), [this, batch](const auto& answer) {
            {
                const std::scoped_lock lock(mutex_);
                --under_way_;
            }
            end_batch(batch->members, answer);
        });
    }

    void end_batch(std::vector<Member>& members, const Result<net::ClientResponse>& answer) const {
        const bool is_taken = answer && answer->status >= 200 && answer->status < 300;
        const Named named = is_taken ? failures_in(answer->body, members) : Named();
        for (std::size_t place = 0; place < members.size(); ++place) {
            const Member& member = members[place];
            const auto failed = named.failed.find(place);
            if (!named.problem.empty())
                member.done(again_or(Delivery::unknown, named.problem, member.attempt, 0, 0));
            else if (failed != named.failed.end())
                member.done(again_or(Delivery::failed, failed->second.error, member.attempt,
                                     failed->second.may_be_repeated ? max_attempts : 0,
                                     pause_after(member.attempt)));
            else
                member.done(judged(answer, member.attempt));
        }
    }

    os::Clock& clock_;
    const std::unique_ptr<os::Clock> waiting_ = os::make_real_clock();  // a thread of ours really waits
    const HttpSettings settings_;
    const TargetRun run_;
    const bool in_batches_;
    std::mutex mutex_;
    Batch open_;                 // under mutex_
    std::size_t under_way_ = 0;  // under mutex_: batches
    std::size_t last_size_ = 0;  // under mutex_: of the batch that went last
    net::HttpSender sender_;     // its thread ends first
};

// A secret as Standard Webhooks writes it, or any other text.
Result<std::string> read_secret(os::FileSystem& fs, const std::string& path) {
    TARN_ASSIGN(std::string text, os::read_file(fs, path));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    if (text.empty())
        return fail(Code::bad_config, fmt::format("the secret file {} is empty", path),
                    {.next = "put the secret into it, on one line"});
    if (!text.starts_with("whsec_")) return text;
    auto bytes = codec::base64_decode(std::string_view(text).substr(6));
    if (!bytes || bytes->empty())
        return fail(Code::bad_config,
                    fmt::format("the secret file {}: whsec_ is not followed by base64", path),
                    {.next = "put the secret into it as the receiver gave it out"});
    return std::move(*bytes);
}

}  // namespace

Result<HttpSettings> http_settings(os::FileSystem& fs, const TargetSpec& spec) {
    HttpSettings settings{.url = spec.url,
                          .mode = spec.mode,
                          .batch = spec.batch,
                          .connections = spec.connections,
                          .timeout_us = spec.timeout_us,
                          .secret = {},
                          .headers = {},
                          .addresses = spec.allow_private ? net::AddressRule::with_private_networks
                                                          : net::AddressRule::no_private_networks,
                          .is_idempotent = spec.is_idempotent};
    if (!spec.secret_file.empty()) {
        TARN_ASSIGN(settings.secret, read_secret(fs, spec.secret_file));
    }
    for (const TargetSpec::Header& header : spec.headers) {
        std::string value = header.value;
        if (!header.file.empty()) {
            TARN_ASSIGN(value, read_secret(fs, header.file));
        }
        settings.headers.emplace_back(header.name, std::move(value));
    }
    return settings;
}

HttpMode ask_for_mode(const HttpSettings& settings) {
    if (settings.mode != HttpMode::automatic) return settings.mode;
    constexpr std::int64_t longest_wait_us = 5'000'000;
    net::HttpClient client;
    const auto answer = client.send({.method = "OPTIONS",
                                     .url = settings.url,
                                     .headers = settings.headers,
                                     .body = {},
                                     .timeout_us = longest_wait_us,
                                     .addresses = settings.addresses});
    if (!answer || answer->status >= 300) return HttpMode::structured;
    const auto takes = net::find_header(answer->headers, "accept-post");
    const bool says_so = takes && takes->find("application/cloudevents-batch+json") != std::string_view::npos;
    return says_so ? HttpMode::batched : HttpMode::structured;
}

std::unique_ptr<ParallelTarget> make_http_target(os::Clock& clock, HttpSettings settings, TargetRun run) {
    return std::make_unique<HttpTarget>(clock, std::move(settings), std::move(run));
}

}  // namespace tarn::replay
