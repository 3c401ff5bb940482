#include "event/raw_line.h"

#include <fmt/core.h>

#include <charconv>

#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::event {
namespace {

namespace scan = codec::scan;

void append_number(std::string& out, std::uint64_t number) {
    char digits[20];
    const auto [end, status] = std::to_chars(digits, digits + sizeof digits, number);
    out.append(digits, end);
}

void append_payload(std::string& out, const StoredEvent& event) {
    switch (event.form) {
        case PayloadForm::json:
            out += "\"event\":";
            out += event.payload;
            return;
        case PayloadForm::text:
            out += "\"event_text\":";
            codec::append_quoted(out, event.payload);
            return;
        case PayloadForm::base64:
            out += "\"event_base64\":\"";
            codec::append_base64(out, event.payload);
            out += '"';
            return;
    }
}

// Takes a line apart from left to right. Each step gives false when the line is not as expected; at() is then
// the place.
class LineParser {
public:
    explicit LineParser(std::string_view line)
        : begin_(line.data()), p_(begin_), end_(begin_ + line.size()) {}

    std::size_t at() const { return static_cast<std::size_t>(p_ - begin_); }

    bool text(std::string_view expected) {
        if (!scan::slice(p_, end_).starts_with(expected)) return false;
        p_ += expected.size();
        return true;
    }

    template <typename T>
    bool number(T& value) {
        const auto [stop, status] = std::from_chars(p_, end_, value);
        if (status != std::errc() || stop == p_) return false;
        p_ = stop;
        return true;
    }

    bool time(Time& value) {
        const char* const quote = scan::string_end(p_, end_);
        if (quote == end_) return false;
        const auto parsed = parse_rfc3339(scan::slice(p_, quote));
        if (!parsed) return false;
        value = *parsed;
        p_ = quote + 1;
        return true;
    }

    // The members between "ingested" and the payload's member, without the commas around them.
    bool meta(std::string_view& value) {
        const char* from = nullptr;
        while (text(",\"")) {
            if (scan::slice(p_, end_).starts_with("event")) {
                value = from == nullptr ? std::string_view() : scan::slice(from, p_ - 2);
                return true;
            }
            if (from == nullptr) from = p_ - 1;
            const char* const quote = scan::string_end(p_, end_);
            if (quote == end_ || end_ - quote < 3 || quote[1] != ':') return false;
            p_ = scan::value_end(quote + 2, end_);
        }
        return false;
    }

    // What is left but for the last brace.
    bool rest(std::string_view& value) {
        if (p_ == end_ || end_[-1] != '}') return false;
        value = scan::slice(p_, end_ - 1);
        p_ = end_;
        return !value.empty();
    }

private:
    const char* begin_;
    const char* p_;
    const char* end_;
};

bool is_quoted(std::string_view value) {
    return value.size() >= 2 && value.front() == '"' && value.back() == '"';
}

bool read_payload(LineParser& line, std::string& scratch, StoredEvent& event) {
    std::string_view value;
    if (line.text("event\":")) {
        event.form = PayloadForm::json;
        return line.rest(event.payload);
    }
    if (line.text("event_text\":")) {
        event.form = PayloadForm::text;
        if (!line.rest(value) || !is_quoted(value)) return false;
        scratch.clear();
        codec::append_unescaped(scratch, value.substr(1, value.size() - 2));
        event.payload = scratch;
        return true;
    }
    event.form = PayloadForm::base64;
    if (!line.text("event_base64\":") || !line.rest(value) || !is_quoted(value)) return false;
    auto bytes = codec::base64_decode(value.substr(1, value.size() - 2));
    if (!bytes) return false;
    scratch = std::move(*bytes);
    event.payload = scratch;
    return true;
}

bool read_line(LineParser& line, std::string& scratch, StoredEvent& event) {
    return line.text("{\"partition\":") && line.number(event.position.partition) &&
           line.text(",\"offset\":") && line.number(event.position.offset) && line.text(",\"seq\":") &&
           line.number(event.sequence) && line.text(",\"ingested\":\"") && line.time(event.ingested) &&
           line.meta(event.meta) && read_payload(line, scratch, event);
}

}  // namespace

void append_raw_line(std::string& out, const StoredEvent& event) {
    out += "{\"partition\":";
    append_number(out, event.position.partition);
    out += ",\"offset\":";
    append_number(out, event.position.offset);
    out += ",\"seq\":";
    append_number(out, event.sequence);
    out += ",\"ingested\":\"";
    append_rfc3339(out, event.ingested);
    out += "\",";
    if (!event.meta.empty()) {
        out += event.meta;
        out += ',';
    }
    append_payload(out, event);
    out += "}\n";
}

Result<StoredEvent> parse_raw_line(StreamId stream, std::string_view line, std::string& scratch,
                                   bool with_hash) {
    LineParser parser(line);
    StoredEvent event;
    event.position.stream = stream;
    if (!read_line(parser, scratch, event))
        return fail(Code::object_corrupt,
                    fmt::format("not a line of a raw object: unexpected text at column {}", parser.at() + 1),
                    {.place = {.source = {}, .column = parser.at() + 1, .byte = parser.at()}});
    if (with_hash) event.hash = codec::xxh3_128(event.payload);
    return event;
}

}  // namespace tarn::event
