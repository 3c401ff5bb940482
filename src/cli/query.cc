// tarn query: SQL.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/interrupt.h"

namespace tarn::cli {
namespace {

// Takes the answer's lines one by one and writes them in the asked format.
class Printer {
public:
    explicit Printer(Output& out) : out_(out) {}

    Status line(std::string_view text) {
        if (text.starts_with('[')) return row(text);
        TARN_ASSIGN(const codec::Json json, codec::Json::parse(text));
        if (json.has("columns")) return columns(json["columns"]);
        if (json.has("end")) {
            end_ = json["end"];
            return {};
        }
        if (auto error = error_in(json)) return fail(std::move(*error));
        return {};  // of a later version
    }

    Status finish() {
        if (end_.is_null())
            return fail(Code::bad_answer, "the answer ended before its last line; it is not complete",
                        {.next = "ask again; is the server still there?"});
        switch (out_.format()) {
            case Format::json: {
                codec::Json document;
                document.set("schema_version", 1)
                    .set("columns", columns_)
                    .set("items", codec::Json::array(std::move(items_)));
                document.set("complete", end_["complete"])
                    .set("events_read", end_["events_read"])
                    .set("positions", end_["positions"]);
                if (end_.has("why")) document.set("why", end_["why"]);
                out_.line(document.dump());
                break;
            }
            case Format::table:
                out_.data(table_.text());
                break;
            default:
                break;
        }
        summary();
        return {};
    }
    bool complete() const { return end_["complete"].as_bool(); }

private:
    Status columns(const codec::Json& columns) {
        columns_ = columns;
        std::vector<std::string> names;
        for (const auto& column : columns.elements()) names.push_back(column["name"].as_string());
        if (out_.format() == Format::csv) {
            std::string header;
            for (const auto& name : names) header += (header.empty() ? "" : ",") + csv_field(name);
            out_.line(header);
        }
        names_ = names;
        table_ = Table(std::move(names));
        return {};
    }

    Status row(std::string_view text) {
        TARN_ASSIGN(const codec::Json values, codec::Json::parse(text));
        switch (out_.format()) {
            case Format::csv: {
                std::string line;
                for (std::size_t i = 0; i < values.size(); ++i)
                    line += (i == 0 ? "" : ",") + csv_field(value_text(values.elements()[i]));
                out_.line(line);
                return {};
            }
            case Format::table: {
                std::vector<Cell> cells;
                for (const auto& value : values.elements())
                    cells.push_back({value.is_null() ? "NULL" : value_text(value), value.is_number()});
                table_.add(std::move(cells));
                return {};
            }
            default:
                break;
        }
        codec::Json object = codec::Json::object();
        for (std::size_t i = 0; i < values.size(); ++i) object.set(names_[i], values.elements()[i]);
        if (out_.format() == Format::json)
            items_.push_back(std::move(object));
        else
            out_.line(object.dump());
        return {};
    }

    void summary() {
        std::string positions;
        for (const auto& [stream, offsets] : end_["positions"].members()) {
            positions += fmt::format("{}up to {}", positions.empty() ? "" : ", ", stream);
            for (const auto& [partition, offset] : offsets.members())
                positions += fmt::format(" {}:{}", partition, offset.as_string());
        }
        out_.note(fmt::format(
            "{} rows · {} events read ({}{}{}) · {}", format_count(end_["rows"].as_uint()),
            format_count(end_["events_read"].as_uint()),
            complete() ? "complete" : fmt::format("NOT complete: {}", end_["why"].as_string()),
            positions.empty() ? "" : ", ", positions, format_duration(end_["duration_us"].as_int())));
    }

    Output& out_;
    codec::Json columns_, end_;
    std::vector<std::string> names_;
    std::vector<codec::Json> items_;
    Table table_{{}};
};

Result<int> query(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    std::string sql = context.arguments.get_or("SQL", "");
    if (context.arguments.flag("--explain")) sql = "EXPLAIN " + sql;
    body.set("sql", sql);
    if (const auto timeout = context.arguments.get("--timeout")) body.set("timeout", *timeout);
    if (const auto bytes = context.arguments.get("--max-bytes")) body.set("max_bytes", *bytes);
    net::Request request = make_request("POST", "/v1/query", body.dump());
    request.headers.emplace_back("content-type", "application/json");
    Printer printer(context.out);
    std::string pending;
    Status problem;
    const Status streamed = client->stream(std::move(request), [&](std::string_view piece) {
        pending.append(piece);
        std::size_t at = 0;
        for (std::size_t end; problem && (end = pending.find('\n', at)) != std::string::npos; at = end + 1)
            problem = printer.line(std::string_view(pending).substr(at, end - at));
        pending.erase(0, at);
        return problem.has_value() && !interrupted() && !context.out.stdout_broken();
    });
    if (interrupted()) return 130;
    TARN_TRY(problem);  // what the answer says of itself; that it then breaks off is no news
    TARN_TRY(streamed);
    TARN_TRY(printer.finish());
    return printer.complete() ? 0 : 1;
}

}  // namespace

std::vector<Command> query_commands() {
    return {{"query",
             "ask anything in SQL: one SELECT over <stream>.events and <stream>.quarantine",
             {{"SQL", "the query, quoted"}},
             {{"--explain", "", "show how it would be done"},
              {"--max-bytes", "N", "refuse to read more stored bytes than this"},
              {"--timeout", "D", "default 300s"}},
             "Examples:\n  tarn query \"SELECT type, count(*) AS n FROM bank.events GROUP BY type\"\n"
             "  tarn query \"SELECT data->>'Amount' FROM bank.events LIMIT 3\" -o csv\n\n"
             "Every acknowledged event is in the answer, and none that is not. The note on stderr says up to "
             "which positions.\n"
             "Write brackets around fields in conditions: WHERE type = 'a' AND (data->>'x') = '1'; "
             "and quotes around \"at\" of <stream>.quarantine.\n"
             "Columns: id source type subject time data tarn_partition tarn_offset tarn_seq tarn_ingested "
             "tarn_key tarn_hash.",
             query}};
}

}  // namespace tarn::cli
