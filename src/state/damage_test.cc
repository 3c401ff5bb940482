// A damaged store: found, said, kept beside, built again; the others go on meanwhile.
#include "state/damage.h"

#include <algorithm>

#include "state/state_fixture.h"

namespace tarn::state {
namespace {

class Damage : public Bank {
protected:
    std::string live(const std::string& store = "accounts") const {
        return fmt::format("{}/stores/{}/live.db", directory, store);
    }
    void overwrite(const std::string& path, const std::string& bytes) {
        must(os::write_file_durably(*fs, path, bytes));
    }
    std::string bytes_of(const std::string& path) { return must(os::read_file(*fs, path)); }

    // Deposits and withdrawals of some accounts, a second store, and a snapshot half-way.
    void fill() {
        declare();
        must(state->declare_store("others"));
        auto other = balances("others");
        other.name = "other";
        must(state->declare_projection(other));
        os::SeededRng rng(7);
        add_random(60, rng);
        must(state->catch_up());
        first = must(state->create_snapshot("accounts"));
        add_random(60, rng);
        must(state->catch_up());
        second = must(state->create_snapshot("accounts"));
        add_random(30, rng);
        must(state->catch_up());
    }

    Error error_of_query() {
        const auto answer = state->query("accounts", "SELECT * FROM balance");
        return answer ? make_error(Code::internal, "the query answered") : answer.error();
    }

    // As it is offered to people, and the state is whole afterwards.
    RestoreResult restore_now() {
        auto result =
            must(state->restore("accounts", {.time = Time{INT64_MAX}, .position = {}, .snapshot = {}}, {}));
        EXPECT_EQ(rows("accounts"), expected(lake->events.size()));
        must(state->set_paused("accounts", false));
        add("deposit", "A1", "5.00");
        must(state->catch_up());
        EXPECT_EQ(rows("accounts"), expected(lake->events.size()));
        return result;
    }

    SnapshotInfo first, second;
};

TEST_F(Damage, IsSaidWithPlaceAndNextCommandAndOthersGoOn) {
    fill();
    overwrite(live(), "this is not a database at all, it is some text that somebody put here by mistake");
    reopen();
    add("deposit", "A1", "5.00");
    const auto fed = state->catch_up();
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, Code::store_damaged);
    EXPECT_EQ(rows("others"), expected(lake->events.size()));
    const auto error = error_of_query();
    EXPECT_EQ(error.code, Code::store_damaged);
    EXPECT_NE(error.message.find("store accounts is damaged"), std::string::npos) << error.message;
    EXPECT_TRUE(error.place.source.ends_with("stores/accounts/live.db")) << error.place.source;
    EXPECT_EQ(error.next, "tarn store restore accounts --to now");
    EXPECT_EQ(state->create_snapshot("accounts").error().code, Code::store_damaged);
    EXPECT_EQ(state->diff("accounts", "snapshot:sn-1", {}).error().code, Code::store_damaged);
    EXPECT_EQ(state->applier("accounts", "balances").error().code, Code::store_damaged);
    EXPECT_EQ(state->make_copy("accounts", "x", "live").error().code, Code::store_damaged);
    const auto stores = must(state->stores());
    ASSERT_EQ(stores.size(), 2u);
    EXPECT_NE(stores[0].damage, "");
    EXPECT_EQ(stores[1].damage, "");
}

TEST_F(Damage, RestoreInPlaceKeepsTheDamagedFile) {
    fill();
    state.reset();
    const std::string garbage(5000, 'x');
    overwrite(live(), garbage);
    reopen();
    const auto result = restore_now();
    EXPECT_EQ(result.base, second.id);
    EXPECT_EQ(result.replaced->safety_snapshot, "");
    EXPECT_EQ(bytes_of(result.replaced->moved_aside), garbage);
    // A second time it gets another name.
    overwrite(live(), garbage);
    reopen();
    EXPECT_NE(restore_now().replaced->moved_aside, result.replaced->moved_aside);
}

TEST_F(Damage, AMissingOrEmptyFileIsNotSilentlyMadeAgain) {
    for (const bool empty : {false, true}) {
        SCOPED_TRACE(empty);
        if (!empty) fill();
        state.reset();
        must(remove_database(*fs, live()));
        if (empty) overwrite(live(), "");
        reopen();
        EXPECT_EQ(state->catch_up().error().code, Code::store_damaged);
        EXPECT_EQ(error_of_query().code, Code::store_damaged);
        const auto result = restore_now();
        EXPECT_EQ(result.replaced->moved_aside.empty(), !empty);
    }
}

TEST_F(Damage, AFileReplacedWhileItIsOpenIsNoticed) {
    fill();
    must(remove_database(*fs, live()));
    add("deposit", "A1", "5.00");
    EXPECT_EQ(state->catch_up().error().code, Code::store_damaged);
    (void)restore_now();
}

TEST_F(Damage, ADamagedSnapshotIsPassedOverForTheOneBefore) {
    fill();
    overwrite(fmt::format("{}/lake/{}", directory, second.object), "nothing");
    auto result =
        must(state->restore("accounts", {.time = clock.now(), .position = {}, .snapshot = {}}, "now"));
    EXPECT_EQ(result.base, first.id);
    EXPECT_EQ(result.damaged_snapshots, std::vector<std::string>{second.id});
    EXPECT_EQ(rows("accounts@now"), expected(lake->events.size() - 1));

    // Asked for by name: the same state, from the one before.
    result = must(state->restore("accounts", {.time = {}, .position = {}, .snapshot = second.id}, "second"));
    EXPECT_EQ(result.base, first.id);
    EXPECT_EQ(result.damaged_snapshots, std::vector<std::string>{second.id});
    EXPECT_EQ(rows("accounts@second"), expected(120));

    must(fs->remove(fmt::format("{}/lake/{}", directory, first.object)));
    result = must(state->restore("accounts", {.time = {}, .position = {}, .snapshot = second.id}, "third"));
    EXPECT_EQ(result.base, "empty");
    EXPECT_EQ(rows("accounts@third"), expected(120));
}

TEST_F(Damage, WithoutItsEventsADamagedSnapshotIsAnError) {
    fill();
    overwrite(fmt::format("{}/lake/{}", directory, second.object), "nothing");
    must(catalog->delete_stream(stream));
    must(catalog->create_stream("bank", {.partitions = 4}, clock.now()));
    const auto result = state->restore("accounts", {.time = {}, .position = {}, .snapshot = second.id}, "x");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::snapshot_damaged);
}

