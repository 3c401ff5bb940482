// A small bank for the tests of state: a stream of deposits and withdrawals in memory, the real catalog, real
// files, and a projection that keeps balances. Only the lake is made up, so that events can be added one by
// one.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "os/real_file_system.h"
#include "state/state.h"

namespace tarn::state {

struct BankEvent {
    Position position;
    Sequence sequence = 0;
    Time ingested;
    std::string meta, payload;

    event::StoredEvent stored() const {
        event::StoredEvent event;
        event.position = position;
        event.sequence = sequence;
        event.ingested = ingested;
        event.meta = meta;
        event.payload = payload;
        return event;
    }
};

class VectorScan final : public lake::Scan {
public:
    VectorScan(std::vector<BankEvent> events, std::optional<std::size_t> fail_at)
        : events_(std::move(events)), fail_at_(fail_at) {}
    Result<const event::StoredEvent*> next() override {
        if (fail_at_ && at_ >= *fail_at_) return fail(Code::object_corrupt, "made to fail");
        if (at_ == events_.size()) return nullptr;
        current_ = events_[at_++].stored();
        return &current_;
    }
    const lake::ScanCounts& counts() const override { return counts_; }

private:
    std::vector<BankEvent> events_;
    std::optional<std::size_t> fail_at_;
    std::size_t at_ = 0;
    event::StoredEvent current_;
    lake::ScanCounts counts_;
};

class VectorLake final : public lake::Lake {
public:
    VectorLake(catalog::Catalog& catalog, objects::ObjectStore& store, os::FileSystem& fs)
        : catalog_(catalog), store_(store), fs_(fs) {}

    std::vector<BankEvent> events;  // of all streams, by sequence from 1
    std::optional<std::size_t> fail_scan_at;
    std::atomic<std::size_t> scans = 0;

    // Where another thread reads at the same time.
    void add(BankEvent event) {
        const std::lock_guard lock(mutex_);
        events.push_back(std::move(event));
    }
    std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return events.size();
    }

    Result<lake::StreamView> view(std::string_view stream) override {
        TARN_ASSIGN(const auto info, catalog_.stream(stream));
        return view(info.id);
    }
    Result<lake::StreamView> view(StreamId stream) override {
        lake::StreamView view;
        view.stream = stream;
        view.tail.end_sequence = size() + 1;
        return view;
    }
    Result<std::unique_ptr<lake::Scan>> scan(lake::StreamView view, lake::ScanOptions options) override {
        ++scans;
        const std::lock_guard lock(mutex_);
        std::vector<BankEvent> chosen;
        for (const auto& event : events)
            if (event.position.stream == view.stream && event.sequence < view.tail.end_sequence &&
                event.sequence >= options.from_sequence && event.sequence < options.until_sequence)
                chosen.push_back(event);
        return std::make_unique<VectorScan>(std::move(chosen), fail_scan_at);
    }
    Result<lake::OwnedEvent> get(Position position) override {
        const std::lock_guard lock(mutex_);
        for (const auto& event : events) {
            if (event.position == position) return lake::OwnedEvent(event.stored());
        }
        return fail(Code::unknown_position, "no such event");
    }
    Result<lake::RollResult> roll(StreamId) override { return lake::RollResult{}; }
    Result<std::int64_t> roll_due() override { return 0; }
    Result<std::vector<lake::Finding>> check() override { return std::vector<lake::Finding>(); }
    objects::ObjectStore& store() override { return store_; }
    os::FileSystem& file_system() override { return fs_; }

private:
    mutable std::mutex mutex_;
    catalog::Catalog& catalog_;
    objects::ObjectStore& store_;
    os::FileSystem& fs_;
};

inline std::string fresh_directory() {
    static std::atomic<int> number{0};
    return fmt::format("{}tarn-state-{}-{}", testing::TempDir(), getpid(), ++number);
}

// Gives the value or fails the test with the error's text.
template <typename T>
T must(Result<T> result, const char* what = "") {
    if (!result)
        throw std::runtime_error(
            fmt::format("{} {} {}", what, result.error().text(), result.error().excerpt));
    return std::move(*result);
}
inline void must(Status status, const char* what = "") {
    if (!status)
        throw std::runtime_error(
            fmt::format("{} {} {}", what, status.error().text(), status.error().excerpt));
}

class Bank : public testing::Test {
protected:
    Bank() {
        must(fs->make_directories(directory));
        objects = objects::make_local_object_store(*fs, directory + "/lake");
        must(fs->make_directories(directory + "/lake"));
        catalog = must(catalog::Catalog::open(directory + "/catalog.db"));
        lake = std::make_unique<VectorLake>(*catalog, *objects, *fs);
        stream = must(catalog->create_stream("bank", {.partitions = 4}, clock.now())).id;
        reopen();
    }
    ~Bank() override {
        state.reset();
        lake.reset();
        catalog.reset();
        remove_all(directory);
    }

