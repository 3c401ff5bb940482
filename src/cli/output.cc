#include "cli/output.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

namespace tarn::cli {
namespace {

// Columns on the screen: code points, which is right for all but wide and combining ones.
std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    for (const char c : text) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return width;
}

constexpr std::size_t widest_cell = 80;

void print_lines(std::string_view text, const char* indent) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end != 0) to_stderr(fmt::format("{}{}\n", indent, printable(text.substr(0, end))));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
}

std::string shorten(std::string text) {
    if (width_of(text) <= widest_cell) return text;
    std::size_t cut = 0, width = 0;
    while (width < widest_cell - 1) {
        ++cut;
        while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) ++cut;
        ++width;
    }
    return text.substr(0, cut) + "…";
}

}  // namespace

void to_stderr(std::string_view text) { (void)std::fwrite(text.data(), 1, text.size(), stderr); }

std::optional<Format> parse_format(std::string_view name) {
    if (name == "table") return Format::table;
    if (name == "json") return Format::json;
    if (name == "ndjson") return Format::ndjson;
    if (name == "csv") return Format::csv;
    if (name == "text") return Format::text;
    if (name == "html") return Format::html;
    return std::nullopt;
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == '\n')
            out += "\\n";
        else if (byte == '\t')
            out += ' ';
        else if (byte < 0x20 || byte == 0x7F)
            out += fmt::format("\\x{:02x}", byte);
        else
            out += c;
    }
    return out;
}

std::string csv_field(std::string_view text) {
    std::string field(text);
    // A spreadsheet would run these; a leading apostrophe makes them text. Numbers may keep their sign.
    const bool number = codec::validate_json(text).has_value();
    if (!field.empty() && !number && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos)
        field.insert(0, 1, '\'');
    if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
    std::string quoted = "\"";
    for (const char c : field) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

std::string value_text(const codec::Json& value) {
    if (value.is_null()) return "";
    if (value.is_string() || value.is_number()) return value.as_string();
    return value.dump();
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    for (const auto& column : columns_) widths.push_back(width_of(column));
    std::vector<std::vector<Cell>> rows = rows_;
    for (auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i].text = shorten(printable(row[i].text));
            widths[i] = std::max(widths[i], width_of(row[i].text));
        }
    std::string out;
    const auto put = [&](const std::string& text, std::size_t column, bool right, bool last) {
        const std::string padding(widths[column] - width_of(text), ' ');
        out += ' ';
        if (right)
            out += padding + text;
        else
            out += last ? text : text + padding;
        if (!last) out += "  ";
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        const bool right = !rows.empty() && rows[0][i].right;
        put(columns_[i], i, right, i + 1 == columns_.size());
    }
    out += '\n';
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) put(row[i].text, i, row[i].right, i + 1 == row.size());
        out += '\n';
    }
    return out;
}

Output::Output(std::optional<Format> format, bool quiet, bool colour)
    : quiet_(quiet), terminal_out_(::isatty(1) != 0), terminal_err_(::isatty(2) != 0) {
    format_ = format.value_or(terminal_out_ ? Format::table : Format::ndjson);
    colour_ = colour && terminal_out_;
}

void Output::data(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) broken_ = true;
}

void Output::line(std::string_view text) {
    data(text);
    data("\n");
}

void Output::note(std::string_view text) {
    if (quiet_) return;
    end_progress();
    flush();  // what was said before stands before
    to_stderr(fmt::format("{}\n", text));
}

void Output::progress(std::string_view text) {
    if (quiet_ || !terminal_err_) return;
    to_stderr(fmt::format("\r\033[K{}", text));
    std::fflush(stderr);
    progress_open_ = true;
}

void Output::end_progress() {
    if (!progress_open_) return;
    to_stderr(fmt::format("\r\033[K"));
    progress_open_ = false;
}

void Output::error(const Error& error) {
    end_progress();
    flush();
    // Messages of the SQL engines, and excerpts with their caret, have several lines.
    print_lines("tarn: " + error.text(), "");
    print_lines(error.excerpt, "  ");
    const std::string explain = "tarn explain " + error.code_text();
    to_stderr(fmt::format("  next: {}\n", printable(error.next.empty() ? explain : error.next)));
}

void Output::flush() {
    if (std::fflush(stdout) != 0) broken_ = true;
}

void Output::list(const codec::Json& document, const std::vector<std::string>& columns) {
    const auto& items = document["items"].elements();
    switch (format_) {
        case Format::json:
            return data(document.dump() + "\n");
        case Format::ndjson:
            for (const auto& item : items) line(item.dump());
            return;
        case Format::csv: {
            std::string header;
            for (const auto& column : columns) header += (header.empty() ? "" : ",") + csv_field(column);
            line(header);
            for (const auto& item : items) {
                std::string row;
                for (std::size_t i = 0; i < columns.size(); ++i)
                    row += (i == 0 ? "" : ",") + csv_field(value_text(item[columns[i]]));
                line(row);
            }
            return;
        }
        default:
            break;
    }
    if (items.empty()) return note("none");
    Table table(columns);
    for (const auto& item : items) {
        std::vector<Cell> row;
        for (const auto& column : columns)
            row.push_back({value_text(item[column]), item[column].is_number()});
        table.add(std::move(row));
    }
    data(table.text());
    if (!document["complete"].as_bool(true)) note("… there are more");
}

void Output::document(const codec::Json& document) {
    if (format_ == Format::csv) {
        std::string header, row;
        for (const auto& [name, value] : document.members()) {
            if (name == "schema_version") continue;
            header += (header.empty() ? "" : ",") + csv_field(name);
            row += (header.size() == csv_field(name).size() ? "" : ",") + csv_field(value_text(value));
        }
        line(header);
        return line(row);
    }
    if (!is_for_people()) return data(document.dump() + "\n");
    std::size_t widest = 0;
    for (const auto& [name, value] : document.members()) widest = std::max(widest, name.size());
    for (const auto& [name, value] : document.members()) {
        if (name == "schema_version") continue;
        line(fmt::format(" {:<{}}  {}", name, widest, printable(value_text(value))));
    }
}

}  // namespace tarn::cli
