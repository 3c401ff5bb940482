#include "event/derive.h"

#include <gtest/gtest.h>

#include <random>

#include "codec/base64.h"
#include "codec/hash.h"
#include "event/mapping.h"
#include "event/shapes.h"

namespace tarn::event {
namespace {

using codec::Json;

std::unique_ptr<Deriver> deriver_for(std::string_view settings = "{}", std::string stream = "bank") {
    auto parsed = StreamSettings::from_json(Json::parse(settings).value());
    if (!parsed) ADD_FAILURE() << parsed.error().text();
    auto made = Deriver::make(std::move(stream), std::move(*parsed));
    if (!made) ADD_FAILURE() << made.error().text();
    return std::move(*made);
}

constexpr std::string_view bank_settings = R"({
    "partitions": 4, "name_pattern": "(?P<type>.+)_(?P<id>[^_]+)\\.event$",
    "event": {"type": {"name":"type"}, "id": {"name":"id"}, "source": {"value":"/bank"},
              "time": {"path":"EventTimeStamp","unit":"s"}, "key": [{"path":"TargetAccount"},{"path":"SourceAccount"}]}})";

std::string meta_of(const Deriver& deriver, const Incoming& incoming) {
    const auto derived = deriver.derive(incoming);
    return derived ? derived->meta : derived.error().text();
}

// Code::internal when the event was accepted.
Code code_of(const Deriver& deriver, const Incoming& incoming) {
    const auto derived = deriver.derive(incoming);
    return derived ? Code::internal : derived.error().code;
}

Incoming payload_of(std::string_view payload) { return {.payload = payload}; }

