#include "server/jobs.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace tarn::server {
namespace {

class JobsTest : public testing::Test {
protected:
    void SetUp() override {
        path_ = testing::TempDir() + "tarn-jobs-" + std::to_string(clock_->monotonic_us()) + ".db";
        auto catalog = catalog::Catalog::open(path_, {.sync = false});
        ASSERT_TRUE(catalog) << catalog.error().text();
        catalog_ = std::move(*catalog);
        jobs_ = std::make_unique<Jobs>(*catalog_, *clock_);
    }
    void TearDown() override {
        jobs_.reset();
        catalog_.reset();
        std::filesystem::remove(path_);
    }
    std::string start(JobBody body) { return *jobs_->start("run", "rn-1", std::move(body)); }
    std::string state_of(const std::string& id) { return (*jobs_->show(id))["state"].as_string(); }
    std::string ended_state_of(const std::string& id) {
        while (state_of(id) == "running") clock_->sleep_us(100);
        return state_of(id);
    }
    static JobBody quick() {
        return [](const JobContext&) -> Result<JobEnd> { return JobEnd{}; };
    }

    std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::string path_;
    std::unique_ptr<catalog::Catalog> catalog_;
    std::unique_ptr<Jobs> jobs_;
};

TEST_F(JobsTest, AJobSaysHowItEnded) {
    EXPECT_EQ(ended_state_of(start(quick())), "finished");
    EXPECT_EQ(ended_state_of(start([](const JobContext&) -> Result<JobEnd> { return JobEnd{{}, true}; })),
              "stopped");
    EXPECT_EQ(
        ended_state_of(start([](const JobContext&) -> Result<JobEnd> { return fail(Code::io_failed, "x"); })),
        "failed");
    EXPECT_EQ(ended_state_of(
                  start([](const JobContext&) -> Result<JobEnd> { return fail(Code::interrupted, "x"); })),
              "interrupted");
}

TEST_F(JobsTest, OneThatRunsIsStoppedAndOneThatEndedIsNot) {
    const std::string id = start([this](const JobContext& job) -> Result<JobEnd> {
        while (!job.stop) clock_->sleep_us(100);
        return JobEnd{{}, true};
    });
    EXPECT_EQ(jobs_->running_on("rn-1"), id);
    ASSERT_TRUE(jobs_->cancel(id));
    EXPECT_EQ(ended_state_of(id), "stopped");
    EXPECT_EQ(jobs_->running_on("rn-1"), "");
    EXPECT_EQ(jobs_->cancel(id).error().code, Code::run_state);
    EXPECT_EQ(jobs_->cancel("jb-99").error().code, Code::unknown_job);
}

TEST_F(JobsTest, TheNewestRunningOneIsFoundBeyondTen) {
    for (int i = 0; i < 8; ++i) ended_state_of(start(quick()));
    const JobBody until_stopped = [this](const JobContext& job) -> Result<JobEnd> {
        while (!job.stop) clock_->sleep_us(100);
        return JobEnd{};
    };
    EXPECT_EQ(start(until_stopped), "jb-9");
    EXPECT_EQ(start(until_stopped), "jb-10");
    EXPECT_EQ(jobs_->running_on("rn-1"), "jb-10");
}

TEST_F(JobsTest, TheOldestAreForgotten) {
    for (int i = 0; i < 2100; ++i) start(quick());
    jobs_->stop_all();
    const std::size_t kept = catalog_->documents("job")->size();
    EXPECT_GE(kept, 1000u);
    EXPECT_LE(kept, 2000u);
    EXPECT_EQ(jobs_->show("jb-1").error().code, Code::unknown_job);
    EXPECT_EQ(state_of("jb-2100"), "finished");
    EXPECT_EQ((*jobs_->list())["items"].elements().front()["job"].as_string(), "jb-2100");
}

}  // namespace
}  // namespace tarn::server
