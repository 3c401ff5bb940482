#include "cli/line_batches.h"

#include <gtest/gtest.h>

#include <vector>

namespace tarn::cli {
namespace {

// What a put of `text` sends when it arrives in pieces of `step` bytes.
std::vector<std::string> requests(std::string_view text, LineBatches::Limits limits, std::size_t step) {
    LineBatches lines(limits);
    std::vector<std::string> sent;
    for (std::size_t at = 0; at < text.size(); at += step) {
        lines.add(text.substr(at, step));
        while (lines.has_full_batch()) sent.push_back(lines.take().body);
    }
    while (lines.has_line()) sent.push_back(lines.take().body);
    if (lines.unfinished_bytes() > 0) sent.push_back(lines.take_unfinished().body);
    return sent;
}

using Bodies = std::vector<std::string>;

TEST(LineBatches, AreCutByBytesAndByLines) {
    EXPECT_EQ(requests("a\nb\nc\nd\ne\n", {100, 2}, 100), (Bodies{"a\nb\n", "c\nd\n", "e\n"}));
    EXPECT_EQ(requests("aa\nbb\ncc\n", {7, 100}, 100), (Bodies{"aa\nbb\n", "cc\n"}));
    EXPECT_EQ(requests("long line\nb\n", {4, 100}, 100), (Bodies{"long line\n", "b\n"}));
    EXPECT_EQ(requests("a\nb", {100, 100}, 100), (Bodies{"a\n", "b"}));
    EXPECT_EQ(requests("\n\n", {100, 1}, 100), (Bodies{"\n", "\n"}));
}

TEST(LineBatches, DoNotDependOnHowTheBytesArrive) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += std::string(static_cast<std::size_t>(i * 7 % 31), 'x') + '\n';
    for (const LineBatches::Limits limits : {LineBatches::Limits{40, 5}, {100, 3}, {10, 100}}) {
        const Bodies whole = requests(text, limits, text.size());
        for (const std::size_t step : {1u, 3u, 40u, 41u, 1000u})
            EXPECT_EQ(requests(text, limits, step), whole) << limits.bytes << " " << step;
    }
}

TEST(LineBatches, SayWhatIsThere) {
    LineBatches lines({100, 10});
    EXPECT_FALSE(lines.has_line());
    lines.add("abc");
    EXPECT_FALSE(lines.has_line());
    EXPECT_EQ(lines.unfinished_bytes(), 3u);
    lines.add("\nde");
    EXPECT_TRUE(lines.has_line());
    EXPECT_FALSE(lines.has_full_batch());
    const auto batch = lines.take();
    EXPECT_EQ(batch.body, "abc\n");
    EXPECT_EQ(batch.lines, 1u);
    EXPECT_EQ(lines.unfinished_bytes(), 2u);
}

}  // namespace
}  // namespace tarn::cli
