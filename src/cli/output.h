// Where commands write: data on stdout in the asked format, everything else on stderr. Tables on a terminal,
// NDJSON in a pipe. Control characters of data never reach a terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/json.h"

namespace tarn::cli {

enum class Format : std::uint8_t { table, json, ndjson, csv, text, html };
std::optional<Format> parse_format(std::string_view name);

struct Cell {
    std::string text;
    bool right = false;  // numbers stand right
    bool null = false;
};

// A table built row by row; widths are known at the end, so it is for people and bounded lists, not for
// streams.
class Table {
public:
    explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    std::string text() const;
    std::size_t rows() const { return rows_.size(); }

private:
    std::vector<std::string> columns_;
    std::vector<std::vector<Cell>> rows_;
};

class Output {
public:
    Output(std::optional<Format> format, bool quiet, bool colour);
    Format format() const { return format_; }
    // Words instead of documents.
    bool is_for_people() const { return format_ == Format::table || format_ == Format::text; }
    bool colour() const { return colour_; }
    bool quiet() const { return quiet_; }
    bool stdout_is_terminal() const { return terminal_out_; }
    bool stderr_is_terminal() const { return terminal_err_; }

    void data(std::string_view bytes);     // stdout, as it is
    void line(std::string_view text);      // stdout, with LF
    void note(std::string_view text);      // stderr, with LF; not when quiet
    void progress(std::string_view text);  // stderr, rewrites the last line; only on a terminal
    void end_progress();
    void error(const Error& error);  // stderr
    void flush();
    bool stdout_broken() const { return broken_; }

    // A list document {"items":[…]} in the asked format; `columns` are the members a table or CSV shows.
    void list(const codec::Json& document, const std::vector<std::string>& columns);
    // One document; as a table: "name  value" lines; as CSV: one row.
    void document(const codec::Json& document);

private:
    Format format_;
    bool quiet_, colour_, terminal_out_, terminal_err_;
    bool progress_open_ = false, broken_ = false;
};

// A stderr that cannot be written (a closed pipe, a full disk) is no reason to fail, let alone to abort as
// fmt::print would.
void to_stderr(std::string_view text);
// A value for people: control characters escaped.
std::string printable(std::string_view text);
// A CSV field: quoted where needed, formulas neutralised.
std::string csv_field(std::string_view text);
std::string value_text(const codec::Json& value);

}  // namespace tarn::cli