// An event read back as a reader of the log sees it.
struct Read {
    explicit Read(const Derived& derived, std::string_view payload) {
        event.position = {StreamId{1}, 0, 41};
        event.ingested = Time{1'763'661'731'000'000};
        event.meta = derived.meta;
        event.payload = payload;
        event.form = derived.form;
        meta = reader.read(event, "bank");
    }
    std::string shape(Shape shape, const ShapeExtras& extras = {}) const {
        std::string out;
        append_shape(out, shape, event, meta, extras);
        return out;
    }
    StoredEvent event;
    MetaReader reader;
    Meta meta;
};

// ---- payloads ----

TEST(Derive, BankEventsTakeEverythingFromTheMapping) {
    const auto deriver = deriver_for(bank_settings);
    Incoming in = payload_of(R"({"EventTimeStamp":1700000000,"TargetAccount":"ACC-1","Amount":"1.00"})");
    in.name = "2024-03-01/verify_cash_deposit_7f31.event";
    const auto derived = deriver->derive(in);
    ASSERT_TRUE(derived) << derived.error().text();
    EXPECT_EQ(
        derived->meta,
        R"("key":"ACC-1","attributes":{"id":"7f31","source":"/bank","type":"verify_cash_deposit","time":"2023-11-14T22:13:20Z"})");
    EXPECT_EQ(derived->key, "ACC-1");
    EXPECT_EQ(derived->form, PayloadForm::json);
    EXPECT_EQ(derived->format, Format::json);
    EXPECT_EQ(derived->hash, codec::xxh3_128(in.payload));
    EXPECT_FALSE(derived->from_replay);
}

TEST(Derive, TheSecondRuleCountsWhenTheFirstHasNoValue) {
    const auto deriver = deriver_for(bank_settings);
    Incoming in =
        payload_of(R"({"EventTimeStamp":"1700000000.5","TargetAccount":null,"SourceAccount":"ACC-2"})");
    in.name = "cash_withdrawal_1.event";
    EXPECT_EQ(deriver->derive(in)->key, "ACC-2");
    EXPECT_NE(meta_of(*deriver, in).find("2023-11-14T22:13:20.500Z"), std::string::npos);
}

TEST(Derive, AbsentPathsAreFlaggedNotRefused) {
    const auto deriver = deriver_for(bank_settings);
    Incoming in = payload_of(R"({"x":1})");
    in.name = "cash_deposit_1.event";
    EXPECT_EQ(meta_of(*deriver, in),
              R"("attributes":{"id":"1","source":"/bank","type":"cash_deposit","tarndefaulted":true})");
    EXPECT_EQ(meta_of(*deriver, payload_of("[1]")),
              R"("attributes":{"source":"/bank","type":"bank","tarndefaulted":true})");
}

TEST(Derive, WithoutMappingAllIsDefaulted) {
    const auto deriver = deriver_for();
    EXPECT_EQ(meta_of(*deriver, payload_of("3")),
              R"("attributes":{"source":"/tarn/bank","type":"bank","tarndefaulted":true})");
    Incoming in = payload_of(R"({"a":1,"a":2})");
    in.key = "k\"1";
    in.type = "t";
    in.headers = {{"x-a", "1"}, {"x-b", "\xff"}};
    EXPECT_EQ(meta_of(*deriver, in),
              "\"key\":\"k\\\"1\",\"attributes\":{\"source\":\"/tarn/"
              "bank\",\"type\":\"t\",\"tarndefaulted\":true,\"tarnduplicatekeys\":true},"
              "\"headers\":{\"x-a\":\"1\",\"x-b\":\"\xEF\xBF\xBD\"}");
}

TEST(Derive, MistakesOfMappingAndName) {
    const auto deriver = deriver_for(bank_settings);
    Incoming in = payload_of("{\n  \"EventTimeStamp\": \"yesterday\"}");
    in.name = "cash_deposit_1.event";
    const auto bad_time = deriver->derive(in);
    ASSERT_FALSE(bad_time);
    EXPECT_EQ(bad_time.error().text(),
              "error TARN-1209: line 2:21: time is mapped to EventTimeStamp, but \"yesterday\" is not a time "
              "in seconds");
    EXPECT_EQ(bad_time.error().place.byte, 22u);
    in.payload = R"({"TargetAccount":{"a":1}})";
    EXPECT_EQ(code_of(*deriver, in), Code::bad_mapping);
    in.name = "notes.txt";
    in.payload = "{}";
    EXPECT_EQ(code_of(*deriver, in), Code::name_mismatch);
    EXPECT_EQ(meta_of(*deriver, in),
              "error TARN-1208: notes.txt: name does not match the stream's name_pattern");
    EXPECT_FALSE(Deriver::make(
        "a", StreamSettings::from_json(Json::parse(R"({"name_pattern":"("})").value()).value()));
    EXPECT_FALSE(Deriver::make(
        "a", StreamSettings::from_json(Json::parse(R"({"event":{"id":{"name":"x"}}})").value()).value()));
}

TEST(Derive, PatternWithSlashSeesTheWholeName) {
    const auto deriver = deriver_for(
        R"j({"name_pattern":"^(?P<day>[^/]+)/(?P<id>.+)$","event":{"id":{"name":"id"},"subject":{"name":"day"}}})j");
    Incoming in = payload_of("{}");
    in.name = "2024-03-01/a.json";
    EXPECT_EQ(
        meta_of(*deriver, in),
        R"("key":"2024-03-01","attributes":{"id":"a.json","source":"/tarn/bank","type":"bank","subject":"2024-03-01"})");
}

TEST(Derive, TimesInAllUnits) {
    const auto text = [](std::string_view number, TimeUnit unit) {
        const auto time = epoch_time(number, unit);
        return time ? format_rfc3339(*time) : "no time";
    };
    EXPECT_EQ(text("1700000000", TimeUnit::s), "2023-11-14T22:13:20Z");
    EXPECT_EQ(text("1700000000.1234567", TimeUnit::s), "2023-11-14T22:13:20.123456Z");
    EXPECT_EQ(text("1700000000123", TimeUnit::ms), "2023-11-14T22:13:20.123Z");
    EXPECT_EQ(text("1700000000123.4", TimeUnit::ms), "2023-11-14T22:13:20.123400Z");
    EXPECT_EQ(text("1700000000123456", TimeUnit::us), "2023-11-14T22:13:20.123456Z");
    EXPECT_EQ(text("1700000000123456789", TimeUnit::ns), "2023-11-14T22:13:20.123456Z");
    EXPECT_EQ(text("1.7e9", TimeUnit::s), "2023-11-14T22:13:20Z");
    EXPECT_EQ(text("-1", TimeUnit::s), "1969-12-31T23:59:59Z");
    EXPECT_EQ(text("-1", TimeUnit::ns), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(text("0", TimeUnit::s), "1970-01-01T00:00:00Z");
    for (const char* bad : {"", "-", ".5", "5.", "1.2.3", "x", "1e", "1e400",
                            "99999999999999999999999999999999999999999999", "253402300800", "0x10", " 1"})
        EXPECT_EQ(text(bad, TimeUnit::s), "no time") << bad;
}

TEST(Derive, FormKeepsTheExactBytes) {
    const auto deriver = deriver_for();
    const auto form = [&](std::string_view payload) { return deriver->derive(payload_of(payload))->form; };
    EXPECT_EQ(form("{\"a\": 1}"), PayloadForm::json);
    EXPECT_EQ(form("{}\r"), PayloadForm::text);
    EXPECT_EQ(form(" {}"), PayloadForm::text);
    EXPECT_EQ(form("{\n}"), PayloadForm::text);
    EXPECT_EQ(form_of_bytes("a\tb\r\n"), PayloadForm::text);
    EXPECT_EQ(form_of_bytes(""), PayloadForm::text);
    EXPECT_EQ(form_of_bytes("\xff"), PayloadForm::base64);
    EXPECT_EQ(form_of_bytes(std::string_view("a\0", 2)), PayloadForm::base64);
}

TEST(Derive, BadPayloads) {
    const auto deriver = deriver_for(R"({"max_event_bytes":1000})");
    const auto code = [&](std::string_view payload) { return code_of(*deriver, payload_of(payload)); };
    EXPECT_EQ(code(""), Code::empty_body);
    EXPECT_EQ(code("  "), Code::empty_body);
    EXPECT_EQ(code("{"), Code::json_syntax);
    EXPECT_EQ(code("\"\xff\""), Code::not_utf8);
    EXPECT_EQ(code(std::string(1001, '1')), Code::too_large);
    EXPECT_EQ(code(std::string(1000, '1')), Code::internal);
    EXPECT_EQ(code(std::string(200, '[') + std::string(200, ']')), Code::json_depth);
}

TEST(Derive, OpaqueAndBytes) {
    const auto deriver = deriver_for();
    Incoming in = payload_of("hello");
    in.opaque = true;
    in.content_type = "text/plain";
    const auto derived = deriver->derive(in);
    ASSERT_TRUE(derived);
    EXPECT_EQ(derived->format, Format::bytes);
    EXPECT_EQ(derived->form, PayloadForm::text);
    EXPECT_EQ(
        derived->meta,
        R"("attributes":{"source":"/tarn/bank","type":"bank","datacontenttype":"text/plain","tarnformat":"bytes","tarndefaulted":true})");
    const auto bytes = deriver_for(R"({"format":"bytes","event":{"type":{"value":"frame"}}})");
    const auto any = bytes->derive(payload_of("{\"not json\xff"));
    ASSERT_TRUE(any);
    EXPECT_EQ(any->form, PayloadForm::base64);
    EXPECT_EQ(any->meta, R"("attributes":{"source":"/tarn/bank","type":"frame","tarnformat":"bytes"})");
}

// ---- envelopes ----

constexpr std::string_view cloudevent =
    R"({"specversion":"1.0","id":"a\n1","source":"/s","type":"t","subject":"s1","time":"2024-03-01T00:00:00+01:00","datacontenttype":"application/json","dataschema":"http://x","n":7,"flag":true,"gone":null,"data":{"k":"v"}})";

TEST(Derive, CloudEventAttributesAreCopied) {
    const auto deriver = deriver_for(bank_settings);  // the mapping of attributes does not touch CloudEvents
    const auto derived = deriver->derive(payload_of(cloudevent));
    ASSERT_TRUE(derived) << derived.error().text();
    EXPECT_EQ(
        derived->meta,
        R"("key":"s1","attributes":{"id":"a\n1","source":"/s","type":"t","subject":"s1","time":"2024-03-01T00:00:00+01:00","datacontenttype":"application/json","dataschema":"http://x","n":7,"flag":true,"tarnformat":"cloudevents"})");
    const Read read(*derived, cloudevent);
    EXPECT_EQ(read.meta.id, "a\n1");
    EXPECT_EQ(read.meta.time, parse_rfc3339("2024-02-29T23:00:00Z").value());
    EXPECT_EQ(read.meta.time_text, "2024-03-01T00:00:00+01:00");
    EXPECT_EQ(read.meta.format, Format::cloudevents);
    EXPECT_EQ(data_json(read.event, read.meta), R"({"k":"v"})");
}

TEST(Derive, ExtensionsStandBesideWhatAnyFormBrings) {
    constexpr std::string_view eventbridge =
        R"({"detail-type":"x","source":"s","detail":{"a":1},"id":"9","account":"1","time":"2024-01-01T00:00:00Z","region":"r","resources":[]})";
    constexpr std::string_view replayed_before =
        R"({"specversion":"1.0","id":"1","source":"/a","type":"t","tarnrun":"old","tarnattempt":3})";
    for (const char* settings : {"{}", R"({"format":"json"})"})
        for (const std::string_view payload :
             {cloudevent, eventbridge, replayed_before, std::string_view("{}")}) {
            const auto deriver = deriver_for(settings);
            Incoming incoming = payload_of(payload);
            incoming.extensions = {{"tarnrun", "new"}, {"tarnattempt", "1"}};
            const auto derived = deriver->derive(incoming);
            ASSERT_TRUE(derived) << derived.error().text();
            EXPECT_TRUE(derived->from_replay);
            EXPECT_NE(derived->meta.find(R"("tarnrun":"new","tarnattempt":1)"), std::string::npos)
                << derived->meta;
            const auto plain = deriver->derive(payload_of(payload));
            EXPECT_EQ(derived->format, plain->format);
            EXPECT_EQ(derived->key, plain->key);
        }
}

TEST(Derive, KeyPrecedence) {
    const auto deriver = deriver_for(R"({"event":{"key":{"path":"k"}}})");
    const auto key = [&](std::string_view payload, std::optional<std::string> requested = {}) {
        Incoming in = payload_of(payload);
        in.key = std::move(requested);
        return deriver->derive(in)->key.value_or("none");
    };
    const std::string all =
        R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"sub","partitionkey":"pk","data":{"k":"mapped"}})";
    EXPECT_EQ(key(all, "asked"), "asked");
    EXPECT_EQ(key(all, ""), "mapped");
    EXPECT_EQ(key(all), "mapped");
    EXPECT_EQ(
        key(R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"sub","partitionkey":"pk","data":{}})"),
        "pk");
    EXPECT_EQ(key(R"({"specversion":"1.0","id":"1","source":"s","type":"t","subject":"sub"})"), "sub");
    EXPECT_EQ(key(R"({"specversion":"1.0","id":"1","source":"s","type":"t"})"), "none");
    EXPECT_EQ(key(R"({"k":12})"), "12");
    EXPECT_EQ(key(R"({"detail-type":"t","source":"s","detail":{"k":"in detail"}})"), "in detail");
}

TEST(Derive, BadCloudEvents) {
    const auto deriver = deriver_for();
    const std::pair<const char*, const char*> cases[] = {
        {R"({"specversion":"0.3","id":"1","source":"s","type":"t"})",
         "specversion is \"0.3\": expected \"1.0\""},
        {R"({"specversion":"1.0","source":"s","type":"t"})", "id is missing"},
        {R"({"specversion":"1.0","id":"","source":"s","type":"t"})", "id must not be empty"},
        {R"({"specversion":"1.0","id":1,"source":"s","type":"t"})", "id must be a string"},
        {R"({"specversion":"1.0","id":"1","source":"s"})", "type is missing"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","time":"noon"})",
         "time \"noon\" is not RFC 3339"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","traceId":"x"})",
         "\"traceId\" is not an attribute name: expected lower-case letters and digits"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","ext":{}})",
         "attribute ext must be a string, a boolean or an integer"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","ext":1.5})",
         "attribute ext must be a string, a boolean or an integer"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","data":1,"data_base64":""})",
         "data and data_base64 stand both"},
        {R"({"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"aGVsbG8"})",
         "data_base64 is not base64: expected groups of four of A-Z, a-z, 0-9, + and /, padded with ="},
    };
    for (const auto& [payload, message] : cases) {
        const auto derived = deriver->derive(payload_of(payload));
        ASSERT_FALSE(derived) << payload;
        EXPECT_EQ(derived.error().code, Code::bad_cloudevent);
        EXPECT_EQ(derived.error().message, std::string("not a CloudEvent: ") + message);
    }
    Incoming in = payload_of("[1]");
    in.structured = true;
    EXPECT_EQ(code_of(*deriver, in), Code::bad_cloudevent);
}

