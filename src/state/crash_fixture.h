// What tests of power cuts stand on: a world whose catalog, stores and objects are all on one simulated disk,
// and a cut at every call that changes the disk. Only the events are made up: the log has tests of its own.
#pragma once

#include <gtest/gtest.h>

#include <set>

#include "os/sim_file_system.h"
#include "sqlite/file_system_vfs.h"
#include "state/outside_feeders.h"
#include "state/state_fixture.h"
#include "state/store_file.h"

namespace tarn::state {

// After every call that changes the disk the power is cut, in several ways, and `check` looks at what a disk
// may hold then. Stops at the first failure.
class PowerCuts {
public:
    using Check = std::function<void(os::SimFileSystem& disk)>;

    // `ways`: how many disks a cut leaves, the first of them without anything that was not synced. More after
    // a change of names, because few calls make one and their order on the disk is free.
    PowerCuts(os::SimFileSystem& fs, std::uint64_t ways, Check check) : fs_(fs), check_(std::move(check)) {
        fs.after_call([this, ways] {
            const std::uint64_t here = is_of_names(fs_.trace().back()) ? 5 * ways : ways;
            for (std::uint64_t way = 0; way < here && !testing::Test::HasFailure(); ++way) cut(way);
        });
    }
    ~PowerCuts() { fs_.after_call({}); }
    PowerCuts(const PowerCuts&) = delete;
    PowerCuts& operator=(const PowerCuts&) = delete;

    int count() const { return count_; }

private:
    static bool is_of_names(std::string_view call) {
        return call.starts_with("rename ") || call.starts_with("remove ") || call.starts_with("link ");
    }
    void cut(std::uint64_t way) {
        using Keep = os::CrashPlan::Keep;
        const os::CrashPlan plan{.seed = fs_.calls() * 1000 + way,
                                 .keep = way == 0 ? Keep::nothing : Keep::any};
        const auto disk = fs_.crash(plan);
        SCOPED_TRACE(fmt::format("cut after call {} ({}), way {}", fs_.calls(), fs_.trace().back(), way));
        try {
            check_(*disk);
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        ++count_;
    }

    os::SimFileSystem& fs_;
    const Check check_;
    int count_ = 0;
};

// The subscription "ledger", whose function feeds the store "counted"; its record is a file of its own.
class FileLedger final : public OutsideFeeders {
public:
    explicit FileLedger(os::FileSystem& fs) : fs_(fs) {}

    FeederPosition stands() { return must(FeederPosition::from_json(record()["position"])); }
    void put(const FeederPosition& position) {
        must(place(codec::Json::object({{"paused", false}, {"position", position.to_json()}})));
    }

    Result<std::vector<std::string>> feeders_of(const std::string& store) override {
        return store == "counted" ? std::vector<std::string>{"ledger"} : std::vector<std::string>();
    }
    Result<std::shared_ptr<void>> quiesce(const std::string&) override { return std::make_shared<int>(); }
    Result<std::shared_ptr<void>> end_programs(const std::string&) override {
        return std::make_shared<int>();
    }
    Result<std::vector<FeederPosition>> positions(const std::string&) override {
        return std::vector{stands()};
    }
    Result<bool> is_paused(const std::string&) override { return record()["paused"].as_bool(); }
    Status set_paused(const std::string&, bool paused) override {
        return place(codec::Json::object({{"paused", paused}, {"position", stands().to_json()}}));
    }
    Result<codec::Json> plan_placement(const std::string&, const std::vector<FeederPosition>& positions,
                                       bool paused) override {
        return codec::Json::object({{"paused", paused}, {"position", positions.at(0).to_json()}});
    }
    Status place(const codec::Json& plan) override {
        return os::write_file_durably(fs_, "ledger", plan.dump());
    }

private:
    codec::Json record() { return must(codec::Json::parse(must(os::read_file(fs_, "ledger")))); }
    os::FileSystem& fs_;
};

// A server's catalog, objects and stores on `fs`, opened as after a start.
class World {
public:
    // `events`: of stream 1, all that have ever been captured.
    World(os::FileSystem& file_system, std::vector<BankEvent> events) : fs(file_system) {
        catalog = must(catalog::Catalog::open("catalog.db", {.vfs = vfs.name()}));
        objects = objects::make_local_object_store(fs, "lake");
        lake = std::make_unique<VectorLake>(*catalog, *objects, fs);
        lake->events = std::move(events);
        open();
    }
    ~World() { state.reset(); }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // As a new process would.
    void open() {
        state.reset();
        state = must(State::open({*catalog, *lake, clock, fs, "stores", &ledger, vfs.name()}));
        must(state->finish_replacements());
    }