    // As a new process would: what was not committed is gone.
    void reopen() {
        state.reset();
        state = must(State::open({*catalog, *lake, clock, *fs, directory + "/stores"}));
    }

    void remove_all(const std::string& path) {
        const auto entries = fs->list(path);
        if (!entries) return;
        for (const auto& entry : *entries) {
            if (entry.is_directory)
                remove_all(path + "/" + entry.name);
            else
                (void)fs->remove(path + "/" + entry.name);
        }
        (void)::rmdir(path.c_str());
    }

    const BankEvent& add(const std::string& type, const std::string& account, const std::string& amount,
                         const std::string& more = "") {
        clock.advance_us(1'000'000);
        BankEvent event;
        event.position = {stream, static_cast<Partition>(std::hash<std::string>()(account) % 4), 0};
        event.position.offset = next_offset_[event.position.partition]++;
        event.sequence = lake->events.size() + 1;
        event.ingested = clock.now();
        event.meta =
            fmt::format(R"("key":"{}","attributes":{{"type":"{}","time":"2024-03-04T10:02:{:02}Z"{}}})",
                        account, type, event.sequence % 60, more);
        event.payload = fmt::format(R"({{"Account":"{}","Amount":"{}"}})", account, amount);
        lake->events.push_back(std::move(event));
        return lake->events.back();
    }
    void add_random(std::size_t count, os::Rng& rng) {
        static const char* types[] = {"deposit", "withdrawal", "noise"};
        for (std::size_t i = 0; i < count; i++)
            add(types[rng.below(3)], fmt::format("A{}", rng.below(7)),
                fmt::format("{}.{:02}", rng.below(100), rng.below(100)));
    }

    static ProjectionSpec balances(const std::string& store = "accounts") {
        ProjectionSpec spec;
        spec.name = "balances";
        spec.stream = "bank";
        spec.store = store;
        spec.schema =
            "CREATE TABLE balance(account TEXT PRIMARY KEY, n INTEGER NOT NULL, amount TEXT NOT NULL)";
        spec.on = {
            {R"({"type":["deposit"]})",
             {"INSERT INTO balance VALUES (:data ->> 'Account', 1, :data ->> 'Amount') "
              "ON CONFLICT(account) DO UPDATE SET n = n + 1, amount = decimal_add(amount, excluded.amount)"}},
            {R"({"type":["withdrawal"]})",
             {"INSERT INTO balance VALUES (:data ->> 'Account', 1, decimal_sub('0', :data ->> 'Amount')) "
              "ON CONFLICT(account) DO UPDATE SET n = n + 1, amount = decimal_add(amount, "
              "excluded.amount)"}}};
        return spec;
    }
    void declare() {
        must(state->declare_store("accounts"));
        must(state->declare_projection(balances()));
    }

    std::vector<std::string> rows(const std::string& store,
                                  const std::string& sql = "SELECT * FROM balance ORDER BY account") {
        std::vector<std::string> lines;
        for (const auto& row : must(state->query(store, sql)).rows) {
            std::string line;
            for (const auto& cell : row)
                line += (line.empty() ? "" : "|") + (cell.is_null() ? "NULL" : cell.as_string());
            lines.push_back(std::move(line));
        }
        return lines;
    }

    // The balances after the first `count` events, by plain arithmetic in cents.
    std::vector<std::string> expected(std::size_t count) const {
        std::map<std::string, std::pair<int, long>> balances;
        for (std::size_t i = 0; i < count; i++) {
            const auto& event = lake->events[i];
            const auto account = std::string(codec::unescape(*codec::find_member(event.payload, "Account")));
            const auto text = std::string(codec::unescape(*codec::find_member(event.payload, "Amount")));
            const bool deposit = event.meta.find("\"deposit\"") != std::string::npos;
            if (!deposit && event.meta.find("\"withdrawal\"") == std::string::npos) continue;
            std::string digits = text;
            std::erase(digits, '.');
            auto& [n, cents] = balances[account];
            n++;
            cents += (deposit ? 1 : -1) * std::stol(digits);
        }
        std::vector<std::string> lines;
        for (const auto& [account, balance] : balances) {
            const long cents = balance.second;
            lines.push_back(fmt::format("{}|{}|{}{}.{:02}", account, balance.first, cents < 0 ? "-" : "",
                                        std::abs(cents) / 100, std::abs(cents) % 100));
        }
        return lines;
    }

    FeederPosition position(const std::string& store = "accounts") {
        return must(state->store(store)).positions.at(0);
    }

    std::string directory = fresh_directory();
    std::unique_ptr<os::FileSystem> fs = os::make_real_file_system();
    os::SimClock clock;
    std::unique_ptr<objects::ObjectStore> objects;
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<VectorLake> lake;
    StreamId stream;
    std::unique_ptr<State> state;

private:
    std::map<Partition, Offset> next_offset_;
};

}  // namespace tarn::state
