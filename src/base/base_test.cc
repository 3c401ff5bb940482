#include "base/error.h"
#include "base/nearest.h"
#include "base/time.h"

namespace tarn {
namespace {

TEST(ErrorCodes, AreAscendingAndExplained) {
    int previous = 0;
    int seen = 0;
    for (int number = 1000; number < 10000; ++number) {
        const CodeInfo* found = find_code(number);
        if (found == nullptr) continue;
        EXPECT_GT(number, previous);
        EXPECT_FALSE(found->title.empty());
        EXPECT_GT(found->explanation.size(), 10u) << found->name;
        previous = number;
        ++seen;
    }
    EXPECT_GT(seen, 50);
    EXPECT_EQ(find_code(1), nullptr);
}

TEST(Error, SaysCodePlaceAndMessage) {
    const Error error = make_error(Code::json_syntax, "expected a value",
                                   {.place = {.source = "a.ndjson", .line = 3, .column = 17}});
    EXPECT_EQ(error.text(), "error TARN-1203: a.ndjson:3:17: expected a value");
    EXPECT_EQ(exit_code(error.kind), 1);
    EXPECT_EQ(make_errno_error(ENOSPC, "write x").kind, ErrorKind::out_of_space);
}

TEST(Time, RoundTripsAndKeepsFractions) {
    for (const char* text : {"1970-01-01T00:00:00Z", "2024-02-29T23:59:59.123Z",
                             "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z"}) {
        ASSERT_TRUE(parse_rfc3339(text)) << text;
        EXPECT_EQ(format_rfc3339(*parse_rfc3339(text)), text);
    }
    EXPECT_EQ(format_rfc3339(*parse_rfc3339("2024-03-01T02:00:00+02:00")), "2024-03-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(Time{INT64_MAX}), "9999-12-31T23:59:59.999999Z");
    EXPECT_EQ(format_rfc3339(Time{INT64_MIN}), "0000-01-01T00:00:00Z");
}

TEST(Time, RefusesWhatIsNotATime) {
    for (const char* text : {"", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00",
                             "2024-01-01T25:00:00Z", "2024-01-01T00:00:00.Z", "x"})
        EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(Time, UnderstandsWhatPeopleType) {
    const Time now{1'700'000'000'000'000};
    EXPECT_EQ(parse_time("2h", now)->us, now.us - 7'200'000'000);
    EXPECT_EQ(parse_time("-1h", now)->us, now.us - 3'600'000'000);
    EXPECT_EQ(parse_time("3d ago", now)->us, now.us - 3 * 86'400'000'000);
    EXPECT_EQ(parse_time("1700000000s", now)->us, now.us);
    EXPECT_EQ(parse_time("1700000000000000000ns", now)->us, now.us);
    EXPECT_EQ(format_rfc3339(*parse_time("2024-03-01", now)), "2024-03-01T00:00:00Z");
    EXPECT_FALSE(parse_time("1700000000", now));
}

TEST(NearestWord, IsCloseOrNone) {
    EXPECT_EQ(nearest_word("ordres", {"orders", "order"}), "orders");
    EXPECT_EQ(nearest_word("bank", {"bank2", "blank"}), "bank2");
    EXPECT_EQ(nearest_word("x", {"abc"}), "");
    EXPECT_EQ(nearest_word("", {}), "");
    EXPECT_EQ(nearest_word(std::string(100'000, 'x'), {"abc"}), "");
}

TEST(Numbers, AreWrittenForPeople) {
    EXPECT_EQ(format_count(1234567), "1,234,567");
    EXPECT_EQ(format_count(7), "7");
    EXPECT_EQ(format_bytes(4'100'000), "4.1 MB");
    EXPECT_EQ(*parse_size("128MiB"), 134'217'728u);
    EXPECT_FALSE(parse_size("12 parsecs"));
    EXPECT_EQ(*parse_duration_us("60s"), 60'000'000);
    EXPECT_FALSE(parse_duration_us("0s"));
}

}  // namespace
}  // namespace tarn
