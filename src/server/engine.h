// Everything that works on one data directory, put together: the layers below, in the order in which they
// stand on each other. Served over HTTP by `tarn up`, or held by a command for as long as it runs.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "capture/capture.h"
#include "lake/lake.h"
#include "os/rng.h"
#include "query/query.h"
#include "replay/replay.h"
#include "server/data_directory.h"
#include "server/jobs.h"
#include "server/processing.h"
#include "server/run_functions.h"
#include "server/store_feeders.h"
#include "state/state.h"

namespace tarn::server {

struct EngineOptions {
    std::string directory = "./tarn-data";
    std::string command = "tarn";  // for the owner record
    std::string program;           // the tarn binary, for query workers
    bool serving = false;          // keeps a spare query worker and background threads
};

// Thread-safe once open. Members are destroyed in reverse order.
class Engine {
public:
    static Result<std::unique_ptr<Engine>> open(EngineOptions options);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // Rolls and feeds projections in the background until stop_background (or destruction).
    void start_background();
    void stop_background();
    // What opening found that the owner should be told: a torn tail, damage. "" when all was well.
    std::string opening_note() const;
    // The first step of a shutdown: running queries end, and followers see it in stopping().
    void stop_answers() {
        stopping_ = true;
        query_->stop();
    }
    bool stopping() const { return stopping_; }
    const std::atomic<bool>& stop_flag() const { return stopping_; }
    // Feeds projections with all that is durable now. A damaged log feeds nothing: stores stay as they are.
    Status catch_up();
    // An event in the system stream. Failing to write it is reported, never ignored; but a damaged log takes
    // none, which opening_note has said.
    Status record(std::string_view type, std::string_view subject, const codec::Json& data);

    // From now on whatever rebuilds takes the letter's edited payload in the event's place. The same again
    // does nothing. docs/decisions/0009-corrections.md
    Status correct(const process::DeadLetter& letter);

    os::FileSystem& fs() { return *fs_; }
    os::Clock& clock() { return *clock_; }
    os::Rng& rng() { return *rng_; }
    DataDirectory& directory() { return *directory_; }
    catalog::Catalog& catalog() { return *catalog_; }
    log::Log& log() { return *log_; }
    lake::Lake& lake() { return *lake_; }
    capture::Capture& capture() { return *capture_; }
    state::State& state() { return *state_; }
    query::QueryService& query() { return *query_; }
    replay::Replay& replay() { return *replay_; }
    Jobs& jobs() { return *jobs_; }
    Processing& processing() { return *processing_; }
    bool serving() const { return options_.serving; }

private:
    Engine() = default;
    Status open_parts();
    Status open_log();
    Status finish_corrections();
    void append_derived(const process::DerivedEvent& derived, std::function<void(Status)> done);
    Status write_correction(const catalog::Document& document);
    Result<log::Appended> append_replayed(const std::string& stream,
                                          const std::vector<replay::Outgoing>& batch,
                                          const log::Origin& origin, const std::string& run);

    EngineOptions options_;
    std::atomic<bool> stopping_ = false;
    std::unique_ptr<os::FileSystem> fs_;
    std::unique_ptr<os::Clock> clock_;
    std::unique_ptr<os::Rng> rng_;
    std::unique_ptr<DataDirectory> directory_;
    std::unique_ptr<catalog::Catalog> catalog_;
    std::shared_ptr<process::Bell> bell_ = std::make_shared<process::Bell>();
    std::unique_ptr<log::Log> log_;
    std::unique_ptr<objects::ObjectStore> store_;
    std::unique_ptr<lake::Lake> lake_;
    std::unique_ptr<capture::Capture> capture_;
    std::unique_ptr<StoreFeeders> feeders_;
    std::unique_ptr<state::State> state_;
    std::unique_ptr<query::QueryService> query_;
    std::unique_ptr<RunFunctions> run_functions_;
    std::unique_ptr<replay::Replay> replay_;
    std::unique_ptr<Jobs> jobs_;
    std::unique_ptr<Processing> processing_;
    class Background;
    std::unique_ptr<Background> background_;
};

// data_missing when the catalog is gone from a directory that had one.
Status require_catalog(os::FileSystem& fs, const DataDirectory& directory);

}  // namespace tarn::server
