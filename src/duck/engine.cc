#include <fmt/core.h>

#include <array>
#include <utility>

#include "duck/api.h"
#include "duck/duck.h"
#include "duck/result_text.h"
#include "duck/statement.h"
#include "duck/table_function.h"

namespace tarn::duck {
namespace {

std::string quoted_name(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + '"';
}

std::string size_text(std::uint64_t bytes) { return fmt::format("{}B", bytes); }

// What the engine's own words mean for the caller.
Failure engine_failure(std::string message, duckdb_error_type type, std::string next = {}) {
    const bool memory = type == DUCKDB_ERROR_OUT_OF_MEMORY || message.starts_with("Out of Memory Error");
    return fail(memory ? Code::query_memory : Code::sql_invalid, std::move(message),
                {.next = std::move(next)});
}

struct Prepared {
    const Api& api;
    duckdb_extracted_statements extracted = nullptr;
    duckdb_prepared_statement statement = nullptr;

    ~Prepared() {
        api.destroy_prepare(&statement);
        api.destroy_extracted(&extracted);
    }
};

struct Answer {
    const Api& api;
    duckdb_result result{};
    ~Answer() { api.destroy_result(&result); }
};

struct ChunkOwner {
    const Api& api;
    duckdb_data_chunk chunk;
    ~ChunkOwner() {
        if (chunk != nullptr) api.destroy_data_chunk(&chunk);
    }
};

class DuckEngine final : public Engine {
public:
    explicit DuckEngine(const Api& api) : api_(api) {}
    ~DuckEngine() override {
        if (connection_ != nullptr) api_.disconnect(&connection_);
        if (database_ != nullptr) api_.close(&database_);
    }

    Status start(const Limits& limits);
    Status add_table(const std::string& schema, const std::string& name,
                     std::shared_ptr<Table> table) override;
    Status limit_memory(std::uint64_t bytes) override {
        return execute(fmt::format("SET memory_limit = '{}'", size_text(bytes)));
    }
    void suggest_table(const std::string& schema_and_name) override { tables_.push_back(schema_and_name); }
    Status lock() override { return execute("SET lock_configuration = true"); }
    Result<std::uint64_t> select(const std::string& sql, RowSink& sink) override;
    std::string version() const override { return api_.library_version(); }

private:
    Status open_database(const std::vector<std::pair<std::string, std::string>>& settings);
    Status execute(const std::string& sql);
    Status prepare(const Statement& statement, Prepared& prepared);
    Status prepare_one(const std::string& sql, duckdb_statement_type expected, Prepared& prepared);
    Result<std::vector<Type>> read_columns(Answer& answer, RowSink& sink);
    Result<std::uint64_t> send_rows(Answer& answer, const std::vector<Type>& types, RowSink& sink);
    Failure query_failure(const char* message, duckdb_error_type type);
    std::string known_tables() const;

