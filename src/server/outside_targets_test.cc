// Subscriptions' events into targets of both kinds: those that send one at a time and those that send many.
#include "server/outside_targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <set>
#include <thread>

#include "os/real_file_system.h"
#include "replay/target_spec.h"
#include "state/state_fixture.h"

namespace tarn::server {
namespace {

using End = process::Receipt::End;
using process::Parcel;
using process::Receipt;
using replay::Attempted;
using replay::Delivery;
using replay::Outgoing;
using replay::Sent;

// What the targets of a test have in common: a gate that can be shut, and what came through.
struct World {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = true;
    std::vector<std::string> keys, payloads;
    std::size_t inside = 0, most_inside = 0, targets = 0;

    void pass(const Outgoing& outgoing) {
        std::unique_lock lock(mutex);
        keys.push_back(outgoing.idempotency_key);
        payloads.emplace_back(outgoing.event.payload);
        most_inside = std::max(most_inside, ++inside);
        changed.notify_all();
        changed.wait(lock, [this] { return open; });
        --inside;
    }
    void set_open(bool now) {
        const std::lock_guard lock(mutex);
        open = now;
        changed.notify_all();
    }
    void wait_for_inside(std::size_t count) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return inside == count; });
    }
};

class Serial final : public replay::Target {
public:
    explicit Serial(World& world) : world_(world) {}
    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        world_.pass(batch.at(0));
        const std::string_view payload = batch[0].event.payload;
        if (payload == "gone") return fail(Code::cannot_connect, "nobody there");
        if (payload == "bad") return std::vector{Sent{Delivery::failed, "HTTP 400 bad", 1}};
        if (payload == "busy") return std::vector{Sent{Delivery::failed, "HTTP 503 busy", 5}};
        if (payload == "silent") return std::vector{Sent{Delivery::unknown, "no answer", 1}};
        return std::vector<Sent>(1);
    }
    Status flush() override { return {}; }
    std::size_t max_batch() const override { return 10; }

private:
    World& world_;
};

// Answers before begin returns.
class Parallel final : public replay::ParallelTarget {
public:
    explicit Parallel(World& world) : world_(world) {}
    ~Parallel() override {
        for (auto& [payload, done] : waiting_)
            done(Attempted{.sent = {Delivery::unknown, "broken off", 1}, .again_us = {}});
    }
    std::size_t at_once() const override { return 3; }
    void begin(const Outgoing& outgoing, Done done) override {
        EXPECT_EQ(outgoing.attempt, 1);
        {
            const std::lock_guard lock(world_.mutex);
            world_.keys.push_back(outgoing.idempotency_key);
            world_.most_inside = std::max(world_.most_inside, ++world_.inside);
            waiting_.emplace_back(std::string(outgoing.event.payload), std::move(done));
        }
        if (world_.open) answer_all();
    }
    void answer_all() {
        while (true) {
            std::pair<std::string, Done> one;
            {
                const std::lock_guard lock(world_.mutex);
                if (waiting_.empty()) return;
                one = std::move(waiting_.back());
                waiting_.pop_back();
                --world_.inside;
            }
            one.second(answer_to(one.first));
        }
    }

private:
    static Result<Attempted> answer_to(const std::string& payload) {
        if (payload == "gone") return fail(Code::cannot_connect, "nobody there");
        Attempted attempted;
        if (payload == "bad") attempted.sent = {Delivery::failed, "HTTP 400 bad", 1};
        if (payload == "broken")
            attempted = {.sent = {Delivery::failed, "HTTP 500", 1}, .again_us = 2'000'000};
        if (payload == "busy")
            attempted = {.sent = {Delivery::failed, "HTTP 429 busy", 1},
                         .again_us = 9'000'000,
                         .pushed_back_us = 2'000'000};
        if (payload == "away")
            attempted = {
                .sent = {Delivery::failed, "no connection", 1}, .again_us = 100'000, .was_reached = false};
        if (payload == "silent") attempted.sent = {Delivery::unknown, "no answer", 1};
        return attempted;
    }
    World& world_;
    std::vector<std::pair<std::string, Done>> waiting_;
};

class OutsideTargetsTest : public testing::Test {
protected:
    process::SubscriptionSpec spec(const std::string& name, const std::string& target = "http://h/") {
        process::SubscriptionSpec made;
        made.name = name;
        made.stream = "s";
        made.target = target;
        return made;
    }
    static Parcel parcel(std::string payload, Offset offset = 0) {
        Parcel made{.position = {StreamId{4}, 0, offset}, .meta = R"("attributes":{})", .payload = {}};
        made.payload = std::move(payload);
        return made;
    }
    void deliver(const process::SubscriptionSpec& spec, Parcel parcel) {
        outside_.deliver(spec, std::move(parcel), [this](Receipt receipt) {
            const std::lock_guard lock(mutex_);
            receipts_.push_back(std::move(receipt));
            came_.notify_all();
        });
    }
    Receipt receipt(const std::string& payload) {
        deliver(spec("one"), parcel(payload));
        wait_for(++expected_);
        const std::lock_guard lock(mutex_);
        return receipts_.back();
    }
    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex_);
        came_.wait(lock, [&] { return receipts_.size() >= count; });
    }

    World world_;
    bool in_parallel_ = false;
    Parallel* parallel_ = nullptr;
    std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<Receipt> receipts_;
    std::size_t expected_ = 0;
    OutsideTargets outside_{{.clock = *clock_,
                             .sender = "directory",
                             .open = [this](const auto&) -> Result<std::unique_ptr<replay::Target>> {
                                 ++world_.targets;
                                 if (!in_parallel_) return std::make_unique<Serial>(world_);
                                 auto made = std::make_unique<Parallel>(world_);
                                 parallel_ = made.get();
                                 return made;
                             },
                             .grace_us = 0}};
};

