#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <set>

#include "event/meta.h"
#include "os/clock.h"
#include "os/confine.h"
#include "query/named_streams.h"
#include "query/query.h"
#include "query/sql_hints.h"
#include "query/wire.h"
#include "query/worker_pool.h"

namespace tarn::query {
namespace {

constexpr std::size_t damage_shown = 3;
constexpr std::int64_t poll_us = 50'000;  // how often a query looks whether it is still wanted

// The directory of a local object store, from where it says an object would be.
std::string root_of(objects::ObjectStore& store) {
    static constexpr std::string_view probe = "/x";
    std::string path = store.local_path("x");
    if (path.ends_with(probe)) path.resize(path.size() - probe.size());
    return path;
}

std::string why_text(const std::vector<std::string>& damage) {
    std::string out;
    for (std::size_t i = 0; i < damage.size() && i < damage_shown; ++i)
        out += (i == 0 ? "" : "; ") + damage[i];
    if (damage.size() > damage_shown) out += fmt::format("; and {} more", damage.size() - damage_shown);
    return out;
}

std::uint64_t stored_bytes(const std::vector<catalog::ObjectInfo>& objects) {
    std::uint64_t bytes = 0;
    for (const auto& object : objects) bytes += object.bytes;
    return bytes;
}

// What is not rolled yet is read from the log: its segments hold other streams' events as well, and those are
// read over.
std::uint64_t log_bytes(const log::Tail& tail) {
    std::uint64_t bytes = 0;
    for (const auto& extent : tail.extents) bytes += extent.end - extent.begin;
    return bytes;
}

// What there is to say about a worker that ended without an answer.
Error death_of(os::Process& worker, const QueryLimits& limits) {
    const os::ExitStatus status = worker.wait();
    const std::string said = worker.stderr_tail();
    if (said.find("bad_alloc") != said.npos || said.find("Out of Memory") != said.npos)
        return make_error(Code::query_memory,
                          fmt::format("the query needs more than {}", format_bytes(limits.memory_bytes)),
                          {.next = "narrow it with WHERE, or aggregate earlier"});
    if (status.signal == SIGXCPU)
        return make_error(
            Code::query_timeout,
            fmt::format("the query used up the processor time of {}", format_duration(limits.timeout_us)),
            {.next = "narrow the query, or allow it more with --timeout"});
    const std::string how = status.signal != 0 ? fmt::format("was killed by signal {}", status.signal)
                                               : fmt::format("exited with code {}", status.code);
    return make_error(
        Code::query_worker,
        fmt::format("the query's worker {} before it answered{}{}", how, said.empty() ? "" : ": ", said),
        {.next = "ask again; if it happens again, narrow the query or report it"});
}

// One query's talk with its worker.
class Conversation {
public:
    Conversation(os::Process& worker, os::Clock& clock, const QueryLimits& limits, const QuerySink& sink,
                 const std::atomic<bool>& stopping)
        : worker_(worker),
          clock_(clock),
          stopping_(stopping),
          limits_(limits),
          sink_(sink),
          deadline_us_(clock.monotonic_us() + limits.timeout_us) {}

    Result<QuerySummary> listen() {
        while (!done_) {
            TARN_ASSIGN(const std::string bytes, read());
            if (bytes.empty()) return fail(death_of(worker_, limits_));
            frames_.feed(bytes);
            TARN_TRY(take_frames());
        }
        return std::move(summary_);
    }

private:
    Failure too_slow() {
        worker_.kill();
        return fail(Code::query_timeout,
                    fmt::format("the query took longer than {}", format_duration(limits_.timeout_us)),
                    {.next = "narrow the query, or allow it more with --timeout"});
    }

    Result<std::string> read() {
        while (true) {
            if (stopping_) return cancelled("the server is stopping");
            if (limits_.cancelled && limits_.cancelled()) return cancelled("the query was cancelled");
            const std::int64_t left_us = deadline_us_ - clock_.monotonic_us();
            if (left_us <= 0) return too_slow();
            auto bytes = worker_.read_stdout(std::min(left_us, poll_us));
            if (bytes || bytes.error().code != Code::query_timeout) return bytes;
        }
    }

    Failure cancelled(std::string why) {
        worker_.kill();
        return fail(Code::interrupted, std::move(why), {.next = "ask again"});
    }

    Status take_frames() {
        while (!done_) {
            TARN_ASSIGN(const std::optional<Frame> frame, frames_.next());
            if (!frame) return {};
            TARN_TRY(take(*frame));
        }
        return {};
    }

    Status take(const Frame& frame) {
        if (frame.kind == FrameKind::rows) return take_rows(frame.body);
        TARN_ASSIGN(const codec::Json json, codec::Json::parse(frame.body));
        if (frame.kind == FrameKind::error) return fail(error_from_json(json));
        if (frame.kind == FrameKind::end) {
            take_end(WorkerEnd::from_json(json));
            return {};
        }
        summary_.columns = columns_from_json(json);
        row_.resize(summary_.columns.size());
        return sink_.columns ? sink_.columns(summary_.columns) : Status();
    }

    Status take_rows(std::string_view rows) {
        if (row_.empty()) return fail(Code::query_worker, "the query's worker sent rows before columns");
        while (!rows.empty()) {
            for (auto& value : row_) {
                TARN_ASSIGN(const auto text, take_value(rows));
                if (!text)
                    value.reset();
                else if (value)
                    value->assign(*text);
                else
                    value.emplace(*text);
            }
            if (sink_.row) TARN_TRY(sink_.row(row_));
        }
        return {};
    }

