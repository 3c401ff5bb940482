// <stream>.events
#include "event/meta.h"
#include "event/shapes.h"
#include "query/engine_json.h"
#include "query/stream_scan.h"

namespace tarn::query {
namespace {

enum : std::size_t {
    id,
    source,
    type,
    subject,
    time,
    data,
    partition,
    offset,
    seq,
    ingested,
    key,
    hash,
    rescued,
    count
};

const std::vector<duck::Column>& event_columns() {
    using enum duck::ColumnType;
    static const std::vector<duck::Column> columns = {{"id", varchar},
                                                      {"source", varchar},
                                                      {"type", varchar},
                                                      {"subject", varchar},
                                                      {"time", timestamp_tz},
                                                      {"data", json},
                                                      {"tarn_partition", integer},
                                                      {"tarn_offset", bigint},
                                                      {"tarn_seq", bigint},
                                                      {"tarn_ingested", timestamp_tz},
                                                      {"tarn_key", varchar},
                                                      {"tarn_hash", varchar},
                                                      {"tarn_rescued", json}};
    return columns;
}

class EventsScan final : public StreamScan {
public:
    EventsScan(TableSource from, const std::vector<bool>& wanted)
        : StreamScan(std::move(from), wanted, false, hash), needs_meta_(wants_meta(wanted)) {}

private:
    static bool wants_meta(const std::vector<bool>& wanted) {
        for (const std::size_t column : {id, source, type, subject, time, data, key})
            if (wanted[column]) return true;
        return false;
    }

    void set_row(duck::ChunkWriter& chunk, std::size_t row, const event::StoredEvent& event) override {
        chunk.set_integer(partition, row, event.position.partition);
        chunk.set_integer(offset, row, static_cast<std::int64_t>(event.position.offset));
        chunk.set_integer(seq, row, static_cast<std::int64_t>(event.sequence));
        chunk.set_integer(ingested, row, event.ingested.us);
        if (wants(hash)) chunk.set_text(hash, row, event.hash.hex());
        if (wants(rescued)) chunk.set_null(rescued, row);  // filled once there are typed tables
        if (needs_meta_) set_meta(chunk, row, event);
    }

    void set_meta(duck::ChunkWriter& chunk, std::size_t row, const event::StoredEvent& event) {
        const event::Meta& meta = reader_.read(event, stream_name());
        if (wants(id)) chunk.set_text(id, row, meta.id);
        if (wants(source)) chunk.set_text(source, row, meta.source);
        if (wants(type)) chunk.set_text(type, row, meta.type);
        if (wants(subject)) set_optional(chunk, subject, row, meta.subject);
        if (wants(time)) chunk.set_integer(time, row, meta.time.us);
        if (wants(data)) set_data(chunk, row, event::data_json(event, meta));
        if (wants(key)) set_optional(chunk, key, row, meta.key);
    }

    void set_data(duck::ChunkWriter& chunk, std::size_t row, const std::optional<std::string_view>& json) {
        if (json)
            chunk.set_text(data, row, engine_json(*json, scratch_));
        else
            chunk.set_null(data, row);
    }

    static void set_optional(duck::ChunkWriter& chunk, std::size_t column, std::size_t row,
                             const std::optional<std::string_view>& text) {
        if (text)
            chunk.set_text(column, row, *text);
        else
            chunk.set_null(column, row);
    }

    bool needs_meta_;
    event::MetaReader reader_;
    std::string scratch_;
};

class EventsTable final : public duck::Table {
public:
    explicit EventsTable(TableSource from) : from_(std::move(from)) {}
    std::vector<duck::Column> columns() const override { return event_columns(); }
    Result<std::unique_ptr<duck::TableScan>> open(const std::vector<bool>& wanted) override {
        return std::make_unique<EventsScan>(from_, wanted);
    }

private:
    TableSource from_;
};

}  // namespace

std::shared_ptr<duck::Table> make_events_table(TableSource from) {
    return std::make_shared<EventsTable>(std::move(from));
}

}  // namespace tarn::query