    // How many events of the stream are in the store or copy: exactly the first so many, each once. Throws
    // when it is anything else.
    std::size_t folded(const std::string& name = "accounts") {
        const auto info = must(state->store(name));
        if (info.positions.empty() &&
            must(state->query(name, "SELECT 1 FROM sqlite_schema WHERE name = 'seen'")).rows.empty())
            return 0;
        const std::size_t count = info.positions.empty() ? 0 : info.positions[0].sequence - 1;
        expect_whole(name);
        expect_rows(name, count);
        return count;
    }
    // SQLite finds nothing wrong with the file.
    void expect_whole(const std::string& name) {
        const auto at = name.find('@');
        const std::string file =
            at == std::string::npos ? "live.db" : fmt::format("copy-{}.db", name.substr(at + 1));
        auto database =
            must(open_store_reader(fmt::format("stores/{}/{}", name.substr(0, at), file), vfs.name()));
        const auto problems = must(sqlite::integrity_problems(database));
        if (!problems.empty()) throw std::runtime_error(fmt::format("{}: {}", name, problems[0]));
    }
    // That the rows are those of the first `count` events.
    void expect_rows(const std::string& name, std::size_t count) {
        std::vector<std::string> expected;
        std::map<std::string, std::uint64_t> sums;
        for (std::size_t i = 0; i < count; ++i) {
            const BankEvent& event = lake->events.at(i);
            if (event.meta.find("\"deposit\"") == std::string::npos) continue;
            expected.push_back(fmt::format("{}x1", event.sequence));
            sums[account_of(event)] += event.sequence;
        }
        std::vector<std::string> expected_sums;
        for (const auto& [account, sum] : sums) expected_sums.push_back(fmt::format("{}={}", account, sum));
        if (column(name, "SELECT n||'x'||times FROM seen ORDER BY n") != expected)
            throw std::runtime_error(fmt::format("{}: not each of the first {} events once", name, count));
        if (column(name, "SELECT account||'='||sum FROM balance ORDER BY account") != expected_sums)
            throw std::runtime_error(fmt::format("{}: sums that differ from its events", name));
    }
    std::vector<std::string> column(const std::string& name, const std::string& sql) {
        std::vector<std::string> values;
        for (const auto& row : must(state->query(name, sql)).rows) values.push_back(row.at(0).as_string());
        return values;
    }

    static std::string account_of(const BankEvent& event) { return fmt::format("A{}", event.sequence % 4); }
    // Every fifth is none of the projection's.
    static std::vector<BankEvent> make_events(std::size_t count) {
        std::vector<BankEvent> events;
        for (std::size_t i = 1; i <= count; ++i) {
            BankEvent event;
            event.position = {StreamId{1}, 0, i - 1};
            event.sequence = i;
            event.ingested = Time{static_cast<std::int64_t>(i) * 1'000'000};
            event.meta = fmt::format(R"("key":"{}","attributes":{{"type":"{}"}})", account_of(event),
                                     i % 5 == 0 ? "noise" : "deposit");
            event.payload = fmt::format(R"({{"N":{}}})", i);
            events.push_back(std::move(event));
        }
        return events;
    }
    static ProjectionSpec projection() {
        ProjectionSpec spec;
        spec.name = "balances";
        spec.stream = "bank";
        spec.store = "accounts";
        spec.schema =
            "CREATE TABLE seen(n INTEGER PRIMARY KEY, times INTEGER NOT NULL); "
            "CREATE TABLE balance(account TEXT PRIMARY KEY, sum INTEGER NOT NULL)";
        spec.on = {
            {R"({"type":["deposit"]})",
             {"INSERT INTO seen VALUES (:data ->> 'N', 1) ON CONFLICT(n) DO UPDATE SET times = times + 1",
              "INSERT INTO balance VALUES (:key, :data ->> 'N') "
              "ON CONFLICT(account) DO UPDATE SET sum = sum + excluded.sum"}}};
        return spec;
    }
    void declare() {
        must(catalog->create_stream("bank", {}, clock.now()));
        must(state->declare_store("accounts"));
        must(state->declare_projection(projection()));
    }

    os::FileSystem& fs;
    sqlite::FileSystemVfs vfs{fs};
    os::SimClock clock;
    FileLedger ledger{fs};
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<objects::ObjectStore> objects;
    std::unique_ptr<VectorLake> lake;
    std::unique_ptr<State> state;
};

}  // namespace tarn::state