TEST_F(OutsideTargetsTest, what_a_target_says_of_one_event_at_a_time_is_understood) {
    EXPECT_EQ(receipt("good").end, End::delivered);
    EXPECT_EQ(receipt("bad").end, End::refused);
    EXPECT_EQ(receipt("busy").end, End::failed) << "it was tried again, so it may be";
    EXPECT_EQ(receipt("silent").end, End::unknown);
    EXPECT_EQ(receipt("gone").end, End::unreachable);
    EXPECT_EQ(receipt("bad").error, "HTTP 400 bad");
}

TEST_F(OutsideTargetsTest, what_a_target_says_of_an_attempt_is_understood) {
    in_parallel_ = true;
    EXPECT_EQ(receipt("good").end, End::delivered);
    EXPECT_EQ(receipt("bad").end, End::refused);
    EXPECT_EQ(receipt("silent").end, End::unknown);
    EXPECT_EQ(receipt("gone").end, End::unreachable);
    EXPECT_EQ(receipt("away").end, End::unreachable);
    const Receipt broken = receipt("broken");
    EXPECT_EQ(broken.end, End::failed);
    EXPECT_EQ(broken.again_us, 2'000'000);
    const Receipt busy = receipt("busy");
    EXPECT_EQ(busy.end, End::pushed_back);
    EXPECT_EQ(busy.again_us, 2'000'000);
    EXPECT_EQ(busy.error, "HTTP 429 busy");
}

// Three are under way, seven wait for their turn.
TEST_F(OutsideTargetsTest, a_target_that_pushes_back_does_not_get_what_waits_for_its_turn) {
    in_parallel_ = true;
    world_.open = false;
    for (Offset i = 0; i < 10; ++i) deliver(spec("one"), parcel("busy", i));
    parallel_->answer_all();
    wait_for(10);
    EXPECT_EQ(world_.keys.size(), 3u);
    for (const Receipt& receipt : receipts_) EXPECT_EQ(receipt.end, End::pushed_back);
}

// No attempt of its own: nobody knows what became of it, and the event goes again under its key.
TEST_F(OutsideTargetsTest, stopping_breaks_off_what_does_not_end) {
    in_parallel_ = true;
    world_.open = false;
    for (Offset i = 0; i < 5; ++i) deliver(spec("one"), parcel("hangs", i));
    outside_.stop();
    wait_for(5);
    for (const Receipt& receipt : receipts_) EXPECT_EQ(receipt.end, End::unreachable);
}

TEST_F(OutsideTargetsTest, what_is_declared_anew_is_opened_anew) {
    in_parallel_ = true;  // one target an outlet
    deliver(spec("one", "target:t"), parcel("x"));
    deliver(spec("two"), parcel("x"));
    wait_for(2);
    outside_.reopen("target:t");
    deliver(spec("one", "target:t"), parcel("x"));
    deliver(spec("two"), parcel("x"));
    wait_for(4);
    EXPECT_EQ(world_.targets, 3u);
}

TEST_F(OutsideTargetsTest, a_key_is_of_the_event_and_of_its_content) {
    receipt("good");
    receipt("good");
    Parcel corrected = parcel("better");
    corrected.corrected = true;
    deliver(spec("one"), corrected);
    deliver(spec("two"), parcel("good"));
    wait_for(4);
    EXPECT_EQ(world_.keys.at(0), "directory:one:4:0:0");
    EXPECT_EQ(world_.keys.at(1), world_.keys.at(0));
    const std::set<std::string> different(world_.keys.begin(), world_.keys.end());
    EXPECT_EQ(different.size(), 3u);
}

TEST_F(OutsideTargetsTest, a_slow_target_has_bounded_connections_and_is_in_nobodys_way) {
    world_.set_open(false);
    for (Offset i = 0; i < 20; ++i) deliver(spec("slow"), parcel("x", i));
    world_.wait_for_inside(8);
    deliver(spec("other", "null:"), parcel("x"));
    wait_for(1);
    deliver(spec("third"), parcel("y"));
    world_.wait_for_inside(9);
    world_.set_open(true);
    wait_for(22);
    EXPECT_EQ(world_.most_inside, 9u);
}

