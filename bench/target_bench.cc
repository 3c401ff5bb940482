// Runs into a service on the same machine: in batches, and one event a request.
#include <fmt/core.h>

#include <unordered_map>

#include "bench/bench.h"
#include "codec/hash.h"
#include "event/event.h"
#include "net/http_server.h"
#include "replay/target_spec.h"

namespace tarn::bench {
namespace {

// Takes everything and looks at it afterwards.
class Receiver final : public net::Handler {
public:
    static Result<std::unique_ptr<Receiver>> start() {
        auto receiver = std::make_unique<Receiver>();
        TARN_ASSIGN(receiver->server_,
                    net::HttpServer::start({.address = "127.0.0.1", .port = 0}, *receiver));
        return receiver;
    }
    void handle(net::Request request, Respond respond) override {
        keys.emplace_back(request.header("idempotency-key").value_or(""));
        bodies.push_back(std::move(request.body));
        net::Response response;
        response.status = 204;
        respond(std::move(response));
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}/in", server_->port()); }
    void stop() { server_->stop(1'000'000); }

    std::vector<std::string> bodies, keys;

private:
    std::unique_ptr<net::HttpServer> server_;
};

// What has arrived: how many, whether each key's are in order, and the sum of the hashes of their data.
struct Arrived {
    std::uint64_t events = 0, out_of_order = 0, hashes = 0;
    std::unordered_map<std::string, std::uint64_t> last;  // key → offset

    // The offset is behind the last colon of an idempotency key.
    Status add(std::string_view document, std::string_view idempotency_key) {
        const auto data = codec::find_member(document, "data");
        if (!data) return fail(Code::internal, "an event without data arrived");
        const auto key = codec::find_member(*data, "TargetAccount");
        const std::string text(idempotency_key.substr(idempotency_key.rfind(':') + 1));
        const std::uint64_t offset = std::stoull(text) + 1;
        std::uint64_t& before = last[std::string(key.value_or(""))];
        if (offset <= before) ++out_of_order;
        before = offset;
        ++events;
        hashes += codec::xxh3_64(*data);
        return {};
    }
};

Result<Arrived> look_at(const Receiver& receiver) {
    Arrived arrived;
    for (std::size_t i = 0; i < receiver.bodies.size(); ++i) {
        const std::string& body = receiver.bodies[i];
        if (body.starts_with('{')) {
            TARN_TRY(arrived.add(body, receiver.keys[i]));
            continue;
        }
        codec::JsonArraySplitter splitter("", 1u << 20);
        TARN_TRY(splitter.feed(body, [&arrived](std::string_view document, std::uint64_t) {
            return arrived.add(document,
                               codec::unescape(codec::find_member(document, "tarnkey").value_or("\"\"")));
        }));
        TARN_TRY(splitter.finish());
    }
    return arrived;
}

Result<codec::Json> run_into(const std::string& declaration, std::uint64_t events, double at_least) {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench", R"({"event":{"key":{"path":"TargetAccount"}}})"));
    TARN_TRY(fill(*engine, "bench", events));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    TARN_ASSIGN(const auto receiver, Receiver::start());
    TARN_ASSIGN(codec::Json settings, codec::Json::parse(declaration));
    settings.set("url", receiver->url());
    TARN_ASSIGN(const auto spec, replay::TargetSpec::from_json("bench", settings, "/"));
    TARN_TRY(engine->catalog().put_document(
        {std::string(replay::target_document), "bench", engine->clock().now(), spec.to_json()}));

    replay::PlanRequest request;
    request.stream = "bench";
    request.all = true;
    request.target = "target:bench";
    TARN_ASSIGN(const codec::Json plan, engine->replay().plan(request));
    TARN_ASSIGN(const std::string run, engine->replay().create_run(plan["plan"].as_string()));
    const std::atomic<bool> stop{false};
    const double begin = now_seconds();
    TARN_ASSIGN(const codec::Json report,
                engine->replay().run(plan["plan"].as_string(), run, stop, [](const auto&) {}));
    const double seconds = now_seconds() - begin;
    receiver->stop();

    TARN_ASSIGN(const Arrived arrived, look_at(*receiver));
    std::uint64_t hashes = 0;
    for (std::uint64_t i = 0; i < events; ++i) hashes += codec::xxh3_64(sample_event(i));
    if (report["counts"]["acknowledged"].as_uint() != events || arrived.events != events ||
        arrived.out_of_order != 0 || arrived.hashes != hashes)
        return fail(
            Code::internal,
            fmt::format("{} acknowledged, {} arrived, {} out of order, hashes {}: {}",
                        report["counts"]["acknowledged"].as_uint(), arrived.events, arrived.out_of_order,
                        arrived.hashes == hashes ? "equal" : "differ", report.dump()));
    codec::Json json = result(static_cast<double>(events) / seconds, "events/s", at_least);
    json.set("events", events).set("requests", receiver->bodies.size()).set("keys", arrived.last.size());
    return json;
}

Result<codec::Json> in_batches() {
    return run_into(R"({"mode":"batched","batch":100,"connections":8})", 200'000, 100'000);
}

Result<codec::Json> singly() {
    return run_into(R"({"mode":"structured","connections":64})", 100'000, 30'000);
}

}  // namespace

std::vector<Bench> target_benches() {
    return {
        {"http_target_batches", "a run of 200,000 events of 1,050 B to a local service, 100 a request",
         in_batches},
        {"http_target_single", "a run of 100,000 such events, one a request over 64 connections", singly},
    };
}

}  // namespace tarn::bench
