#include "capture/post.h"

#include <fmt/core.h>

#include <cstring>

#include "capture/answer.h"
#include "capture/batch_builder.h"
#include "capture/place.h"
#include "capture/post_request.h"
#include "codec/hash.h"
#include "codec/json.h"

namespace tarn::capture {
namespace {

using Respond = std::function<void(net::Response)>;

// An unpacked body may be as large as one that came unpacked (net::ServerOptions).
constexpr std::size_t max_body_bytes = 64u << 20;
constexpr const char* content_types =
    "see docs/reference/capture.md, section POST events, for what each content type holds";

Error too_large_error(std::size_t bytes, std::size_t limit) {
    return make_error(Code::too_large, fmt::format("the event has {} bytes, the limit is {}",
                                                   format_count(bytes), format_count(limit)));
}

Failure too_many_events() {
    return fail(Code::too_large,
                fmt::format("the request holds more than {} events", format_count(max_events_per_request)),
                {.next = "send it in several requests, or use tarn import"});
}

// Gathers one request's events. What is wrong with the request as a whole comes back as a Status; what is
// wrong with an event among others is quarantined.
class Gatherer {
public:
    Gatherer(const Stream& stream, const PostOptions& options, Time now)
        : stream_(stream), keyless_(stream.keyless_partition()), now_(now) {
        incoming_.key = options.key;
        incoming_.type = options.type;
    }

    // A single event: its error is the request's.
    Status single(const net::Request& request, BodyKind kind) {
        incoming_.structured = kind == BodyKind::structured;
        incoming_.opaque = kind == BodyKind::opaque;
        // In shape payload the mark of a run has no other place.
        if (const auto run = request.header("tarn-run"); run && !run->empty())
            incoming_.extensions = {{"tarnrun", std::string(*run)}};
        if (!incoming_.structured) incoming_.content_type = request.header("content-type").value_or("");
        if (kind == BodyKind::binary) {
            TARN_ASSIGN(incoming_.binary_attributes, binary_attributes(request.headers));
        } else if (request.body.empty()) {
            return fail(Code::empty_body, "the request's body is empty: expected an event",
                        {.next = content_types});
        }
        return derive(request.body);
    }

    Status lines(std::string_view body) {
        if (body.empty())
            return fail(Code::empty_body, "the request's body is empty: expected an event on each line",
                        {.next = content_types});
        Start start;
        for (const char* at = body.data(); at != body.end(); ++start.line) {
            const auto rest = static_cast<std::size_t>(body.end() - at);
            const void* feed = std::memchr(at, '\n', rest);
            const std::size_t size =
                feed == nullptr ? rest : static_cast<std::size_t>(static_cast<const char*>(feed) - at);
            start.byte = static_cast<std::uint64_t>(at - body.data());
            TARN_TRY(line(std::string_view(at, size), start));
            at += feed == nullptr ? rest : size + 1;
        }
        return {};
    }

    Status members(std::string_view body) {
        incoming_.structured = true;
        // One level for the array around the events.
        TARN_ASSIGN(const codec::JsonFacts facts,
                    codec::validate_json(body, {.max_bytes = max_quarantined_bytes, .max_depth = 129}));
        if (facts.type != codec::JsonType::array)
            return fail(Code::bad_cloudevent, "expected a JSON array of CloudEvents",
                        {.place = {.source = {}, .line = 1, .column = 1, .byte = 0}});
        Start start;
        Status status;
        codec::for_each_element(body, [&](std::string_view member) {
            const auto byte = static_cast<std::size_t>(member.data() - body.data());
            start = moved_over(start, body.substr(start.byte, byte - start.byte));
            status = one_of_many(member, start);
            return status.has_value();
        });
        return status;
    }

    BatchBuilder& batch() { return batch_; }
    Gist take_gist() {
        gist_.events = batch_.size();
        gist_.quarantined = batch_.quarantined();
        return std::move(gist_);
    }
    const Gist& gist() const { return gist_; }

private:
    Status line(std::string_view bytes, const Start& start) {
        if (!bytes.empty()) return one_of_many(bytes, start);
        ++gist_.empty_lines;
        return {};
    }

    Status one_of_many(std::string_view payload, const Start& start) {
        if (batch_.size() == max_events_per_request) return too_many_events();
        Status derived = derive(payload);
        if (derived) return {};
        Error& error = derived.error();
        move_place(error, start);
        if (gist_.bad.size() < max_named_errors) gist_.bad.push_back({error, batch_.size()});
        batch_.add_quarantined(error, payload, "", now_);
        return {};
    }

    Status derive(std::string_view payload) {
        const std::size_t limit = stream_.max_event_bytes();
        if (payload.size() > limit) return fail(too_large_error(payload.size(), limit));
        incoming_.payload = payload;
        TARN_ASSIGN(auto derived, stream_.deriver->derive(incoming_));
        if (stream_.drops(derived)) {
            ++gist_.dropped;
            return {};
        }
        batch_.add(stream_, std::move(derived), payload, keyless_);
        return {};
    }

