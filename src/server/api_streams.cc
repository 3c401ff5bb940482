// Routes of streams and their events.
#include <fmt/core.h>

#include <algorithm>
#include <functional>

#include "event/shapes.h"
#include "log/reader.h"
#include "pattern/pattern.h"
#include "server/api.h"

namespace tarn::server {
namespace {

codec::Json stream_json(const catalog::StreamInfo& info, const lake::StreamView& view,
                        const std::map<Partition, Offset>& next) {
    codec::Json json;
    json.set("name", info.name).set("id", info.id.value).set("created", format_rfc3339(info.created));
    std::uint64_t events = 0, quarantined = 0, bytes = 0;
    codec::Json positions = codec::Json::object();
    for (const auto& [partition, offset] : next) {
        if (partition == quarantine_partition) {
            quarantined = offset;
            continue;
        }
        events += offset;
        positions.set(std::to_string(partition), offset);
    }
    for (const auto& object : view.objects) bytes += object.bytes;
    json.set("events", events).set("quarantined", quarantined).set("objects", view.objects.size());
    json.set("bytes", bytes)
        .set("next_offsets", std::move(positions))
        .set("settings", info.settings.to_json());
    return json;
}

// One extent of the log: those of a damaged one do not follow each other.
Status add_offsets(Engine& engine, StreamId stream, const log::Extent& extent,
                   std::map<Partition, Offset>& next) {
    log::Reader reader(engine.fs(), {extent});
    log::RecordView record;
    while (true) {
        TARN_ASSIGN(const bool more, reader.next(record));
        if (!more) return {};
        if (record.stream != stream) continue;
        for (const auto& event : record.events)
            next[event.position.partition] =
                std::max(next[event.position.partition], event.position.offset + 1);
    }
}

// Next offsets of a view: what objects hold, then what the log's tail adds.
Result<std::map<Partition, Offset>> next_offsets(Engine& engine, const lake::StreamView& view) {
    std::map<Partition, Offset> next;
    for (const auto* objects : {&view.objects, &view.quarantine_objects})
        for (const auto& object : *objects)
            next[object.partition] = std::max(next[object.partition], object.last + 1);
    for (const log::Extent& extent : view.tail.extents)
        TARN_TRY(add_offsets(engine, view.stream, extent, next));
    return next;
}

Result<codec::Json> describe(Engine& engine, const catalog::StreamInfo& info) {
    TARN_ASSIGN(const lake::StreamView view, engine.lake().view(info.id));
    TARN_ASSIGN(const auto next, next_offsets(engine, view));
    return stream_json(info, view, next);
}

Result<net::Response> list_streams(Call& call) {
    TARN_ASSIGN(auto streams, call.engine.catalog().streams());
    std::ranges::sort(streams, std::greater(),
                      [](const auto& info) { return info.id.value; });  // newest first
    codec::Json items = codec::Json::array();
    for (const auto& info : streams) {
        TARN_ASSIGN(codec::Json json, describe(call.engine, info));
        items.push(std::move(json));
    }
    return json_response(list_document(std::move(items)));
}

Result<net::Response> show_stream(Call& call) {
    TARN_ASSIGN(const auto info, call.engine.catalog().stream(call.arguments[0]));
    TARN_ASSIGN(codec::Json json, describe(call.engine, info));
    json.set("schema_version", 1);
    return json_response(std::move(json));
}

Result<net::Response> create_stream(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"name", "settings"}));
    const std::string name = body["name"].as_string();
    if (!event::is_valid_stream_name(name))
        return fail(
            Code::bad_stream_name,
            fmt::format("\"{}\" cannot be a stream's name: 1 to 64 of a-z, 0-9, _ and -, a letter first",
                        name.substr(0, 80)));
    TARN_ASSIGN(const auto settings, event::StreamSettings::from_json(
                                         body.has("settings") ? body["settings"] : codec::Json::object()));
    // An impossible name_pattern must fail here, not at the first event.
    TARN_TRY(event::Deriver::make(name, settings));
    TARN_ASSIGN(const auto info,
                call.engine.catalog().create_stream(name, settings, call.engine.clock().now()));
    call.engine.capture().forget_stream(name);
    codec::Json data;
    data.set("stream", name).set("id", info.id.value).set("settings", settings.to_json());
    TARN_TRY(call.engine.record("stream.created", name, data));
    TARN_ASSIGN(codec::Json json, describe(call.engine, info));
    json.set("schema_version", 1);
    return json_response(std::move(json), 201);
}

