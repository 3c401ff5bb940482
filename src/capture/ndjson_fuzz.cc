// Any bytes posted in any form: answered exactly once, every event either accepted or quarantined, bytes
// unchanged.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.h"
#include "capture/fakes.h"
#include "capture/post.h"
#include "codec/hash.h"

using namespace tarn;

namespace {

constexpr std::string_view content_types[] = {"application/x-ndjson",
                                              "application/json",
                                              "application/cloudevents+json",
                                              "application/cloudevents-batch+json",
                                              "text/plain",
                                              ""};

std::shared_ptr<const capture::Stream> make_orders() {
    event::StreamSettings settings;
    settings.partitions = 3;
    settings.max_event_bytes = 4096;
    settings.mapping.key = {{event::Rule::From::path, "k.v", {}}};
    settings.mapping.time = {{event::Rule::From::path, "t", event::TimeUnit::s}};
    auto stream = capture::make_stream(
        {.id = StreamId{1}, .name = "orders", .settings = settings, .created = {}, .rolled_sequence = 1});
    TARN_CHECK(stream);
    return *stream;
}

// Everything but LF and empty lines, or the whole body.
void check_lines(const capture::FakeLog& log, std::string_view body) {
    std::size_t next = 0;
    while (!body.empty()) {
        const std::string_view line = body.substr(0, body.find('\n'));
        body.remove_prefix(std::min(body.size(), line.size() + 1));
        if (line.empty()) continue;
        TARN_CHECK(next < log.stored.size());
        TARN_CHECK(log.stored[next].payload == line);
        ++next;
    }
    TARN_CHECK(next == log.stored.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto stream = make_orders();
    if (size == 0) return 0;
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    capture::FakeLog log;
    os::SimClock clock;
    net::Request request;
    const std::size_t kind = data[0] % 8;
    if (kind < 6) {
        request.headers.emplace_back("content-type", content_types[kind]);
    } else {
        // Binary mode: the body's first lines are attribute values.
        const std::string_view value = body.substr(0, body.find('\n'));
        request.headers = {
            {"ce-specversion", "1.0"}, {"ce-id", std::string(value)}, {"ce-source", "/s"}, {"ce-type", "t"}};
    }
    request.body = std::string(body);
    int answers = 0, status = 0;
    capture::post_events(log, clock, stream, request, [&](const net::Response& response) {
        ++answers;
        status = response.status;
    });
    TARN_CHECK(answers == 1);
    TARN_CHECK(status == 200 || status == 400 || status == 413);
    for (const auto& stored : log.stored) TARN_CHECK(stored.hash == codec::xxh3_128(stored.payload));
    if (kind == 0) check_lines(log, body);
    if (kind != 0 && kind != 3 && !log.stored.empty())
        TARN_CHECK(log.stored.size() == 1 && log.stored[0].payload == body);
    return 0;
}
