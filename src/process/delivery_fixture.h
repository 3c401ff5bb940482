// What tests of delivery stand on: a made-up stream over real files, and a function host that leaves only
// invoke() open.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "catalog/catalog.h"
#include "os/clock.h"
#include "os/rng.h"
#include "process/processes.h"
#include "state/state_fixture.h"

namespace tarn::process {

class BareHost : public functions::FunctionHost {
public:
    Status declare(const functions::FunctionSpec&, const std::string&) override { return {}; }
    void recall(std::string_view) override {}
    std::shared_ptr<void> suspend(std::string_view) override { return {}; }
    void remove(std::string_view) override {}
    std::vector<functions::FunctionStatus> list() override { return {}; }
    std::optional<functions::FunctionStatus> find(std::string_view) override { return std::nullopt; }
    std::vector<functions::LogLine> logs(std::string_view, const functions::LogSelection&) override {
        return {};
    }
};

class DeliveryTest : public testing::Test {
protected:
    DeliveryTest() {
        fs_ = os::make_real_file_system();
        must(fs_->make_directories(directory_));
        catalog_ = must(catalog::Catalog::open(directory_ + "/catalog.db", {.sync = false}));
        stream_ = must(catalog_->create_stream("bank", {}, clock_->now())).id;
        store_ = objects::make_local_object_store(*fs_, directory_ + "/lake");
        lake_ = std::make_unique<state::VectorLake>(*catalog_, *store_, *fs_);
        spec_ = {.name = "s", .stream = "bank", .function = "f", .shape = event::Shape::payload};
    }
    ~DeliveryTest() override {
        processes_.reset();
        std::filesystem::remove_all(directory_);
    }

    // The next event: its payload is its number, 1 and up.
    void add(const std::string& key) {
        const std::size_t number = lake_->size();
        lake_->add(
            {.position = {stream_, 0, number},
             .sequence = number + 1,
             .ingested = Time{1},
             .meta = key.empty() ? R"("attributes":{})" : fmt::format(R"("key":"{}","attributes":{{}})", key),
             .payload = std::to_string(number + 1)});
    }
    void open(functions::FunctionHost& host, std::size_t concurrency) {
        processes_.reset();
        Processes::Parts parts{
            *lake_, [this] { return lake_->size() + 1; }, host, *clock_, *rng_, directory_ + "/process.db"};
        parts.concurrency = concurrency;
        parts.bell = bell_;
        parts.deliver = deliver_;
        processes_ = must(Processes::open(std::move(parts)));
        must(processes_->declare(spec_, 1));
        processes_->start();
    }
    SubscriptionStatus status() { return must(processes_->find("s")); }
    void wait_until_idle() {
        while (!must(processes_->idleness()).idle) std::this_thread::yield();
    }

    static void must(const Status& status) {
        if (!status) throw std::runtime_error(status.error().text());
    }
    template <typename T>
    static T must(Result<T> result) {
        return state::must(std::move(result));
    }

    const std::string directory_ = state::fresh_directory();
    std::unique_ptr<os::FileSystem> fs_;
    std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::unique_ptr<os::Rng> rng_ = os::make_real_rng();
    std::unique_ptr<catalog::Catalog> catalog_;
    std::unique_ptr<objects::ObjectStore> store_;
    std::unique_ptr<state::VectorLake> lake_;
    StreamId stream_;
    SubscriptionSpec spec_;
    Deliver deliver_;  // of `to: http://…`
    std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
    std::unique_ptr<Processes> processes_;
};

}  // namespace tarn::process
