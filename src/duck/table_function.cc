#include "duck/table_function.h"

#include <fmt/core.h>

#include <exception>
#include <new>
#include <vector>

namespace tarn::duck {
namespace {

// Lives as long as the function is registered.
struct Registration {
    const Api& api;
    std::shared_ptr<Table> table;
    std::shared_ptr<ScanFailure> failure;
};

// One scan of the table within one query.
struct Running {
    Registration* registration;
    std::unique_ptr<TableScan> scan;
    std::vector<Column> columns;
    std::vector<std::optional<std::size_t>> slots;  // column of the table → vector in the chunk
};

duckdb_type engine_type(ColumnType type) {
    switch (type) {
        case ColumnType::varchar:
        case ColumnType::json:
            return DUCKDB_TYPE_VARCHAR;
        case ColumnType::bigint:
            return DUCKDB_TYPE_BIGINT;
        case ColumnType::ubigint:
            return DUCKDB_TYPE_UBIGINT;
        case ColumnType::integer:
            return DUCKDB_TYPE_INTEGER;
        case ColumnType::timestamp_tz:
            return DUCKDB_TYPE_TIMESTAMP_TZ;
        case ColumnType::boolean:
            return DUCKDB_TYPE_BOOLEAN;
        case ColumnType::blob:
            return DUCKDB_TYPE_BLOB;
    }
    return DUCKDB_TYPE_VARCHAR;
}

class Chunk final : public ChunkWriter {
public:
    Chunk(const Running& running, duckdb_data_chunk chunk)
        : api_(running.registration->api), running_(running) {
        for (const auto& slot : running.slots) {
            vectors_.push_back(slot ? api_.data_chunk_get_vector(chunk, *slot) : nullptr);
            data_.push_back(slot ? api_.vector_get_data(vectors_.back()) : nullptr);
        }
    }

    std::size_t capacity() const override { return api_.vector_size(); }

    void set_text(std::size_t column, std::size_t row, std::string_view text) override {
        if (vectors_[column] != nullptr)
            api_.vector_assign_string_element_len(vectors_[column], row, text.data(), text.size());
    }

    void set_integer(std::size_t column, std::size_t row, std::int64_t value) override {
        void* data = data_[column];
        if (data == nullptr) return;
        switch (running_.columns[column].type) {
            case ColumnType::integer:
                static_cast<std::int32_t*>(data)[row] = static_cast<std::int32_t>(value);
                return;
            case ColumnType::boolean:
                static_cast<bool*>(data)[row] = value != 0;
                return;
            default:
                static_cast<std::int64_t*>(data)[row] = value;
                return;
        }
    }

    void set_null(std::size_t column, std::size_t row) override {
        if (vectors_[column] == nullptr) return;
        api_.vector_ensure_validity_writable(vectors_[column]);
        api_.validity_set_row_invalid(api_.vector_get_validity(vectors_[column]), row);
    }

private:
    const Api& api_;
    const Running& running_;
    std::vector<duckdb_vector> vectors_;
    std::vector<void*> data_;
};

// Runs `work`; whatever goes wrong, exceptions included, becomes the engine's error. None may cross its C
// frames.
template <typename Work, typename SetError>
void guarded(Registration& registration, Work work, SetError set_error) {
    try {
        Status done = work();
        if (done) return;
        registration.failure->keep(done.error());
        set_error(done.error().message.c_str());
    } catch (const std::bad_alloc&) {
        registration.failure->keep(make_error(Code::query_memory, "the query's worker is out of memory"));
        set_error("out of memory");
    } catch (const std::exception& exception) {
        registration.failure->keep(
            make_error(Code::query_worker, fmt::format("reading a table: {}", exception.what())));
        set_error(exception.what());
    }
}

void bind(duckdb_bind_info info, const Api& api, Registration& registration) {
    const auto work = [&]() -> Status {
        for (const Column& column : registration.table->columns()) {
            duckdb_logical_type type = api.create_logical_type(engine_type(column.type));
            if (column.type == ColumnType::json) api.logical_type_set_alias(type, "JSON");
            api.bind_add_result_column(info, column.name.c_str(), type);
            api.destroy_logical_type(&type);
        }
        return {};
    };
    guarded(registration, work, [&](const char* message) { api.bind_set_error(info, message); });
}

Status start(duckdb_init_info info, Registration& registration) {
    const Api& api = registration.api;
    auto running = std::make_unique<Running>();
    running->registration = &registration;
    running->columns = registration.table->columns();
    running->slots.resize(running->columns.size());
    std::vector<bool> wanted(running->columns.size(), false);
    for (idx_t slot = 0; slot < api.init_get_column_count(info); ++slot) {
        const idx_t column = api.init_get_column_index(info, slot);
        if (column >= wanted.size()) continue;  // a row number that nobody reads
        wanted[column] = true;
        running->slots[column] = slot;
    }
    TARN_ASSIGN(running->scan, registration.table->open(wanted));
    api.init_set_max_threads(info, 1);
    api.init_set_init_data(info, running.release(), [](void* data) { delete static_cast<Running*>(data); });
    return {};
}

void fill(duckdb_function_info info, duckdb_data_chunk output, Running& running) {
    Registration& registration = *running.registration;
    const Api& api = registration.api;
    const auto work = [&]() -> Status {
        Chunk chunk(running, output);
        TARN_ASSIGN(const std::size_t rows, running.scan->fill(chunk));
        api.data_chunk_set_size(output, rows);
        return {};
    };
    guarded(registration, work, [&](const char* message) { api.function_set_error(info, message); });
}

// The engine calls these with nothing but its own handles, and the functions that read them are behind a
// pointer too.
const Api* callback_api = nullptr;

void on_bind(duckdb_bind_info info) {
    bind(info, *callback_api, *static_cast<Registration*>(callback_api->bind_get_extra_info(info)));
}
void on_init(duckdb_init_info info) {
    auto& registration = *static_cast<Registration*>(callback_api->init_get_extra_info(info));
    guarded(
        registration, [&] { return start(info, registration); },
        [&](const char* message) { callback_api->init_set_error(info, message); });
}
void on_function(duckdb_function_info info, duckdb_data_chunk output) {
    fill(info, output, *static_cast<Running*>(callback_api->function_get_init_data(info)));
}

}  // namespace

Status register_table_function(const Api& api, duckdb_connection connection, const std::string& name,
                               std::shared_ptr<Table> table, std::shared_ptr<ScanFailure> failure) {
    callback_api = &api;  // there is one per process
    duckdb_table_function function = api.create_table_function();
    api.table_function_set_name(function, name.c_str());
    api.table_function_set_extra_info(function, new Registration{api, std::move(table), std::move(failure)},
                                      [](void* data) { delete static_cast<Registration*>(data); });
    api.table_function_set_bind(function, on_bind);
    api.table_function_set_init(function, on_init);
    api.table_function_set_function(function, on_function);
    api.table_function_supports_projection_pushdown(function, true);
    const duckdb_state state = api.register_table_function(connection, function);
    api.destroy_table_function(&function);
    if (state != DuckDBSuccess)
        return fail(Code::query_engine, fmt::format("the engine refused the table function {}", name));
    return {};
}

}  // namespace tarn::duck
