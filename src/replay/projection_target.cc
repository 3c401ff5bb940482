// Applies events through projections. The store remembers what was applied in the same transaction, so that
// an event that comes again after a crash is skipped there: its effect is exactly once whatever the ledger
// knew.
#include "replay/targets.h"

namespace tarn::replay {
namespace {

class ProjectionTarget final : public Target {
public:
    ProjectionTarget(std::vector<FeederTarget> feeders, bool copy_begins_before)
        : feeders_(std::move(feeders)), copy_begins_before_(copy_begins_before) {}

    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        // An error rolls back everything since the last commit, so that no later flush may vouch for it.
        broken_ = true;
        std::vector<Took> took(batch.size());
        std::size_t end = batch.size();
        for (FeederTarget& feeder : feeders_) {
            TARN_ASSIGN(end, apply(feeder, batch, end, took));
            // Two open transactions on one store would wait for each other.
            if (feeders_.size() > 1) TARN_TRY(feeder.applier->commit());
        }
        std::vector<Sent> answers;
        for (std::size_t i = 0; i < end; ++i) answers.push_back(answer(took[i]));
        broken_ = false;
        return answers;
    }

    Status flush() override {
        if (broken_)
            return fail(Code::store_failed,
                        "the store's transaction was rolled back: its events are sent again",
                        {.next = "tarn replay resume RUN"});
        for (FeederTarget& feeder : feeders_) TARN_TRY(feeder.applier->commit());
        return {};
    }

    std::size_t max_batch() const override { return 1000; }

private:
    struct Took {
        bool applied = false, before = false;
        std::string error;
    };

    // Returns one past the last event that has an answer: behind a failure nothing more is applied.
    static Result<std::size_t> apply(FeederTarget& feeder, const std::vector<Outgoing>& batch,
                                     std::size_t end, std::vector<Took>& took) {
        for (std::size_t i = 0; i < end; ++i) {
            if (batch[i].event.position.stream != feeder.stream) continue;
            TARN_ASSIGN(state::Applied applied, feeder.applier->apply(batch[i].event));
            took[i].applied |= applied.outcome == state::Outcome::applied;
            took[i].before |= applied.outcome == state::Outcome::skipped;
            if (applied.outcome != state::Outcome::failed) continue;
            took[i].error = feeder.name + ": " + applied.error;
            return i + 1;
        }
        return end;
    }

    Sent answer(const Took& took) const {
        if (!took.error.empty()) return {Delivery::failed, took.error};
        if (took.applied || (took.before && copy_begins_before_)) return {};
        return {Delivery::skipped, took.before ? "applied before" : "no pattern of the projection takes it"};
    }

    std::vector<FeederTarget> feeders_;
    bool copy_begins_before_;
    bool broken_ = false;
};

}  // namespace

std::unique_ptr<Target> make_projection_target(std::vector<FeederTarget> feeders, bool copy_begins_before) {
    return std::make_unique<ProjectionTarget>(std::move(feeders), copy_begins_before);
}

}  // namespace tarn::replay
