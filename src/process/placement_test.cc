// Going back: a subscription is put to where an earlier state of its store stood, and from there on every
// event reaches that state once, in order.
#include "process/placement.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <thread>

#include "process/delivery_fixture.h"

namespace tarn::process {
namespace {

using functions::InvocationEnd;
using functions::InvocationResult;
using state::must;

// The function, and the store that it writes: the numbers of the events it took, in order.
class FoldingHost final : public BareHost {
public:
    std::set<std::uint64_t> refused;
    std::vector<std::uint64_t> state;
    std::mutex mutex;

    Status invoke(std::string_view, functions::Invocation invocation,
                  functions::InvocationDone done) override {
        InvocationResult result;
        {
            const std::lock_guard lock(mutex);
            const std::uint64_t number = std::stoull(invocation.payload);
            if (refused.contains(number)) {
                result.end = InvocationEnd::failed;
                result.error_type = "ValueError";
            } else {
                state.push_back(number);
            }
        }
        done(std::move(result));
        return {};
    }
};

class PlacementTest : public DeliveryTest {
protected:
    PlacementTest() { spec_.retries = {.max = 1, .first_us = 1, .longest_us = 1, .max_age_us = {}}; }
    ~PlacementTest() override { processes_.reset(); }  // before the host that it calls

    std::string key_of(std::uint64_t number) const {
        return number % 7 == 0 ? "" : fmt::format("k{}", number % 5);
    }
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) DeliveryTest::add(key_of(lake_->size() + 1));
        bell_->ring();
    }
    void open() { DeliveryTest::open(host_, 64); }
    void begin_anew() {
        processes_.reset();
        lake_->events.clear();
        host_.state.clear();
        host_.refused.clear();
        for (const char* suffix : {"", "-wal", "-shm"})
            std::filesystem::remove(directory_ + "/process.db" + suffix);
        open();
    }
    Counts counts() { return must(processes_->find("s")).counts; }
    void check_sum(const char* when) {
        const Counts now = counts();
        EXPECT_EQ(now.matched, now.delivered + now.pending + now.held + now.dead + now.discarded) << when;
    }
    // Some of the dead letters are discarded, some are cured and redriven.
    void treat_dead_letters(os::Rng& rng) {
        for (const DeadLetter& letter : must(processes_->dead({.subscription = "s"}, 1000))) {
            const auto choice = rng.below(3);
            if (choice == 0) {
                must(processes_->discard({letter}));
                discarded_.insert(letter.position.offset + 1);
            } else if (choice == 1) {
                host_.refused.erase(letter.position.offset + 1);
                must(processes_->redrive({letter}, 1, 0));
            }
            wait_until_idle();
        }
    }
    void refuse_some(os::Rng& rng) {
        for (std::size_t number = lake_->size() + 1; number <= lake_->size() + 40; ++number)
            if (rng.below(8) == 0) host_.refused.insert(number);
    }
    // Where it stands, and the state that the function has made until then.
    std::pair<state::FeederPosition, std::vector<std::uint64_t>> keep() {
        const auto quiet = must(processes_->quiesce("f", 60'000'000));
        auto position = must(processes_->position("s"));
        const std::lock_guard lock(host_.mutex);
        return {std::move(position), host_.state};
    }
    void place(const state::FeederPosition& position, std::vector<std::uint64_t> state) {
        const auto quiet = must(processes_->quiesce("f", 60'000'000));
        const auto planned = must(processes_->plan_placement("s", position));
        must(processes_->place({Placement::from_json(must(codec::Json::parse(planned.to_json().dump())))}));
        if (again_) must(processes_->place({planned}));
        {
            const std::lock_guard lock(host_.mutex);
            host_.state = std::move(state);
        }
        // While nothing is under way: what a stop cuts off is delivered again, which this host does not
        // notice.
        if (restart_) processes_->stop(0);
    }

    FoldingHost host_;
    std::set<std::uint64_t> discarded_;
    bool again_ = false, restart_ = false;
};