TEST_F(Damage, PromotingOverADamagedStoreKeepsItsFile) {
    fill();
    state.reset();
    overwrite(live(), "garbage");
    reopen();
    must(state->restore("accounts", {.time = Time{INT64_MAX}, .position = {}, .snapshot = {}}, "fix"));
    const auto replaced = must(state->promote_copy("accounts@fix"));
    EXPECT_EQ(replaced.safety_snapshot, "");
    EXPECT_EQ(bytes_of(replaced.moved_aside), "garbage");
    must(state->catch_up());
    EXPECT_EQ(rows("accounts"), expected(lake->events.size()));
}

TEST_F(Damage, ADamagedStoreGivesNoSnapshot) {
    fill();
    state.reset();
    auto bytes = bytes_of(live());
    ASSERT_GT(bytes.size(), 8192u);
    std::fill(bytes.end() - 3000, bytes.end(), '\xa5');  // the last page: the header stays good
    overwrite(live(), bytes);
    reopen();
    const auto before = must(state->snapshots()).size();
    EXPECT_EQ(state->create_snapshot("accounts").error().code, Code::store_damaged);
    EXPECT_EQ(must(state->snapshots()).size(), before);
    (void)restore_now();
}

// Whatever happens to the bytes, nothing but damage is said, and restore in place gives the whole state back.
TEST_F(Damage, AnyDamageCanBeRestored) {
    fill();
    os::SeededRng rng(11);
    for (int round = 0; round < 40; round++) {
        SCOPED_TRACE(round);
        state.reset();
        auto bytes = bytes_of(live());
        const auto at = rng.below(bytes.size());
        switch (rng.below(4)) {
            case 0:
                bytes.resize(at);
                break;
            case 1:
                for (auto i = at; i < std::min<std::size_t>(bytes.size(), at + 4096); i++)
                    bytes[i] = static_cast<char>(rng.below(256));
                break;
            case 2:
                std::fill(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), '\0');
                break;
            default:
                bytes.insert(at, "\n");
        }
        overwrite(live(), bytes);
        reopen();
        add("deposit", "A1", "5.00");
        const auto fed = state->catch_up();
        if (!fed) {
            EXPECT_EQ(fed.error().code, Code::store_damaged) << fed.error().text();
        }
        const auto answer = state->query("accounts", "SELECT * FROM balance");
        if (!answer) {
            EXPECT_EQ(answer.error().code, Code::store_damaged) << answer.error().text();
        }
        EXPECT_EQ(rows("others"), expected(lake->events.size()));
        (void)restore_now();
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace tarn::state