TEST(Derive, StreamsOfAFixedFormat) {
    const auto code = [](std::string_view format, std::string_view payload, bool structured = false) {
        Incoming in = payload_of(payload);
        in.structured = structured;
        return code_of(*deriver_for(format), in);
    };
    EXPECT_EQ(code(R"({"format":"cloudevents"})", "{}"), Code::bad_cloudevent);
    EXPECT_EQ(code(R"({"format":"eventbridge"})", "{}"), Code::bad_eventbridge);
    EXPECT_EQ(code(R"({"format":"json"})", cloudevent), Code::internal);
    EXPECT_EQ(deriver_for(R"({"format":"json"})")->derive(payload_of(cloudevent))->format, Format::json);
    EXPECT_EQ(code(R"({"format":"json"})", cloudevent, true), Code::wrong_format);
    EXPECT_EQ(code(R"({"format":"bytes"})", cloudevent, true), Code::internal);
}

TEST(Derive, BinaryMode) {
    const auto deriver = deriver_for();
    Incoming in = payload_of(R"({"k":1})");
    in.binary_attributes = {{"specversion", "1.0"}, {"id", "1"},         {"source", "/s"},
                            {"type", "t é"},        {"tarnrun", "rn-1"}, {"tarnformat", "bytes"}};
    in.content_type = "application/json; charset=utf-8";
    const auto derived = deriver->derive(in);
    ASSERT_TRUE(derived) << derived.error().text();
    EXPECT_EQ(
        derived->meta,
        R"("attributes":{"id":"1","source":"/s","type":"t é","datacontenttype":"application/json; charset=utf-8","tarnrun":"rn-1","tarnmode":"binary"})");
    EXPECT_TRUE(derived->from_replay);
    in.payload = "{";
    EXPECT_EQ(code_of(*deriver, in), Code::json_syntax);
    in.payload = "";
    EXPECT_EQ(deriver->derive(in)->format, Format::bytes);
    in.content_type = "image/png";
    in.payload = "\x89PNG";
    EXPECT_EQ(deriver->derive(in)->form, PayloadForm::base64);
    const Derived png = deriver->derive(in).value();
    EXPECT_EQ(Json::parse(Read(png, in.payload).shape(Shape::cloudevents)).value()["data_base64"].as_string(),
              codec::base64_encode(in.payload));
    for (const auto& [name, value] :
         {std::pair{"id", ""}, {"time", "noon"}, {"Bad", "x"}, {"specversion", "2"}, {"x", "\xff"}}) {
        Incoming bad = in;
        bad.binary_attributes.emplace_back(name, value);
        EXPECT_EQ(code_of(*deriver, bad), Code::bad_cloudevent) << name;
    }
    in.binary_attributes.erase(in.binary_attributes.begin());
    EXPECT_EQ(meta_of(*deriver, in), "error TARN-1206: not a CloudEvent: ce-specversion is missing");
}

