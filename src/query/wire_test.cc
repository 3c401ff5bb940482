#include "query/wire.h"

#include <gtest/gtest.h>

namespace tarn::query {
namespace {

std::string rows_frame(std::initializer_list<std::optional<std::string_view>> values) {
    std::string rows, out;
    for (const auto& value : values) append_value(rows, value);
    append_frame(out, FrameKind::rows, rows);
    return out;
}

TEST(Wire, FramesComeOutHoweverTheyAreCut) {
    const std::string large(100'000, 'x');
    std::string bytes = rows_frame({"a", std::nullopt, "", std::string_view("\0\n", 2), large});
    append_frame(bytes, FrameKind::end, "{}");
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, bytes.size()}) {
        FrameReader reader;
        std::vector<std::optional<std::string>> values;
        bool ended = false;
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            reader.feed(std::string_view(bytes).substr(at, step));
            while (true) {
                const auto frame = reader.next();
                ASSERT_TRUE(frame);
                if (!*frame) break;
                if ((*frame)->kind == FrameKind::end) {
                    ended = true;
                    continue;
                }
                std::string_view rows = (*frame)->body;
                while (!rows.empty()) {
                    const auto value = take_value(rows);
                    ASSERT_TRUE(value);
                    values.emplace_back(*value ? std::optional<std::string>(**value) : std::nullopt);
                }
            }
        }
        EXPECT_TRUE(ended) << step;
        EXPECT_EQ(values, (std::vector<std::optional<std::string>>{"a", std::nullopt, "",
                                                                   std::string("\0\n", 2), large}))
            << step;
    }
}

TEST(Wire, OtherBytesAreNotTakenForFrames) {
    FrameReader reader;
    reader.feed("terminate called after throwing\n");
    const auto frame = reader.next();
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code, Code::query_worker);
    std::string_view cut = std::string_view(
        "\x05"
        "ab");
    EXPECT_FALSE(take_value(cut));
    std::string_view open_varint = "\xff";
    EXPECT_FALSE(take_value(open_varint));
}

TEST(Wire, ErrorsKeepCodePlaceAndNextStep) {
    const Error before = make_error(Code::object_corrupt, "frame 3 does not verify",
                                    {.place = {.source = "raw/x", .byte = 4096}, .next = "tarn fsck"});
    const Error after = error_from_json(error_json(before));
    EXPECT_EQ(after.code, before.code);
    EXPECT_EQ(after.kind, ErrorKind::corrupt);
    EXPECT_EQ(after.text(), before.text());
    EXPECT_EQ(after.next, before.next);
    EXPECT_EQ(error_from_json(codec::Json()).code, Code::query_worker);
}

TEST(Wire, RequestAndEndSurviveTheirJson) {
    WorkerRequest request{
        .sql = "SELECT 'ü'", .memory_bytes = 1ull << 40, .timeout_us = 5, .store_root = "/data/lake"};
    request.other_streams = {"shop"};
    const auto read = WorkerRequest::from_json(*codec::Json::parse(request.to_json().dump()));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->sql, request.sql);
    EXPECT_EQ(read->memory_bytes, request.memory_bytes);
    EXPECT_EQ(read->timeout_us, 5);
    EXPECT_EQ(read->store_root, request.store_root);
    EXPECT_EQ(read->other_streams, request.other_streams);
    WorkerEnd end{7, 9, {"damaged"}, codec::Json::object()};
    end.positions.set("bank", codec::Json::object({{"0", 41}}));
    const WorkerEnd after = WorkerEnd::from_json(end.to_json());
    EXPECT_EQ(after.rows, 7u);
    EXPECT_EQ(after.events_read, 9u);
    EXPECT_EQ(after.why, end.why);
    EXPECT_EQ(after.positions, end.positions);
}

}  // namespace
}  // namespace tarn::query