Result<net::Response> delete_stream(Call& call) {
    TARN_ASSIGN(const auto info, call.engine.catalog().stream(call.arguments[0]));
    if (info.id.value == 0) return fail(Code::not_allowed_here, "the system stream _tarn cannot be deleted");
    TARN_TRY(call.engine.catalog().delete_stream(info.id));
    call.engine.capture().forget_stream(info.name);
    codec::Json data;
    data.set("stream", info.name).set("id", info.id.value);
    TARN_TRY(call.engine.record("stream.deleted", info.name, data));
    codec::Json json;
    json.set("schema_version", 1).set("deleted", info.name).set("id", info.id.value);
    return json_response(std::move(json));
}

Result<net::Response> roll_stream(Call& call) {
    TARN_ASSIGN(const auto info, call.engine.catalog().stream(call.arguments[0]));
    TARN_ASSIGN(const lake::RollResult rolled, call.engine.lake().roll(info.id));
    codec::Json json;
    json.set("schema_version", 1)
        .set("stream", info.name)
        .set("events", rolled.events)
        .set("objects", rolled.objects);
    json.set("bytes", rolled.bytes).set("raw_bytes", rolled.raw_bytes);
    return json_response(std::move(json));
}

Result<Position> position_of(Call& call) {
    TARN_ASSIGN(const auto info, call.engine.catalog().stream(call.arguments[0]));
    return event::parse_position(info.id, call.arguments[1] + ":" + call.arguments[2]);
}

Result<net::Response> get_event(Call& call) {
    TARN_ASSIGN(const Position position, position_of(call));
    TARN_ASSIGN(const lake::OwnedEvent found, call.engine.lake().get(position));
    event::MetaReader reader;
    const auto& meta = reader.read(found.event, call.arguments[0]);
    net::Response response;
    response.content_type = meta.content_type                     ? std::string(*meta.content_type)
                            : meta.format == event::Format::bytes ? "application/octet-stream"
                                                                  : "application/json";
    response.headers.emplace_back("tarn-hash", found.event.hash.hex());
    response.body = found.payload;
    return response;
}

// Where a tail begins: "beginning", "end", "P:O" (that partition alone, from there), or an ingest time.
struct TailStart {
    lake::ScanOptions scan;
    std::optional<Time> ingested_from;
    bool from_end = false;
};

Result<TailStart> tail_start(Call& call, const catalog::StreamInfo& stream) {
    TailStart start;
    const auto from = call.request.parameter("from");
    if (!from || *from == "beginning") return start;
    if (*from == "end") {
        start.from_end = true;
        return start;
    }
    if (const auto position = event::parse_position(stream.id, *from)) {
        if (position->partition >= stream.settings.partitions)
            return fail(Code::unknown_position,
                        fmt::format("stream {} has no partition {}: it has {}", stream.name,
                                    position->partition, stream.settings.partitions),
                        {.next = fmt::format("tarn stream show {}", stream.name)});
        start.scan.partition = position->partition;
        start.scan.from[position->partition] = position->offset;
        return start;
    }
    TARN_ASSIGN(start.ingested_from, parse_time(*from, call.engine.clock().now()));
    start.scan.min_ingested = start.ingested_from;
    return start;
}

// One pass over a stream's events as lines; a following tail takes a step for each new stretch of the log.
class TailWriter {
public:
    TailWriter(Engine& engine, catalog::StreamInfo info, TailStart start, event::Shape shape, bool envelope,
               std::optional<pattern::Pattern> pattern, std::uint64_t limit)
        : engine_(engine),
          info_(std::move(info)),
          start_(std::move(start)),
          shape_(shape),
          envelope_(envelope),
          pattern_(std::move(pattern)),
          limit_(limit) {}

    // Writes what is durable now and has not been written; false when the limit is reached or the receiver
    // has gone.
    Result<bool> step(net::BodyWriter& out) {
        TARN_ASSIGN(const lake::StreamView view, engine_.lake().view(info_.id));
        const Sequence end = view.tail.end_sequence;
        if (start_.from_end && next_ == 0) next_ = end;
        if (end <= next_) return true;
        lake::ScanOptions options = start_.scan;
        options.from_sequence = next_;
        options.with_hash = false;
        options.skip_damage = true;
        options.on_damage = [this](const Error& error) { damage_.push_back(error.text()); };
        TARN_ASSIGN(const auto scan, engine_.lake().scan(view, options));
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (event == nullptr) break;
            ++scanned_;
            if (start_.ingested_from && event->ingested < *start_.ingested_from) continue;
            const std::size_t before = buffer_.size();
            if (!append_line(*event)) continue;
            if (written_ == limit_) {  // one more there would be: only now is it known that this is not all
                buffer_.resize(before);
                limited_ = true;
                return flush(out) && false;
            }
            ++written_;
            if (buffer_.size() > 64 * 1024 && !flush(out)) return false;
        }
        next_ = end;
        return flush(out);
    }

    // The last line: how much was read, and whether that was all.
    std::string trailer() const {
        const bool complete = damage_.empty() && !limited_;
        codec::Json json;
        json.set("complete", complete).set("events", written_).set("scanned", scanned_);
        if (limited_) json.set("why", "limit");
        if (!damage_.empty()) {
            codec::Json list = codec::Json::array();
            for (const auto& text : damage_) list.push(text);
            json.set("why", "damage").set("damage", std::move(list));
        }
        codec::Json line;
        line.set("trailer", std::move(json)).set("complete", complete);
        return line.dump() + "\n";
    }
    bool full() const { return written_ >= limit_; }