    const Stream& stream_;
    Partition keyless_;
    Time now_;
    event::Incoming incoming_;  // the same for all events of the request but for the payload
    BatchBuilder batch_{BatchBuilder::Payloads::viewed};
    Gist gist_;
};

Status gather(Gatherer& gatherer, const net::Request& request, BodyKind kind) {
    if (kind == BodyKind::lines) return gatherer.lines(request.body);
    if (kind == BodyKind::members) return gatherer.members(request.body);
    return gatherer.single(request, kind);
}

log::Origin origin_of(const Stream& stream, const PostOptions& options, std::string_view body) {
    if (!options.idempotency_key) return {};
    return {.producer = fmt::format("key:{}:{}", stream.info.id.value, *options.idempotency_key),
            .sequence = 1,
            .tag = codec::xxh3_64(body)};
}

net::Response conflict_answer() {
    return net::error_response(make_error(Code::origin_conflict,
                                          "this Idempotency-Key was used for other bytes; nothing was stored",
                                          {.next = "send this body with a new Idempotency-Key"}));
}

void submit_accepted(log::Log& log, const Stream& stream, Gatherer& gatherer, log::Origin origin,
                     Respond respond) {
    const std::uint64_t tag = origin.tag;
    const log::Batch& batch = gatherer.batch().finish(stream.info.id, std::move(origin));
    log.submit(batch, [tag, gist = gatherer.take_gist(),
                       respond = std::move(respond)](Result<log::Appended> appended) {
        if (!appended) return respond(net::error_response(appended.error()));
        if (appended->repeated && appended->origin_tag != tag) return respond(conflict_answer());
        respond(accepted_answer(gist, *appended));
    });
}

// The request's only event, or a body that cannot be cut, is bad: its bytes are kept, then the error is the
// answer.
void submit_bad_body(log::Log& log, const Stream& stream, Error error, std::string_view body, Time now,
                     log::Origin origin, Respond respond) {
    const std::uint64_t tag = origin.tag;
    BatchBuilder builder(BatchBuilder::Payloads::viewed);
    builder.add_quarantined(error, body, "", now);
    log.submit(builder.finish(stream.info.id, std::move(origin)),
               [tag, error = std::move(error), name = stream.info.name,
                respond = std::move(respond)](Result<log::Appended> appended) {
                   if (!appended) return respond(net::error_response(appended.error()));
                   if (appended->repeated && appended->origin_tag != tag) return respond(conflict_answer());
                   if (quarantined_in(*appended) == 0) return respond(accepted_answer({}, *appended));
                   respond(quarantined_answer(error, name, appended->first_sequence));
               });
}

bool is_kept_when_bad(const Error& error, std::string_view body) {
    return !body.empty() && body.size() <= max_quarantined_bytes && error.code != Code::empty_body;
}

// on_error=reject: the first bad event is the answer, and nothing is stored.
net::Response rejected_answer(Error error) {
    error.message += "; nothing of the request was stored (on_error=reject)";
    if (error.next.empty())
        error.next =
            "correct it and send the request again, or leave on_error=reject out: then it goes to quarantine";
    return net::error_response(error);
}

net::Response undecoded_answer(const Error& error) {
    net::Response response = net::error_response(error);
    if (error.code != Code::unsupported_media) return response;
    response.status = 415;
    response.headers.emplace_back("accept-encoding", accepted_encodings);
    return response;
}

}  // namespace

void post_events(log::Log& log, os::Clock& clock, const std::shared_ptr<const Stream>& stream,
                 net::Request request, std::function<void(net::Response)> respond) {
    auto options = read_options(request);
    if (!options) return respond(net::error_response(options.error()));
    if (const Status decoded = decode_body(request, max_body_bytes); !decoded)
        return respond(undecoded_answer(decoded.error()));
    const BodyKind kind = body_kind(request);
    const Time now = clock.now();
    Gatherer gatherer(*stream, *options, now);

    Status gathered = gather(gatherer, request, kind);
    if (!gathered) {
        Error& error = gathered.error();
        const bool whole_body = gatherer.batch().size() == 0 && is_kept_when_bad(error, request.body);
        if (options->reject) return respond(rejected_answer(std::move(error)));
        if (!whole_body) return respond(net::error_response(error));
        return submit_bad_body(log, *stream, std::move(error), request.body, now,
                               origin_of(*stream, *options, request.body), std::move(respond));
    }
    if (options->reject && !gatherer.gist().bad.empty())
        return respond(rejected_answer(gatherer.gist().bad.front().error));
    if (gatherer.batch().size() == 0) return respond(accepted_answer(gatherer.take_gist(), {}));
    submit_accepted(log, *stream, gatherer, origin_of(*stream, *options, request.body), std::move(respond));
}

}  // namespace tarn::capture