TEST(Derive, EventBridge) {
    const auto deriver = deriver_for();
    constexpr std::string_view payload =
        R"({"version":"0","id":"e1","detail-type":"Order","source":"shop","account":"1","time":"2024-03-01T00:00:00Z","region":"eu","resources":[],"detail":{"a":1}})";
    const auto derived = deriver->derive(payload_of(payload));
    ASSERT_TRUE(derived) << derived.error().text();
    EXPECT_EQ(
        derived->meta,
        R"("attributes":{"id":"e1","source":"shop","type":"Order","time":"2024-03-01T00:00:00Z","tarnformat":"eventbridge"})");
    EXPECT_EQ(code_of(*deriver, payload_of(R"({"detail-type":"x","detail":1,"source":"s"})")),
              Code::bad_eventbridge);
    const Read read(*derived, payload);
    EXPECT_EQ(read.shape(Shape::eventbridge), payload);
    EXPECT_EQ(
        read.shape(Shape::cloudevents),
        R"({"specversion":"1.0","id":"e1","source":"shop","type":"Order","time":"2024-03-01T00:00:00Z","data":{"a":1}})");
}

// ---- shapes ----

TEST(Shapes, WhatCameInTheFormIsGivenBackAsItCame) {
    const auto derived = deriver_for()->derive(payload_of(cloudevent));
    const Read read(*derived, cloudevent);
    EXPECT_EQ(read.shape(Shape::cloudevents), cloudevent);
    EXPECT_EQ(read.shape(Shape::payload), cloudevent);
    const std::string sent = read.shape(Shape::cloudevents, {.run = "rn-1", .attempt = 2});
    EXPECT_EQ(sent, std::string(cloudevent.substr(0, cloudevent.size() - 1)) +
                        R"(,"tarnrun":"rn-1","tarnattempt":2})");
    // Sent again: the new run takes the old one's place.
    const Derived again = deriver_for()->derive(payload_of(sent)).value();
    EXPECT_TRUE(again.from_replay);
    EXPECT_EQ(
        Read(again, sent).shape(Shape::cloudevents, {.run = "rn-2", .attempt = 1}),
        std::string(cloudevent.substr(0, cloudevent.size() - 1)) + R"(,"tarnrun":"rn-2","tarnattempt":1})");
}

