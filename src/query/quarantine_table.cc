// <stream>.quarantine: what could not be accepted, with its bytes and the reason.
#include <fmt/core.h>

#include <charconv>

#include "codec/base64.h"
#include "query/stream_scan.h"

namespace tarn::query {
namespace {

enum : std::size_t {
    id,
    reason,
    at,
    place,
    bytes,
    encoding,
    message,
    code,
    name,
    line,
    column,
    byte,
    partition,
    offset,
    seq,
    ingested,
    hash,
    count
};

const std::vector<duck::Column>& quarantine_columns() {
    using enum duck::ColumnType;
    static const std::vector<duck::Column> columns = {{"id", varchar},
                                                      {"reason", varchar},
                                                      {"at", timestamp_tz},
                                                      {"place", varchar},
                                                      {"bytes", varchar},
                                                      {"encoding", varchar},
                                                      {"message", varchar},
                                                      {"code", varchar},
                                                      {"name", varchar},
                                                      {"line", bigint},
                                                      {"column", bigint},
                                                      {"byte", bigint},
                                                      {"tarn_partition", bigint},
                                                      {"tarn_offset", bigint},
                                                      {"tarn_seq", bigint},
                                                      {"tarn_ingested", timestamp_tz},
                                                      {"tarn_hash", varchar}};
    return columns;
}

// "TARN-1203" or 1203 → the words for it; the name of the code where the number is unknown to this version.
std::string reason_text(const codec::Json& attributes) {
    std::string_view number = attributes["code"].as_string();
    if (number.starts_with("TARN-")) number.remove_prefix(5);
    int value = 0;
    std::from_chars(number.data(), number.data() + number.size(), value);
    const CodeInfo* known = find_code(value);
    return known != nullptr ? std::string(known->title) : attributes["reason"].as_string();
}

class QuarantineScan final : public StreamScan {
public:
    QuarantineScan(TableSource from, const std::vector<bool>& wanted)
        : StreamScan(std::move(from), wanted, true, hash) {}

private:
    void set_row(duck::ChunkWriter& chunk, std::size_t row, const event::StoredEvent& event) override {
        chunk.set_text(id, row, fmt::format("qr-{}", event.sequence));
        chunk.set_integer(at, row, event.ingested.us);
        chunk.set_integer(ingested, row, event.ingested.us);  // the same under a name that needs no quotes
        chunk.set_integer(offset, row, static_cast<std::int64_t>(event.position.offset));
        chunk.set_integer(seq, row, static_cast<std::int64_t>(event.sequence));
        chunk.set_null(partition, row);  // it never got one
        if (wants(hash)) chunk.set_text(hash, row, event.hash.hex());
        if (wants(bytes) || wants(encoding)) set_bytes(chunk, row, event.payload);
        const auto meta = codec::Json::parse("{" + std::string(event.meta) + "}");
        set_attributes(chunk, row, meta ? (*meta)["attributes"] : codec::Json());
    }

    // Text as it is; anything else, and a NUL among text, as base64: `encoding` says which.
    void set_bytes(duck::ChunkWriter& chunk, std::size_t row, std::string_view payload) {
        const bool text = payload.find('\0') == payload.npos && codec::is_valid_utf8(payload);
        chunk.set_text(encoding, row, text ? "text" : "base64");
        if (wants(bytes))
            chunk.set_text(bytes, row, text ? std::string(payload) : codec::base64_encode(payload));
    }

    void set_attributes(duck::ChunkWriter& chunk, std::size_t row, const codec::Json& attributes) {
        chunk.set_text(reason, row, reason_text(attributes));
        set_text_or_null(chunk, place, row, attributes["place"]);
        set_text_or_null(chunk, message, row, attributes["message"]);
        set_text_or_null(chunk, code, row, attributes["code"]);
        set_text_or_null(chunk, name, row, attributes["name"]);
        set_number_or_null(chunk, line, row, attributes["line"]);
        set_number_or_null(chunk, column, row, attributes["column"]);
        set_number_or_null(chunk, byte, row, attributes["byte"]);
    }

    static void set_text_or_null(duck::ChunkWriter& chunk, std::size_t at, std::size_t row,
                                 const codec::Json& value) {
        if (value.as_string().empty())
            chunk.set_null(at, row);
        else
            chunk.set_text(at, row, value.as_string());
    }
    static void set_number_or_null(duck::ChunkWriter& chunk, std::size_t at, std::size_t row,
                                   const codec::Json& value) {
        std::int64_t number = 0;
        const std::string& text = value.as_string();
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (text.empty() || read.ec != std::errc())
            chunk.set_null(at, row);
        else
            chunk.set_integer(at, row, number);
    }
};

class QuarantineTable final : public duck::Table {
public:
    explicit QuarantineTable(TableSource from) : from_(std::move(from)) {}
    std::vector<duck::Column> columns() const override { return quarantine_columns(); }
    Result<std::unique_ptr<duck::TableScan>> open(const std::vector<bool>& wanted) override {
        return std::make_unique<QuarantineScan>(from_, wanted);
    }

private:
    TableSource from_;
};

}  // namespace

std::shared_ptr<duck::Table> make_quarantine_table(TableSource from) {
    return std::make_shared<QuarantineTable>(std::move(from));
}

}  // namespace tarn::query
