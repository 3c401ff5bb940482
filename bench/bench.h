// Benchmarks named after the path they measure. Each checks its result before its time counts and gives one
// JSON object.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codec/json.h"
#include "os/process.h"
#include "server/engine.h"

namespace tarn::bench {

// {"bench","value","unit","at_least","checked",…}
struct Bench {
    std::string name;
    std::string what;
    std::function<Result<codec::Json>()> run;
};
const std::vector<Bench>& all_benches();
std::vector<Bench> capture_benches();
std::vector<Bench> replay_benches();
std::vector<Bench> pace_benches();
std::vector<Bench> replay_scale_benches();
std::vector<Bench> verify_benches();
std::vector<Bench> operation_benches();
std::vector<Bench> pattern_benches();
std::vector<Bench> function_benches();
std::vector<Bench> state_benches();
std::vector<Bench> process_benches();
std::vector<Bench> target_benches();

codec::Json result(double value, std::string unit, double at_least);

// A directory below the system's temporary one, removed at the end.
class Scratch {
public:
    Scratch();
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    std::string path(const std::string& name = "") const { return name.empty() ? root_ : root_ + "/" + name; }

private:
    std::string root_;
};

// `tarn up` as a process of its own on a fresh directory.
class Server {
public:
    static Result<std::unique_ptr<Server>> start(const std::string& directory);
    std::uint16_t port() const { return port_; }
    int pid() const { return process_->pid(); }
    void kill() { process_->kill(), process_->wait(); }

private:
    std::unique_ptr<os::Process> process_;
    std::uint16_t port_ = 0;
};

std::string tarn_binary();
Result<std::unique_ptr<server::Engine>> open_engine(const std::string& directory);
Status create_stream(server::Engine& engine, const std::string& name, const std::string& settings = "{}");
double now_seconds();
// An event of 1,050 bytes as a bank would send it.
std::string sample_event(std::uint64_t number);
// Captures NDJSON; every line must be taken.
Status post_lines(server::Engine& engine, const std::string& stream, std::string lines);
// Puts `count` sample events into the stream in batches of 1,000.
Status fill(server::Engine& engine, const std::string& stream, std::uint64_t count);

}  // namespace tarn::bench