    const Api& api_;
    duckdb_database database_ = nullptr;
    duckdb_connection connection_ = nullptr;
    std::size_t functions_ = 0;
    std::vector<std::string> tables_;  // known by name
    std::shared_ptr<ScanFailure> scan_failure_ = std::make_shared<ScanFailure>();
};

Status DuckEngine::open_database(const std::vector<std::pair<std::string, std::string>>& settings) {
    duckdb_config config = nullptr;
    if (api_.create_config(&config) != DuckDBSuccess)
        return fail(Code::query_engine, "the engine has no settings");
    for (const auto& [name, value] : settings) {
        if (api_.set_config(config, name.c_str(), value.c_str()) == DuckDBSuccess) continue;
        api_.destroy_config(&config);
        return fail(Code::query_engine,
                    fmt::format("the engine ({}) refused the setting {} = {}", version(), name, value));
    }
    char* message = nullptr;
    const duckdb_state state = api_.open_ext(nullptr, &database_, config, &message);
    api_.destroy_config(&config);
    if (state == DuckDBSuccess) return {};
    const std::string text = message != nullptr ? message : "no reason given";
    if (message != nullptr) api_.free(message);
    return fail(Code::query_engine, fmt::format("the engine cannot open a database: {}", text));
}

Status DuckEngine::start(const Limits& limits) {
    // Where it spills to must be said before access is closed, else spills would go to ./.tmp (measured
    // in 1.5.6).
    TARN_TRY(open_database({{"threads", std::to_string(limits.threads)},
                            {"memory_limit", size_text(limits.memory_bytes)},
                            {"temp_directory", limits.temp_directory},
                            {"max_temp_directory_size", size_text(limits.temp_bytes)},
                            {"preserve_insertion_order", "true"},
                            {"autoinstall_known_extensions", "false"},
                            {"autoload_known_extensions", "false"},
                            {"allow_community_extensions", "false"},
                            {"allow_persistent_secrets", "false"},
                            {"enable_external_access", "false"}}));
    if (api_.connect(database_, &connection_) != DuckDBSuccess)
        return fail(Code::query_engine, "the engine refused a connection");
    return execute("SET TimeZone = 'UTC'");
}

// For statements of ours.
Status DuckEngine::execute(const std::string& sql) {
    Answer answer{api_};
    if (api_.query(connection_, sql.c_str(), &answer.result) == DuckDBSuccess) return {};
    return fail(Code::query_engine, fmt::format("{}: {}", sql, api_.result_error(&answer.result)));
}

Status DuckEngine::add_table(const std::string& schema, const std::string& name,
                             std::shared_ptr<Table> table) {
    const std::string function = fmt::format("tarn_scan_{}", functions_++);
    TARN_TRY(register_table_function(api_, connection_, function, std::move(table), scan_failure_));
    // Named with its catalog: a stream may be called `temp` or `system`, which are catalogs of the engine.
    const std::string place = "memory." + quoted_name(schema);
    TARN_TRY(execute(fmt::format("CREATE SCHEMA IF NOT EXISTS {}", place)));
    TARN_TRY(
        execute(fmt::format("CREATE VIEW {}.{} AS SELECT * FROM {}()", place, quoted_name(name), function)));
    tables_.push_back(fmt::format("{}.{}", schema, name));
    return {};
}

std::string DuckEngine::known_tables() const {
    if (tables_.empty()) return "there are no tables yet; create a stream first: tarn stream create NAME";
    constexpr std::size_t shown = 12;
    std::string out = "tables there are: ";
    for (std::size_t i = 0; i < tables_.size() && i < shown; ++i)
        out += fmt::format("{}{}", i == 0 ? "" : ", ", tables_[i]);
    if (tables_.size() > shown) out += fmt::format(" and {} more", tables_.size() - shown);
    return out;
}

Failure DuckEngine::query_failure(const char* message, duckdb_error_type type) {
    if (auto failure = scan_failure_->take()) return fail(std::move(*failure));
    std::string text = message != nullptr ? message : "the engine gave no reason";
    // Nobody interrupts a query here. When one of its threads fails the engine stops the others, and
    // sometimes tells what one of those says.
    if (type == DUCKDB_ERROR_INTERRUPT)
        text =
            "the query failed in one of the engine's threads, which kept the reason to itself; asked again "
            "it may say it";
    const bool unknown_table = text.starts_with("Catalog Error: Table");
    return engine_failure(std::move(text), type, unknown_table ? known_tables() : "");
}

Status DuckEngine::prepare_one(const std::string& sql, duckdb_statement_type expected, Prepared& prepared) {
    const idx_t count = api_.extract_statements(connection_, sql.c_str(), &prepared.extracted);
    if (count == 0) {
        const char* message = api_.extract_statements_error(prepared.extracted);
        if (message == nullptr) return fail(Code::sql_not_select, "there is no SELECT in the SQL");
        return engine_failure(message, DUCKDB_ERROR_PARSER);
    }
    if (count != 1)
        return fail(Code::sql_not_select,
                    fmt::format("the SQL holds {} statements: exactly one SELECT is allowed", count),
                    {.next = "ask them one by one"});
    if (api_.prepare_extracted_statement(connection_, prepared.extracted, 0, &prepared.statement) !=
        DuckDBSuccess)
        return query_failure(api_.prepare_error(prepared.statement), DUCKDB_ERROR_BINDER);
    if (api_.prepared_statement_type(prepared.statement) != expected)
        return fail(Code::sql_not_select, "the SQL is no SELECT",
                    {.next = "ask with one SELECT, or EXPLAIN of one"});
    if (api_.nparams(prepared.statement) != 0)
        return fail(Code::sql_invalid, "the SQL holds parameters ($1, ?), and there are no values for them");
    return {};
}

// An EXPLAIN is made from text that was accepted as a SELECT by itself, never trusted by its own statement
// type: the engine gives EXPLAIN ANALYZE COPY the same type and runs it.
Status DuckEngine::prepare(const Statement& statement, Prepared& prepared) {
    if (!statement.explain) return prepare_one(statement.select, DUCKDB_STATEMENT_TYPE_SELECT, prepared);
    Prepared inner{api_};
    TARN_TRY(prepare_one(statement.select, DUCKDB_STATEMENT_TYPE_SELECT, inner));
    return prepare_one("EXPLAIN " + statement.select, DUCKDB_STATEMENT_TYPE_EXPLAIN, prepared);
}

Result<std::vector<Type>> DuckEngine::read_columns(Answer& answer, RowSink& sink) {
    std::vector<Type> types;
    std::vector<ResultColumn> columns;
    for (idx_t i = 0; i < api_.column_count(&answer.result); ++i) {
        duckdb_logical_type type = api_.column_logical_type(&answer.result, i);
        auto read = read_type(api_, type);
        api_.destroy_logical_type(&type);
        const std::string name = api_.column_name(&answer.result, i);
        if (!read) {
            read.error().message += fmt::format(": {}", name);
            return fail(std::move(read.error()));
        }
        columns.push_back(
            {name, read->name, read->is_number(), read->id == DUCKDB_TYPE_BOOLEAN, read->is_nested()});
        types.push_back(std::move(*read));
    }
    TARN_TRY(sink.columns(columns));
    return types;
}

// Texts of a row stand one after the other in a buffer; the views are made when it no longer grows.
class RowTexts {
public:
    explicit RowTexts(std::size_t columns) : ends_(columns), values_(columns) {}