private:
    bool append_line(const event::StoredEvent& event) {
        const auto& meta = reader_.read(event, info_.name);
        document_.clear();
        event::append_shape(document_, shape_, event, meta);
        if (pattern_) {
            if (shape_ != event::Shape::cloudevents) {
                pattern_document_.clear();
                event::append_shape(pattern_document_, event::Shape::cloudevents, event, meta);
            }
            if (!pattern_->matches(shape_ == event::Shape::cloudevents ? document_ : pattern_document_))
                return false;
        }
        if (envelope_) {
            fmt::format_to(std::back_inserter(buffer_),
                           R"({{"position":"{}","seq":{},"ingested":"{}","event":)",
                           event::position_text(event.position.partition, event.position.offset),
                           event.sequence, format_rfc3339(event.ingested));
            append_as_json(document_);
            buffer_ += "}\n";
        } else {
            buffer_ += document_;
            buffer_ += '\n';
        }
        return true;
    }

    // A payload that is not JSON, or spans lines, stands as a string.
    void append_as_json(const std::string& document) {
        const auto facts = codec::validate_json(document, {.max_bytes = SIZE_MAX});
        if (facts && !facts->has_newline)
            buffer_ += document;
        else if (codec::is_valid_utf8(document))
            codec::append_quoted(buffer_, document);
        else
            codec::append_quoted(buffer_, "(bytes that are not UTF-8: tarn get)");
    }

    bool flush(net::BodyWriter& out) {
        if (buffer_.empty()) return !out.receiver_gone();
        const bool ok = out.write(buffer_).has_value();
        buffer_.clear();
        return ok;
    }

    Engine& engine_;
    catalog::StreamInfo info_;
    TailStart start_;
    event::Shape shape_;
    bool envelope_;
    std::optional<pattern::Pattern> pattern_;
    std::uint64_t limit_;
    Sequence next_ = 0;
    std::uint64_t written_ = 0, scanned_ = 0;
    bool limited_ = false;
    std::vector<std::string> damage_;
    event::MetaReader reader_;
    std::string document_, pattern_document_, buffer_;
};

Result<net::Response> list_events(Call& call) {
    TARN_TRY(call.parameters({"from", "limit", "shape", "pattern", "follow", "envelope"}));
    TARN_ASSIGN(const auto info, call.engine.catalog().stream(call.arguments[0]));
    TARN_ASSIGN(TailStart start, tail_start(call, info));
    TARN_ASSIGN(const auto shape,
                event::parse_shape(call.request.parameter("shape").value_or("cloudevents")));
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 0));
    std::optional<pattern::Pattern> compiled;
    if (const auto text = call.request.parameter("pattern")) {
        TARN_ASSIGN(compiled, pattern::Pattern::compile(*text));
    }
    const bool follow = call.request.parameter("follow").value_or("false") == "true";
    const bool envelope = call.request.parameter("envelope").value_or("false") == "true";
    auto writer = std::make_shared<TailWriter>(call.engine, info, std::move(start), shape, envelope,
                                               std::move(compiled), limit == 0 ? UINT64_MAX : limit);
    net::Response response;
    response.content_type = "application/x-ndjson";
    response.stream = [writer, follow, &engine = call.engine](net::BodyWriter& out) {
        constexpr std::int64_t poll_us = 50'000;
        while (true) {
            const auto more = writer->step(out);
            if (!more) {
                (void)out.write(error_line(more.error()));
                return out.break_off();
            }
            if (!*more || !follow || writer->full() || out.receiver_gone() || engine.stopping()) break;
            engine.clock().sleep_us(poll_us);
        }
        (void)out.write(writer->trailer());
    };
    return response;
}

}  // namespace

void Api::add_stream_routes() {
    add("POST", "/v1/streams/{}/events", "capture", nullptr);  // first: the hot path of Api::handle
    add("GET", "/v1/streams", "read", list_streams);
    add("POST", "/v1/streams", "configure", create_stream);
    add("GET", "/v1/streams/{}", "read", show_stream);
    add("DELETE", "/v1/streams/{}", "configure", delete_stream);
    add("POST", "/v1/streams/{}/roll", "operate", roll_stream);
    add("GET", "/v1/streams/{}/events", "read", list_events);
    add("GET", "/v1/streams/{}/events/{}/{}", "read", get_event);
}

}  // namespace tarn::server
