#include "query/worker.h"

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "os/confine.h"
#include "os/process.h"
#include "os/real_file_system.h"
#include "os/worker_channel.h"
#include "query/stream_tables.h"

namespace tarn::query {
namespace {

constexpr std::size_t rows_frame_bytes = 64 * 1024;
// DuckDB maps its library, thread stacks and allocator arenas besides what its own limit counts.
constexpr std::uint64_t mapping_allowance_bytes = 4ull << 30;
constexpr int engine_threads = 2;

using Write = std::function<Status(std::string_view)>;

class FrameSink final : public duck::RowSink {
public:
    explicit FrameSink(const Write& write) : write_(write) {}

    Status columns(const std::vector<duck::ResultColumn>& columns) override {
        std::vector<QueryColumn> described;
        for (const auto& column : columns)
            described.push_back(
                {column.name, column.type, column.is_number, column.is_boolean, column.is_nested});
        return send(FrameKind::columns, columns_json(described).dump());
    }

    Status row(const std::vector<std::optional<std::string_view>>& values) override {
        for (const auto& value : values) append_value(rows_, value);
        return rows_.size() < rows_frame_bytes ? Status() : flush();
    }

    Status flush() {
        if (rows_.empty()) return {};
        Status sent = send(FrameKind::rows, rows_);
        rows_.clear();
        return sent;
    }

    Status send(FrameKind kind, std::string_view body) {
        frame_.clear();
        append_frame(frame_, kind, body);
        return write_(frame_);
    }

private:
    const Write& write_;
    std::string rows_, frame_;
};

Status add_tables(const WorkerRequest& request, duck::Engine& engine, objects::ObjectStore& store,
                  os::FileSystem& fs, ReadState& read) {
    for (const auto& view : request.views) {
        TARN_TRY(engine.add_table(view.name, "events", make_events_table({store, fs, view, read})));
        TARN_TRY(engine.add_table(view.name, "quarantine", make_quarantine_table({store, fs, view, read})));
    }
    for (const auto& name : request.other_streams) engine.suggest_table(name + ".events");
    return {};
}

Result<std::uint64_t> select(const WorkerRequest& request, duck::Engine& engine, objects::ObjectStore& store,
                             os::FileSystem& fs, ReadState& read, FrameSink& sink) {
    TARN_TRY(engine.limit_memory(request.memory_bytes));
    TARN_TRY(add_tables(request, engine, store, fs, read));
    TARN_TRY(engine.lock());
    TARN_ASSIGN(const std::uint64_t rows, engine.select(request.sql, sink));
    TARN_TRY(sink.flush());
    return rows;
}

Status send_error(const Error& error, const Write& write) {
    return FrameSink(write).send(FrameKind::error, error_json(error).dump());
}

os::Confinement confinement(const WorkerRequest& request) {
    const auto seconds = static_cast<std::uint64_t>(request.timeout_us / 1'000'000);
    // The parent watches the clock; this catches a worker whose parent is gone or stuck.
    return {.address_space_bytes = request.memory_bytes + mapping_allowance_bytes,
            .cpu_seconds = (seconds + 2) * engine_threads};
}

Result<WorkerRequest> read_request(const std::string& text) {
    TARN_ASSIGN(const codec::Json json, codec::Json::parse(text));
    return WorkerRequest::from_json(json);
}

Status answer(const Result<std::unique_ptr<duck::Engine>>& engine, const std::string& text,
              os::FileSystem& fs, const Write& write) {
    if (!engine) return send_error(engine.error(), write);
    const auto request = read_request(text);
    if (!request) return send_error(request.error(), write);
    if (const Status confined = os::confine(confinement(*request)); !confined)
        return send_error(confined.error(), write);
    return serve_query(*request, **engine, fs, write);
}

Status run_worker() {
    TARN_ASSIGN(os::WorkerChannel channel, os::WorkerChannel::claim());
    TARN_TRY(os::give_up_privileges());
    const auto fs = os::make_real_file_system();
    // Before the request is read: this is the time that a worker started in advance saves.
    const auto engine = duck::Engine::open(library_path(os::self_path()), {.threads = engine_threads});
    TARN_ASSIGN(const std::string text, channel.read_all());
    if (text.empty()) return {};  // nobody asked
    return answer(engine, text, *fs, [&channel](std::string_view bytes) { return channel.write(bytes); });
}

}  // namespace

std::string library_path(std::string_view program) {
    if (const char* given = std::getenv("TARN_DUCKDB"); given != nullptr && *given != '\0') return given;
    return os::join(os::parent_of(program), "libduckdb.so");
}

Status serve_query(const WorkerRequest& request, duck::Engine& engine, os::FileSystem& fs,
                   const Write& write) {
    const auto store = objects::make_local_object_store(fs, request.store_root);
    ReadState read;
    FrameSink sink(write);
    const auto rows = select(request, engine, *store, fs, read, sink);
    if (!rows) return send_error(rows.error(), write);
    WorkerEnd end{*rows, read.events(), read.damage(), read.positions_json()};
    return sink.send(FrameKind::end, end.to_json().dump());
}

int query_worker_main() {
    try {
        const Status done = run_worker();
        if (done) return 0;
        std::fprintf(stderr, "%s\n", done.error().text().c_str());
    } catch (const std::exception& exception) {
        std::fprintf(stderr, "%s\n", exception.what());
    }
    return 1;
}

}  // namespace tarn::query
