#include "process/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/base64.h"
#include "codec/json.h"

namespace tarn::process {
namespace {

Item item(Offset offset, std::uint64_t key) {
    return {.sequence = offset + 1,
            .position = {StreamId{1}, 0, offset},
            .key_hash = key,
            .keyed = true,
            .document = "{}"};
}

functions::InvocationResult answer(const std::string& records) {
    functions::InvocationResult result;
    result.payload = R"({"records":[)" + records + "]}";
    return result;
}

std::vector<Verdict::Kind> kinds(const std::vector<Transformed>& list) {
    std::vector<Verdict::Kind> all;
    for (const auto& each : list) all.push_back(each.verdict.kind);
    return all;
}
using enum Verdict::Kind;

TEST(TransformTest, records_are_named_by_position_and_carry_base64) {
    SubscriptionSpec spec{.name = "s", .stream = "a", .function = "f", .to_stream = "b"};
    const auto sent = codec::Json::parse(transform_invocation(spec, {item(3, 1)}, 7).payload);
    ASSERT_TRUE(sent);
    const codec::Json& record = (*sent)["records"].elements().at(0);
    EXPECT_EQ(record["recordId"].as_string(), "0:3");
    EXPECT_EQ(codec::base64_decode(record["data"].as_string()), "{}");
}

TEST(TransformTest, each_result_means_what_firehose_says) {
    const auto list = transformed({item(0, 0), item(1, 1), item(2, 2), item(3, 3), item(4, 4), item(5, 5)},
                                  answer(R"({"recordId":"0:0","result":"Ok","data":"e30="},
                                            {"recordId":"0:1","result":"Dropped"},
                                            {"recordId":"0:2","result":"ProcessingFailed"},
                                            {"recordId":"0:4","result":"Ok","data":"???"},
                                            {"recordId":"0:5","result":"Dropped"},{"recordId":"0:5","result":"Dropped"},
                                            {"recordId":"9:9","result":"Ok","data":"e30="})"),
                                  1);
    EXPECT_THAT(kinds(list), testing::ElementsAre(done, done, fault, fault, fault, fault));
    EXPECT_EQ(list[0].data, "{}");
    EXPECT_EQ(list[1].data, std::nullopt);
    EXPECT_THAT(list[3].verdict.attempt.message, testing::HasSubstr("not in the answer"));
    EXPECT_THAT(list[5].verdict.attempt.message, testing::HasSubstr("twice"));
}

TEST(TransformTest, an_answer_that_is_none_fails_all_of_them) {
    functions::InvocationResult result;
    result.payload = "null";
    EXPECT_THAT(kinds(transformed({item(0, 0), item(1, 1)}, result, 1)), testing::ElementsAre(fault, fault));
}

TEST(TransformTest, behind_a_failed_one_its_key_waits) {
    const auto list = transformed({item(0, 1), item(1, 1), item(2, 2)},
                                  answer(R"({"recordId":"0:0","result":"ProcessingFailed"},
                                            {"recordId":"0:1","result":"Ok","data":"e30="},
                                            {"recordId":"0:2","result":"Ok","data":"e30="})"),
                                  1);
    EXPECT_THAT(kinds(list), testing::ElementsAre(fault, not_tried, done));
    EXPECT_EQ(list[1].data, std::nullopt);
}

class DerivingTest : public testing::Test {
protected:
    std::vector<Transformed> all_ok(std::size_t count) {
        std::vector<Transformed> list;
        for (std::size_t i = 0; i < count; ++i) list.push_back({{}, "{}"});
        return list;
    }
    std::vector<Sequence> sent() {
        std::vector<Sequence> list;
        for (const auto& [event, done] : waiting_) list.push_back(event.sequence);
        return list;
    }
    void answer_all(const Status& status) {
        auto now = std::move(waiting_);
        waiting_.clear();
        for (auto& [event, done] : now) done(status);
    }
    SubscriptionSpec spec_{.name = "s", .stream = "a", .function = "f", .to_stream = "b"};
    std::vector<std::pair<DerivedEvent, std::function<void(Status)>>> waiting_;
    Deriving deriving_{[this](DerivedEvent event, std::function<void(Status)> done) {
        waiting_.emplace_back(std::move(event), std::move(done));
    }};
    std::optional<std::vector<Verdict>> verdicts_;
    std::function<void(std::vector<Verdict>)> keep_ = [this](std::vector<Verdict> verdicts) {
        verdicts_ = std::move(verdicts);
    };
};

TEST_F(DerivingTest, of_a_key_one_after_the_other_and_other_keys_beside_it) {
    deriving_.start(spec_, {item(0, 1), item(1, 2), item(2, 1), item(3, 3)}, all_ok(4), 1, keep_);
    EXPECT_THAT(sent(), testing::ElementsAre(1, 2)) << "3 waits for 1";
    answer_all({});
    EXPECT_THAT(sent(), testing::ElementsAre(3, 4));
    EXPECT_FALSE(verdicts_);
    answer_all({});
    ASSERT_TRUE(verdicts_);
    EXPECT_EQ(verdicts_->size(), 4u);
}

TEST_F(DerivingTest, what_the_stream_does_not_take_is_a_fault_and_its_key_stops) {
    deriving_.start(spec_, {item(0, 1), item(1, 1)}, all_ok(2), 1, keep_);
    answer_all(fail(Code::json_syntax, "no JSON"));
    EXPECT_TRUE(sent().empty());
    ASSERT_TRUE(verdicts_);
    EXPECT_EQ(verdicts_->at(0).kind, fault);
    EXPECT_EQ(verdicts_->at(1).kind, not_tried);
}

TEST_F(DerivingTest, a_full_disk_blames_no_event) {
    deriving_.start(spec_, {item(0, 1)}, all_ok(1), 1, keep_);
    answer_all(fail(Code::disk_full, "full"));
    ASSERT_TRUE(verdicts_);
    EXPECT_EQ(verdicts_->at(0).kind, not_tried);
}

}  // namespace
}  // namespace tarn::process