    const std::vector<std::optional<std::string_view>>& read(const std::vector<VectorView>& views,
                                                             std::uint64_t row) {
        buffer_.clear();
        for (std::size_t i = 0; i < views.size(); ++i) {
            if (!views[i].is_null(row)) append_text(buffer_, views[i], row);
            ends_[i] = buffer_.size();
        }
        std::size_t begin = 0;
        for (std::size_t i = 0; i < views.size(); ++i) {
            const bool null = views[i].is_null(row) || views[i].type.id == DUCKDB_TYPE_SQLNULL;
            if (null)
                values_[i] = std::nullopt;
            else
                values_[i] = std::string_view(buffer_).substr(begin, ends_[i] - begin);
            begin = ends_[i];
        }
        return values_;
    }

private:
    std::string buffer_;
    std::vector<std::size_t> ends_;
    std::vector<std::optional<std::string_view>> values_;
};

Result<std::uint64_t> DuckEngine::send_rows(Answer& answer, const std::vector<Type>& types, RowSink& sink) {
    RowTexts texts(types.size());
    std::uint64_t rows = 0;
    while (true) {
        const ChunkOwner owner{api_, api_.fetch_chunk(answer.result)};
        if (owner.chunk == nullptr) break;
        const idx_t size = api_.data_chunk_get_size(owner.chunk);
        if (size == 0) break;
        std::vector<VectorView> views;
        views.reserve(types.size());
        for (idx_t i = 0; i < types.size(); ++i)
            views.emplace_back(api_, types[i], api_.data_chunk_get_vector(owner.chunk, i));
        for (idx_t row = 0; row < size; ++row) TARN_TRY(sink.row(texts.read(views, row)));
        rows += size;
    }
    const char* message = api_.result_error(&answer.result);
    if (message != nullptr && *message != '\0')
        return query_failure(message, api_.result_error_type(&answer.result));
    if (auto failure = scan_failure_->take()) return fail(std::move(*failure));
    return rows;
}

Result<std::uint64_t> DuckEngine::select(const std::string& sql, RowSink& sink) {
    (void)scan_failure_->take();
    TARN_ASSIGN(const Statement statement, read_statement(sql));
    Prepared prepared{api_};
    TARN_TRY(prepare(statement, prepared));
    Answer answer{api_};
    if (api_.execute_prepared_streaming(prepared.statement, &answer.result) != DuckDBSuccess)
        return query_failure(api_.result_error(&answer.result), api_.result_error_type(&answer.result));
    TARN_ASSIGN(const std::vector<Type> types, read_columns(answer, sink));
    return send_rows(answer, types, sink);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const std::string& library_path, const Limits& limits) {
    TARN_ASSIGN(const Api* api, load_api(library_path));
    auto engine = std::make_unique<DuckEngine>(*api);
    TARN_TRY(engine->start(limits));
    return engine;
}

}  // namespace tarn::duck
