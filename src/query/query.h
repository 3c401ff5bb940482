// SQL over streams: each query in a worker process of its own (the tarn binary started as `tarn
// __query-worker`), which sees the streams as they were when the query began. See docs/architecture.md,
// "Queries".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/json.h"
#include "lake/lake.h"

namespace tarn::query {

struct QueryLimits {
    std::int64_t timeout_us = 300'000'000;
    std::uint64_t memory_bytes = 2ull << 30;
    std::uint64_t max_bytes = 0;  // refuse to read more stored bytes than this; 0 = no limit
    // Asked again and again while the worker is at work: true ends the query with `interrupted`.
    std::function<bool()> cancelled = {};
};

struct QueryColumn {
    std::string name, type;
    bool is_number = false, is_boolean = false, is_nested = false;
};

struct QuerySummary {
    std::vector<QueryColumn> columns;
    std::uint64_t rows = 0;
    std::uint64_t events_read = 0;
    bool complete = true;  // false: damaged parts were skipped; `why`
    std::string why;
    codec::Json positions;  // {"bank":{"0":2511,…}}: the last offsets that the answer reflects
    std::int64_t duration_us = 0;
};

// Rows arrive on the calling thread. Values as texts; NULL is nullopt.
struct QuerySink {
    std::function<Status(const std::vector<QueryColumn>&)> columns;
    std::function<Status(const std::vector<std::optional<std::string>>&)> row;
};

// Thread-safe; each query blocks its caller.
class QueryService {
public:
    // `program` is the tarn binary; libduckdb.so stands beside it. Keeps one spare worker ready when
    // `prestart`.
    static std::unique_ptr<QueryService> make(lake::Lake& lake, catalog::Catalog& catalog,
                                              std::string program, bool prestart);
    virtual ~QueryService() = default;
    virtual Result<QuerySummary> run(const std::string& sql, const QueryLimits& limits,
                                     const QuerySink& sink) = 0;
    // Running queries and later ones end with `interrupted`: nobody waits for them at shutdown.
    virtual void stop() {}
};

// The body of `tarn __query-worker`: one request on stdin, the answer on stdout. Returns the exit code.
int query_worker_main();

}  // namespace tarn::query
