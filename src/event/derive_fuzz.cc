// Any bytes through the front door: derived or refused, never otherwise; what is derived reads back, and its
// CloudEvents shape derives to the same attributes again.
#include <cstdio>
#include <cstdlib>

#include "codec/json.h"
#include "event/derive.h"
#include "event/raw_line.h"
#include "event/shapes.h"

namespace {

using namespace tarn;
using namespace tarn::event;

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

const Deriver& deriver(bool mapped) {
    static const auto make = [](std::string_view settings) {
        auto json = codec::Json::parse(settings);
        auto parsed = StreamSettings::from_json(*json);
        auto made = Deriver::make("s", *parsed);
        require(made.has_value(), "the settings are good");
        return std::move(*made);
    };
    static const auto plain = make("{}");
    static const auto with_mapping = make(
        R"({"event":{"id":{"path":"i"},"type":{"path":"t.u"},"time":[{"path":"at","unit":"ms"},{"path":"on"}],"key":{"path":"k"},"subject":{"path":"l.0"}}})");
    return mapped ? *with_mapping : *plain;
}

std::string shape_of(const StoredEvent& event, Shape shape) {
    MetaReader reader;
    const Meta& meta = reader.read(event, "s");
    std::string out;
    append_shape(out, shape, event, meta, {.run = "rn-1", .attempt = 1});
    return out;
}

void check_line(const StoredEvent& event) {
    std::string line, scratch;
    append_raw_line(line, event);
    require(line.find('\n') == line.size() - 1, "a line is one line");
    line.pop_back();
    require(codec::validate_json(line, {.max_bytes = 1 << 26, .max_depth = 200}).has_value(),
            "a line is JSON");
    const auto read = parse_raw_line({}, line, scratch, true);
    require(read && read->payload == event.payload && read->meta == event.meta && read->hash == event.hash,
            "a line reads back");
}

void check(const Deriver& from, const Incoming& in) {
    const auto derived = from.derive(in);
    if (!derived) {
        require(
            codec::validate_json("{" + quarantine_meta(derived.error(), in.name, Time{}) + "}").has_value(),
            "quarantine meta is JSON");
        return;
    }
    StoredEvent event;
    event.ingested = Time{1'700'000'000'000'000};
    event.meta = derived->meta;
    event.payload = in.payload;
    event.form = derived->form;
    event.hash = derived->hash;
    require(codec::validate_json("{" + derived->meta + "}", {.max_bytes = 1 << 26}).has_value(),
            "meta is JSON");
    check_line(event);
    const std::string shaped = shape_of(event, Shape::cloudevents);
    require(codec::validate_json(shaped, {.max_bytes = 1 << 26, .max_depth = 200}).has_value(),
            "the shape is JSON");
    require(shaped.find('\n') == std::string::npos, "the shape is one line");
    require(
        codec::validate_json(shape_of(event, Shape::eventbridge), {.max_bytes = 1 << 26, .max_depth = 200})
            .has_value(),
        "EventBridge shape is JSON");
    const auto again = from.derive({.payload = shaped, .structured = true});
    if (!again)
        return require(again.error().code == Code::json_depth || again.error().code == Code::too_large,
                       "the shape is a CloudEvent");
    require(again->from_replay, "a replayed event is known as such");
    StoredEvent second = event;
    second.meta = again->meta;
    second.payload = shaped;
    MetaReader first_reader, second_reader;
    const Meta &a = first_reader.read(event, "s"), &b = second_reader.read(second, "s");
    require(a.id == b.id && a.type == b.type && a.source == b.source && a.subject == b.subject &&
                a.time == b.time,
            "attributes survive");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const bool mapped = (data[0] & 1) != 0;
    Incoming in{.payload = text, .structured = (data[0] & 2) != 0, .opaque = (data[0] & 4) != 0};
    if ((data[0] & 8) != 0) {
        const std::size_t middle = text.size() / 2;
        in.binary_attributes = {{"specversion", "1.0"},
                                {"id", "1"},
                                {"source", "s"},
                                {"type", std::string(text.substr(0, middle))}};
        in.payload = text.substr(middle);
    }
    check(deriver(mapped), in);
    return 0;
}
