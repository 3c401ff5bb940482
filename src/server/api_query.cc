// POST /v1/query: the answer is NDJSON: {"columns":[…]}, one JSON array a row, {"end":{…}} last. A query that
// fails before its answer is under way is answered with the error and its status; after two seconds it is
// under way, and {"complete":false,"error":{…}} is the last line of a body that then breaks off.
#include <fmt/core.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/api.h"

namespace tarn::server {
namespace {

Result<query::QueryLimits> limits_of(const codec::Json& body) {
    query::QueryLimits limits;
    if (body.has("timeout")) {
        TARN_ASSIGN(limits.timeout_us, parse_duration_us(body["timeout"].as_string()));
    }
    if (body.has("max_bytes")) {
        TARN_ASSIGN(limits.max_bytes, parse_size(body["max_bytes"].as_string()));
    }
    if (body.has("memory")) {
        TARN_ASSIGN(limits.memory_bytes, parse_size(body["memory"].as_string()));
    }
    return limits;
}

std::string columns_line(const std::vector<query::QueryColumn>& columns) {
    codec::Json list = codec::Json::array();
    for (const auto& column : columns) {
        codec::Json json;
        json.set("name", column.name).set("type", column.type);
        list.push(std::move(json));
    }
    codec::Json line;
    line.set("columns", std::move(list));
    return line.dump() + "\n";
}

bool is_json_number(std::string_view text) {
    return !text.empty() && text != "inf" && text != "-inf" && text != "nan" && text != "-nan" &&
           codec::validate_json(text).has_value();
}

void append_row(std::string& out, const std::vector<query::QueryColumn>& columns,
                const std::vector<std::optional<std::string>>& row) {
    out += '[';
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i != 0) out += ',';
        const auto& column = columns[i];
        if (!row[i])
            out += "null";
        else if (column.is_boolean || column.is_nested || (column.is_number && is_json_number(*row[i])))
            out += *row[i];
        else
            codec::append_quoted(out, *row[i]);
    }
    out += "]\n";
}

std::string end_line(const query::QuerySummary& summary) {
    codec::Json end;
    end.set("rows", summary.rows).set("events_read", summary.events_read).set("complete", summary.complete);
    if (!summary.why.empty()) end.set("why", summary.why);
    end.set("positions", summary.positions).set("duration_us", summary.duration_us);
    codec::Json line;
    line.set("end", std::move(end));
    return line.dump() + "\n";
}

constexpr std::size_t piece_bytes = 64 * 1024;
constexpr std::size_t max_waiting_bytes = 1 << 20;
constexpr auto poll_time = std::chrono::milliseconds(50);

// A query on a thread of its own (its worker dies with the thread that started it), and what it has answered
// and nobody has taken yet. Bounded: a query faster than its receiver waits. The destructor ends the query.
class RunningQuery {
public:
    RunningQuery(Engine& engine, std::string sql, query::QueryLimits limits)
        : engine_(engine), sql_(std::move(sql)), limits_(std::move(limits)) {
        limits_.cancelled = [this] { return cancelled_.load(); };
        thread_ = std::thread([this] { run(); });
    }
    ~RunningQuery() {
        cancelled_ = true;
        changed_.notify_all();
        thread_.join();
    }
    RunningQuery(const RunningQuery&) = delete;
    RunningQuery& operator=(const RunningQuery&) = delete;

    // Waits, for a while, until the status of the answer can be told: the query has ended or has answered
    // much. Not for ever: only while its answer streams does a receiver's leaving show.
    void wait_for_outcome() {
        constexpr auto patience = std::chrono::seconds(2);
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, patience, [this] { return done_ || waiting_.size() >= piece_bytes; });
    }

    // The whole answer, when there is one already; an error when nothing of the answer was given away.
    std::optional<Result<std::string>> whole() {
        const std::lock_guard lock(mutex_);
        if (!done_) return std::nullopt;
        if (error_) return Result<std::string>(fail(*error_));
        return Result<std::string>(std::move(waiting_));
    }

    void stream(net::BodyWriter& out) {
        while (!out.receiver_gone()) {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, poll_time, [this] { return done_ || !waiting_.empty(); });
            const std::string bytes = std::exchange(waiting_, {});
            const bool last = done_;
            lock.unlock();
            changed_.notify_all();
            if (!bytes.empty() && !out.write(bytes)) break;
            if (!last) continue;
            if (!error_) return;
            (void)out.write(error_line(*error_));
            return out.break_off();
        }
        cancelled_ = true;
    }

private:
    void run() {
        std::string buffer;
        std::vector<query::QueryColumn> columns;
        const query::QuerySink sink{[&](const std::vector<query::QueryColumn>& given) {
                                        columns = given;
                                        return hand_over(columns_line(given));
                                    },
                                    [&](const std::vector<std::optional<std::string>>& row) -> Status {
                                        append_row(buffer, columns, row);
                                        if (buffer.size() < piece_bytes) return {};
                                        return hand_over(std::exchange(buffer, {}));
                                    }};
        const auto summary = engine_.query().run(sql_, limits_, sink);
        if (summary) buffer += end_line(*summary);
        const std::lock_guard lock(mutex_);
        waiting_ += buffer;
        if (!summary) error_ = summary.error();
        done_ = true;
        changed_.notify_all();
    }

    // Looks up again and again, because a shutdown does not notify.
    Status hand_over(const std::string& bytes) {
        std::unique_lock lock(mutex_);
        while (waiting_.size() >= max_waiting_bytes && !cancelled_ && !engine_.stopping())
            changed_.wait_for(lock, poll_time);
        if (cancelled_ || engine_.stopping()) return fail(Code::interrupted, "the query was cancelled");
        waiting_ += bytes;
        changed_.notify_all();
        return {};
    }

    Engine& engine_;
    const std::string sql_;
    query::QueryLimits limits_;
    std::atomic<bool> cancelled_ = false;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string waiting_;         // under mutex_
    std::optional<Error> error_;  // under mutex_, and for good once done_
    bool done_ = false;           // under mutex_
    std::thread thread_;
};

Result<net::Response> run_query(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"sql", "timeout", "max_bytes", "memory"}));
    const std::string sql = body["sql"].as_string();
    if (sql.empty())
        return fail(Code::bad_usage, "there is no SQL",
                    {.next = "send {\"sql\":\"SELECT …\"}, or type: tarn query \"SELECT …\""});
    TARN_ASSIGN(const query::QueryLimits limits, limits_of(body));
    const auto running = std::make_shared<RunningQuery>(call.engine, sql, limits);
    // In process there is no status to hold back, and Ctrl-C shows at once in the stream.
    if (!call.request.local) running->wait_for_outcome();
    net::Response response;
    response.content_type = "application/x-ndjson";
    if (auto whole = running->whole()) {
        TARN_ASSIGN(response.body, std::move(*whole));
        return response;
    }
    response.stream = [running](net::BodyWriter& out) { running->stream(out); };
    return response;
}

}  // namespace

void Api::add_query_routes() { add("POST", "/v1/query", "query", run_query); }

}  // namespace tarn::server