TEST(Shapes, PayloadsGetAnEnvelopeOnOneLine) {
    constexpr std::string_view payload = "{\r\n \"a\": [1]\n}\n";
    const Derived derived = deriver_for()->derive(payload_of(payload)).value();
    const Read read(derived, payload);
    EXPECT_EQ(read.shape(Shape::payload), payload);
    EXPECT_EQ(
        read.shape(Shape::cloudevents, {.run = "r", .attempt = 1}),
        R"({"specversion":"1.0","id":"0:41","source":"/tarn/bank","type":"bank","time":"2025-11-20T18:02:11Z","tarndefaulted":true,"tarnrun":"r","tarnattempt":1,"data":{   "a": [1] }})");
    EXPECT_EQ(
        read.shape(Shape::eventbridge),
        R"({"version":"0","id":"0:41","detail-type":"bank","source":"/tarn/bank","account":"","time":"2025-11-20T18:02:11Z","region":"","resources":[],"detail":{   "a": [1] }})");
    EXPECT_TRUE(read.meta.defaulted);
}

TEST(Shapes, Names) {
    EXPECT_EQ(parse_shape("eventbridge"), Shape::eventbridge);
    EXPECT_EQ(parse_shape("x").error().code, Code::bad_usage);
}

std::string random_text(std::mt19937_64& random) {
    constexpr std::string_view letters = "ab\"\\/\n\t :{}[],1";
    std::string text = "x";
    for (auto n = random() % 8; n > 0; --n)
        text += random() % 9 == 0 ? "é😀" : std::string(1, letters[random() % letters.size()]);
    return text;
}