TEST_F(PlacementTest, from_an_earlier_state_every_event_arrives_once_and_in_order) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        begin_anew();
        discarded_.clear();
        again_ = seed % 3 == 0;
        restart_ = seed % 2 == 0;
        os::SeededRng rng(seed);
        refuse_some(rng);
        add(40);
        wait_until_idle();
        treat_dead_letters(rng);
        const auto [then, state_then] = keep();

        refuse_some(rng);
        add(40);
        wait_until_idle();
        treat_dead_letters(rng);
        check_sum("before");
        place(then, state_then);
        if (restart_) open();
        check_sum("placed");
        wait_until_idle();
        check_sum("delivered again");
        EXPECT_EQ(counts().delivered, host_.state.size()) << "seed " << seed;

        host_.refused.clear();
        while (counts().dead > 0) {
            must(processes_->redrive(must(processes_->dead({.subscription = "s"}, 1000)), 1, 0));
            wait_until_idle();
        }
        check_sum("all cured");
        std::set<std::uint64_t> expected;
        for (std::uint64_t number = 1; number <= 80; ++number)
            if (!discarded_.contains(number)) expected.insert(number);
        EXPECT_EQ(std::set(host_.state.begin(), host_.state.end()), expected) << "seed " << seed;
        EXPECT_EQ(host_.state.size(), expected.size()) << "none twice, seed " << seed;
        EXPECT_EQ(counts().discarded, discarded_.size()) << "seed " << seed;
        std::map<std::string, std::vector<std::uint64_t>> by_key;
        for (const std::uint64_t number : host_.state)
            if (!key_of(number).empty()) by_key[key_of(number)].push_back(number);
        for (const auto& [key, order] : by_key)
            EXPECT_TRUE(std::ranges::is_sorted(order)) << key << " seed " << seed;
    }
}

// A rebuilt state that holds more than was delivered here: nothing of it comes again, and what was dead is
// settled by it.
TEST_F(PlacementTest, a_state_that_is_ahead_is_not_fed_again) {
    begin_anew();
    host_.refused = {3};
    add(20);
    wait_until_idle();
    EXPECT_EQ(counts().dead, 1u);
    must(processes_->set_paused("s", true));
    add(10);
    const state::FeederPosition ahead{
        .feeder = "s",
        .stream = "bank",
        .stream_id = stream_,
        .sequence = 26,
        .next = {{0, 25}},
        .exceptions = {{stream_, 0, 27}}};  // and number 28, applied before its turn
    place(ahead, {});
    must(processes_->set_paused("s", false));
    wait_until_idle();
    EXPECT_EQ(host_.state, (std::vector<std::uint64_t>{26, 27, 29, 30}));
    EXPECT_EQ(counts().matched, 30u);
    EXPECT_EQ(counts().delivered, 30u);
    EXPECT_EQ(counts().dead + counts().held, 0u);
}

TEST_F(PlacementTest, quiesce_gives_up_and_lets_go_on) {
    class Stuck final : public functions::FunctionHost {
    public:
        functions::InvocationDone kept;
        Status declare(const functions::FunctionSpec&, const std::string&) override { return {}; }
        void recall(std::string_view) override {}
        std::shared_ptr<void> suspend(std::string_view) override { return {}; }
        void remove(std::string_view) override {}
        Status invoke(std::string_view, functions::Invocation, functions::InvocationDone done) override {
            kept = std::move(done);
            return {};
        }
        std::vector<functions::FunctionStatus> list() override { return {}; }
        std::optional<functions::FunctionStatus> find(std::string_view) override { return std::nullopt; }
        std::vector<functions::LogLine> logs(std::string_view, const functions::LogSelection&) override {
            return {};
        }
    } stuck;
    add(1);
    Processes::Parts parts{
        *lake_, [this] { return lake_->size() + 1; }, stuck, *clock_, *rng_, directory_ + "/process.db"};
    processes_ = must(Processes::open(std::move(parts)));
    must(processes_->declare({.name = "s", .stream = "bank", .function = "f"}, 1));
    processes_->start();
    while (must(processes_->find("s")).under_way == 0) std::this_thread::yield();
    const auto quiet = processes_->quiesce("f", 1000);
    ASSERT_FALSE(quiet);
    EXPECT_EQ(quiet.error().code, Code::store_busy);
    EXPECT_NE(quiet.error().next.find("tarn subscription pause s"), std::string::npos);
    stuck.kept({});
    const auto now = must(processes_->quiesce("f", 60'000'000));
    EXPECT_EQ(counts().delivered, 1u);
    processes_->stop(0);
}

}  // namespace
}  // namespace tarn::process