TEST_F(OutsideTargetsTest, no_more_are_begun_than_a_target_takes) {
    in_parallel_ = true;
    world_.open = false;
    for (Offset i = 0; i < 10; ++i) deliver(spec("one"), parcel("x", i));
    EXPECT_EQ(world_.most_inside, 3u);
    world_.open = true;
    parallel_->answer_all();
    wait_for(10);
    EXPECT_EQ(world_.most_inside, 3u);
}

TEST_F(OutsideTargetsTest, another_url_is_another_target) {
    in_parallel_ = true;  // one target an outlet
    deliver(spec("one"), parcel("x"));
    wait_for(1);
    deliver(spec("one"), parcel("x"));
    wait_for(2);
    EXPECT_EQ(world_.targets, 1u);
    deliver(spec("one", "http://other/"), parcel("x"));
    wait_for(3);
    EXPECT_EQ(world_.targets, 2u);
}

TEST_F(OutsideTargetsTest, stopping_answers_everything) {
    world_.set_open(false);
    for (Offset i = 0; i < 20; ++i) deliver(spec("slow"), parcel("x", i));
    world_.wait_for_inside(8);
    std::thread stopping([this] { outside_.stop(); });
    wait_for(12);  // those that had not begun
    world_.set_open(true);
    stopping.join();
    wait_for(20);
    deliver(spec("slow"), parcel("x"));
    wait_for(21);
    EXPECT_EQ(receipts_.back().end, End::unreachable);
}

// The rule of runs, on the address that is connected to: what `apply` could not see is refused here.
TEST(OpenOutsideTarget, private_addresses_are_refused_and_loopback_is_not) {
    const auto clock = os::make_real_clock();
    const auto fs = os::make_real_file_system();
    const std::string directory = state::fresh_directory();
    ASSERT_TRUE(fs->make_directories(directory));
    const auto catalog = state::must(catalog::Catalog::open(directory + "/catalog.db", {.sync = false}));
    const auto declare = [&](const std::string& name, const std::string& json) {
        const auto spec =
            state::must(replay::TargetSpec::from_json(name, *codec::Json::parse(json), directory));
        return catalog->put_document(
            {std::string(replay::target_document), name, clock->now(), spec.to_json()});
    };
    ASSERT_TRUE(declare("near", R"({"url":"http://127.0.0.1:1/","timeout":"5s"})"));
    ASSERT_TRUE(declare("program", R"({"exec":["cat"]})"));
    ASSERT_TRUE(declare("secretive", R"({"url":"http://127.0.0.1:1/","secret_file":"none"})"));
    std::mutex mutex;
    std::condition_variable came;
    std::optional<Receipt> last;
    OutsideTargets outside({.clock = *clock, .sender = "d", .open = [&](const auto& spec) {
                                return open_outside_target(*clock, *fs, *catalog, spec);
                            }});
    const auto error_of = [&](const std::string& target) {
        process::SubscriptionSpec spec;
        spec.name = spec.stream = "s";
        spec.target = target;
        last.reset();
        Parcel parcel{.position = {StreamId{4}, 0, 0}, .meta = R"("attributes":{})", .payload = "1"};
        outside.deliver(spec, std::move(parcel), [&](Receipt receipt) {
            const std::lock_guard lock(mutex);
            last = std::move(receipt);
            came.notify_all();
        });
        std::unique_lock lock(mutex);
        came.wait(lock, [&] { return last.has_value(); });
        EXPECT_EQ(last->end, End::unreachable) << target;
        return last->error;
    };
    EXPECT_THAT(error_of("http://10.0.0.1:1/"), testing::HasSubstr("10.0.0.1 is a private"));
    EXPECT_THAT(error_of("http://169.254.169.254/"), testing::HasSubstr("169.254.169.254 is a"));
    EXPECT_THAT(error_of("http://127.0.0.1:1/"), testing::HasSubstr("connect"));
    EXPECT_THAT(error_of("target:near"), testing::HasSubstr("connect"));
    EXPECT_THAT(error_of("target:program"), testing::HasSubstr("is a program"));
    EXPECT_THAT(error_of("target:nobody"), testing::HasSubstr("there is no target nobody"));
    EXPECT_THAT(error_of("target:secretive"), testing::HasSubstr("none"));
    outside.stop();
    std::filesystem::remove_all(directory);
}

TEST(CheckOutsideTarget, follows_the_rules_of_replays) {
    process::SubscriptionSpec spec;
    spec.name = "s";
    for (const char* good :
         {"http://127.0.0.1:8080/in", "https://h/p?q=1", "null:", "target:t", "http://[::1]:1/"}) {
        spec.target = good;
        EXPECT_TRUE(check_outside_target(spec)) << good;
    }
    for (const char* bad : {"http://", "http://u:p@h/", "http://h:0/", "http://h/#a", "http://h/%zz",
                            "http://10.0.0.1/", "http://169.254.169.254/latest"}) {
        spec.target = bad;
        const Status checked = check_outside_target(spec);
        ASSERT_FALSE(checked) << bad;
        EXPECT_EQ(checked.error().code, Code::bad_config);
        EXPECT_THAT(checked.error().message, testing::HasSubstr("subscription s: to: "));
    }
}

}  // namespace
}  // namespace tarn::server