    void take_end(WorkerEnd end) {
        summary_.rows = end.rows;
        summary_.events_read = end.events_read;
        summary_.complete = end.why.empty();
        summary_.why = why_text(end.why);
        summary_.positions = std::move(end.positions);
        done_ = true;
    }

    os::Process& worker_;
    os::Clock& clock_;
    const std::atomic<bool>& stopping_;
    const QueryLimits& limits_;
    const QuerySink& sink_;
    const std::int64_t deadline_us_;
    FrameReader frames_;
    QuerySummary summary_;
    std::vector<std::optional<std::string>> row_;
    bool done_ = false;
};

class Service final : public QueryService {
public:
    Service(lake::Lake& lake, catalog::Catalog& catalog, std::string program, bool prestart)
        : lake_(lake), catalog_(catalog), pool_(std::move(program), prestart) {}

    Result<QuerySummary> run(const std::string& sql, const QueryLimits& limits,
                             const QuerySink& sink) override {
        const std::int64_t began_us = clock_->monotonic_us();
        TARN_ASSIGN(const WorkerRequest request, make_request(sql, limits));
        TARN_ASSIGN(const auto worker, send(request));
        Result<QuerySummary> answer = Conversation(*worker, *clock_, limits, sink, stopping_).listen();
        if (!answer)
            return fail(with_sql_hint(std::move(answer.error()), sql, [this] { return all_types(); }));
        QuerySummary summary = std::move(*answer);
        summary.duration_us = clock_->monotonic_us() - began_us;
        return summary;
    }

    void stop() override { stopping_ = true; }

private:
    // The views pin what they need of the log: the request must live until the worker is done.
    Result<WorkerRequest> make_request(const std::string& sql, const QueryLimits& limits) {
        WorkerRequest request{.sql = sql,
                              .memory_bytes = limits.memory_bytes,
                              .timeout_us = limits.timeout_us,
                              .store_root = root_of(lake_.store())};
        if (!codec::is_valid_utf8(sql))
            return fail(Code::sql_invalid, "the SQL is not valid UTF-8", {.next = "send it as UTF-8"});
        const std::string text = lower_case(sql);
        const bool all = lists_tables(text);
        TARN_ASSIGN(const auto streams, catalog_.streams());
        for (const auto& stream : streams) {
            if (!all && !mentions(text, lower_case(stream.name))) {
                request.other_streams.push_back(stream.name);
                continue;
            }
            TARN_ASSIGN(lake::StreamView view, lake_.view(stream.id));
            request.views.push_back(std::move(view));
        }
        TARN_TRY(check_bytes(request, mentions(text, "quarantine"), limits));
        return request;
    }

    // For hints: what cannot be read is left out.
    std::vector<StreamTypes> all_types() {
        std::vector<StreamTypes> all;
        const auto streams = catalog_.streams();
        if (!streams) return all;
        for (const auto& stream : *streams) all.push_back({stream.name, types_of(stream.id)});
        return all;
    }

    std::vector<std::string> types_of(StreamId stream) {
        constexpr int read_at_most = 100'000;
        std::set<std::string> types;
        const auto view = lake_.view(stream);
        if (!view) return {};
        for (const auto& object : view->objects) types.insert(object.types.begin(), object.types.end());
        const auto scan = lake_.scan(*view, {.from_sequence = view->rolled_sequence, .with_hash = false});
        event::MetaReader reader;
        for (int i = 0; scan && i < read_at_most; ++i) {
            const auto event = (*scan)->next();
            if (!event || *event == nullptr) break;
            types.emplace(reader.read(**event, view->name).type);
        }
        return {types.begin(), types.end()};
    }

    static Status check_bytes(const WorkerRequest& request, bool quarantine, const QueryLimits& limits) {
        if (limits.max_bytes == 0) return {};
        std::uint64_t bytes = 0;
        for (const auto& view : request.views)
            bytes += stored_bytes(view.objects) + log_bytes(view.tail) +
                     (quarantine ? stored_bytes(view.quarantine_objects) : 0);
        if (bytes <= limits.max_bytes) return {};
        return fail(Code::query_bytes,
                    fmt::format("the query would read up to {} of stored events, and {} are allowed",
                                format_bytes(bytes), format_bytes(limits.max_bytes)),
                    {.next = fmt::format("allow it with --max-bytes {}", bytes)});
    }

    // A spare may have died since it was started; then a new one is asked. Should that die too, its reader
    // will say why.
    Result<std::unique_ptr<os::Process>> send(const WorkerRequest& request) {
        const std::string text = request.to_json().dump();
        TARN_ASSIGN(auto worker, pool_.take());
        if (!worker->write_stdin(text)) {
            TARN_ASSIGN(worker, pool_.start());
            (void)worker->write_stdin(text);
        }
        worker->close_stdin();
        return worker;
    }

    lake::Lake& lake_;
    catalog::Catalog& catalog_;
    const std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::atomic<bool> stopping_ = false;
    WorkerPool pool_;
};

}  // namespace

std::unique_ptr<QueryService> QueryService::make(lake::Lake& lake, catalog::Catalog& catalog,
                                                 std::string program, bool prestart) {
    os::ignore_broken_pipes();  // a worker may die while its request is written
    return std::make_unique<Service>(lake, catalog, std::move(program), prestart);
}

}  // namespace tarn::query
