// POST /v1/query: the answer is NDJSON: {"columns":[…]}, one JSON array a row, {"end":{…}} or {"error":{…}}
// last.
#include <fmt/core.h>

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

void answer(Engine& engine, const std::string& sql, const query::QueryLimits& limits, net::BodyWriter& out) {
    std::string buffer;
    std::vector<query::QueryColumn> columns;
    const query::QuerySink sink{[&](const std::vector<query::QueryColumn>& given) -> Status {
                                    columns = given;
                                    buffer += columns_line(given);
                                    return {};
                                },
                                [&](const std::vector<std::optional<std::string>>& row) -> Status {
                                    append_row(buffer, columns, row);
                                    if (buffer.size() < 64 * 1024) return {};
                                    Status written = out.write(buffer);
                                    buffer.clear();
                                    return written;
                                }};
    const auto summary = engine.query().run(sql, limits, sink);
    if (summary) {
        buffer += end_line(*summary);
    } else {
        codec::Json line;
        line.set("error", error_json(summary.error()));
        buffer += line.dump() + "\n";
    }
    (void)out.write(buffer);  // a receiver that has gone needs no answer
}

Result<net::Response> run_query(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json());
    const std::string sql = body["sql"].as_string();
    if (sql.empty()) return fail(Code::bad_usage, "the body must be {\"sql\":\"SELECT …\"}");
    TARN_ASSIGN(const query::QueryLimits limits, limits_of(body));
    net::Response response;
    response.content_type = "application/x-ndjson";
    response.stream = [&engine = call.engine, sql, limits](net::BodyWriter& out) {
        answer(engine, sql, limits, out);
    };
    return response;
}

}  // namespace

void Api::add_query_routes() { add("POST", "/v1/query", "query", run_query); }

}  // namespace tarn::server
