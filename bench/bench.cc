#include "bench/bench.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "codec/hash.h"

namespace tarn::bench {

const std::vector<Bench>& all_benches() {
    static const std::vector<Bench> benches = [] {
        std::vector<Bench> all;
        for (auto* part : {capture_benches, replay_benches, replay_scale_benches, verify_benches,
                           target_benches, operation_benches, pattern_benches, function_benches, pace_benches,
                           state_benches, process_benches})
            for (auto& bench : part()) all.push_back(std::move(bench));
        return all;
    }();
    return benches;
}

codec::Json result(double value, std::string unit, double at_least) {
    codec::Json json;
    json.set("value", value).set("unit", std::move(unit)).set("at_least", at_least).set("checked", true);
    return json;
}

Scratch::Scratch() {
    static int number = 0;
    root_ = (std::filesystem::temp_directory_path() / fmt::format("tarn-bench-{}-{}", ::getpid(), ++number))
                .string();
    std::filesystem::create_directories(root_);
}

Scratch::~Scratch() { std::filesystem::remove_all(root_); }

std::string tarn_binary() { return (std::filesystem::path(os::self_path()).parent_path() / "tarn").string(); }

Result<std::unique_ptr<Server>> Server::start(const std::string& directory) {
    auto server = std::make_unique<Server>();
    os::ProcessOptions options;
    options.arguments = {tarn_binary(), "up", "--data", directory, "--listen", "127.0.0.1:0"};
    options.environment = {"PATH=/usr/bin:/bin"};
    TARN_ASSIGN(server->process_, os::spawn(options));
    std::string line;
    while (line.find('\n') == std::string::npos) {
        TARN_ASSIGN(const std::string piece, server->process_->read_stdout(120'000'000));
        if (piece.empty())
            return fail(Code::internal, "the server ended: " + server->process_->stderr_tail());
        line += piece;
    }
    TARN_ASSIGN(const codec::Json ready, codec::Json::parse(line));
    const std::string url = ready["listening"].as_string();
    server->port_ = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    return server;
}

Result<std::unique_ptr<server::Engine>> open_engine(const std::string& directory) {
    return server::Engine::open({.directory = directory, .command = "tarn_bench", .program = tarn_binary()});
}

Status create_stream(server::Engine& engine, const std::string& name, const std::string& settings) {
    TARN_ASSIGN(const codec::Json json, codec::Json::parse(settings));
    TARN_ASSIGN(const auto parsed, event::StreamSettings::from_json(json));
    TARN_TRY(engine.catalog().create_stream(name, parsed, engine.clock().now()));
    return {};
}

double now_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string sample_event(std::uint64_t number) {
    // Half of it does not compress, as ids and traces in real events do not.
    std::string noise;
    for (std::uint64_t i = 0; noise.size() < 460; ++i)
        noise += fmt::format("{:016x}", codec::xxh3_64(fmt::format("{}/{}", number, i)));
    noise.resize(460);
    std::string event = fmt::format(
        R"({{"EventTimeStamp":{},"TargetAccount":"ACC-{:05}","SourceAccount":"EXT-{:06}","Amount":"{}.{:02}","SourceInstitution":"NORDBANK","Reference":"R{:09}","trace":"{}","note":")",
        1'700'000'000 + number, number % 20'000, number * 7919 % 1'000'000, number % 4'000, number % 100,
        number, noise);
    event.resize(1048, 'x');
    return event + "\"}";
}

Status post_lines(server::Engine& engine, const std::string& stream, std::string lines) {
    net::Request request;
    request.method = "POST";
    request.headers = {{"content-type", "application/x-ndjson"}};
    request.local = true;
    request.body = std::move(lines);
    std::atomic<int> status{0};
    engine.capture().post_events(stream, std::move(request), [&](net::Response response) {
        status = response.status;
        status.notify_one();
    });
    status.wait(0);
    if (status == 200) return {};
    return fail(Code::internal, fmt::format("HTTP {} for the events of the bench", status.load()));
}

Status fill(server::Engine& engine, const std::string& stream, std::uint64_t count) {
    for (std::uint64_t done = 0; done < count;) {
        std::string lines;
        for (std::uint64_t i = 0; i < 1000 && done < count; ++i, ++done) lines += sample_event(done) + "\n";
        TARN_TRY(post_lines(engine, stream, std::move(lines)));
    }
    return {};
}

}  // namespace tarn::bench
