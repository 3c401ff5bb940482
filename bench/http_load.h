// A load generator for the HTTP front door: keep-alive connections driven by one thread, each with one
// request (or `pipeline` requests) under way. Every answer's status is checked; the figures are worth nothing
// otherwise.
#pragma once

#include <cstdint>
#include <string>

namespace tarn::bench {

struct LoadOptions {
    std::string address = "127.0.0.1";  // numeric IPv4
    std::uint16_t port = 8470;
    std::string path = "/";
    std::string content_type = "application/json";
    std::string body;
    int connections = 64;
    int pipeline = 1;            // requests under way per connection
    double seconds = 5;          // whichever comes first
    std::uint64_t requests = 0;  // 0: as many as fit into `seconds`
    int expected_status = 200;
};

struct LoadResult {
    std::uint64_t ok = 0;      // answers with the expected status
    std::uint64_t other = 0;   // answers with another
    std::uint64_t broken = 0;  // connections lost or answers that are not HTTP
    double seconds = 0;
    double per_second = 0;  // of ok
    double p50_us = 0, p99_us = 0, max_us = 0;
    std::string first_problem;  // "" when all is well

    bool good() const { return ok > 0 && other == 0 && broken == 0; }
};

// Blocks until done. Every request sent is waited for.
LoadResult run_http_load(const LoadOptions& options);

}  // namespace tarn::bench