// Derived, shaped as a CloudEvent, and derived again: nothing that an event says of itself changes.
TEST(Shapes, CloudEventShapeKeepsTheAttributes) {
    const auto deriver = deriver_for(
        R"({"event":{"id":{"path":"i"},"type":{"path":"t"},"subject":{"path":"s"},"time":{"path":"at","unit":"ms"}}})");
    std::mt19937_64 random(9);
    for (int round = 0; round < 3000; ++round) {
        Json json = Json::object();
        if (random() % 4 != 0) json.set("i", random_text(random));
        if (random() % 4 != 0) json.set("t", random_text(random));
        if (random() % 2 != 0) json.set("s", random_text(random));
        if (random() % 2 != 0) json.set("at", random() % 4'000'000'000'000);
        json.set("other", Json().push(random_text(random)));
        const std::string payload = random() % 2 == 0 ? json.dump() : json.dump_pretty();
        const auto derived = deriver->derive(payload_of(payload));
        ASSERT_TRUE(derived) << derived.error().text();
        const Read first(*derived, payload);
        const std::string shaped = first.shape(Shape::cloudevents);
        ASSERT_EQ(shaped.find('\n'), std::string::npos);
        const auto again = deriver->derive(payload_of(shaped));
        ASSERT_TRUE(again) << again.error().text() << shaped;
        const Read second(*again, shaped);
        ASSERT_EQ(second.meta.format, Format::cloudevents);
        ASSERT_EQ(second.meta.id, first.meta.id);
        ASSERT_EQ(second.meta.source, first.meta.source);
        ASSERT_EQ(second.meta.type, first.meta.type);
        ASSERT_EQ(second.meta.subject, first.meta.subject);
        ASSERT_EQ(second.meta.time, first.meta.time);
        ASSERT_EQ(Json::parse(*data_json(second.event, second.meta)).value(), json);
    }
}

// ---- quarantine ----

TEST(Quarantine, MetaNamesReasonAndPlace) {
    const auto derived = deriver_for()->derive(payload_of("[1,]"));
    ASSERT_FALSE(derived);
    EXPECT_EQ(
        quarantine_meta(derived.error(), "a\xff.json", Time{}),
        "\"attributes\":{\"time\":\"1970-01-01T00:00:00Z\",\"reason\":\"json_syntax\",\"code\":\"TARN-1203\","
        "\"message\":\"not JSON: expected a value after ','\",\"place\":\"line "
        "1:4\",\"line\":1,\"column\":4,\"byte\":3,\"name\":\"a\xEF\xBF\xBD.json\"}");
}

}  // namespace
}  // namespace tarn::event
