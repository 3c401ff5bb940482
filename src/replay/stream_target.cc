// Appends to a stream exactly once: the origin of each batch is the run and the manifest place behind its
// last event, which the log remembers. Batches may be cut differently after a crash, so the first one a
// session sends is a single event: its answer tells how far the stream had got.
#include <fmt/core.h>

#include "replay/targets.h"

namespace tarn::replay {
namespace {

// The stream refuses this event, not the connection to it.
bool is_of_the_event(const Error& error) {
    return error.kind == ErrorKind::invalid || error.kind == ErrorKind::too_large;
}

class StreamTarget final : public Target {
public:
    StreamTarget(StreamAppend append, std::string stream, TargetRun run)
        : append_(std::move(append)), stream_(std::move(stream)), run_(std::move(run)) {}

    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        std::vector<Sent> answers;
        while (answers.size() < batch.size()) {
            // Everything the stream has of this run was settled as acknowledged up to there: failures are
            // recorded in the ledger before anything later is sent.
            if (batch[answers.size()].index < stored_before_) {
                answers.emplace_back();
                continue;
            }
            const std::size_t count = probed_ ? batch.size() - answers.size() : 1;
            const std::vector<Outgoing> part(
                batch.begin() + static_cast<std::ptrdiff_t>(answers.size()),
                batch.begin() + static_cast<std::ptrdiff_t>(answers.size() + count));
            TARN_ASSIGN(const bool went_on, append_part(part, answers));
            if (!went_on) break;
        }
        return answers;
    }

    Status flush() override { return {}; }  // an append answers when it is durable
    std::size_t max_batch() const override { return 1000; }

private:
    // false: the last answer is a failure, and the caller must stop there.
    Result<bool> append_part(const std::vector<Outgoing>& part, std::vector<Sent>& answers) {
        const log::Origin origin{.producer = "run:" + run_.run, .sequence = part.back().index + 1};
        const Result<log::Appended> appended = append_(stream_, part, origin, run_.run);
        if (appended) {
            probed_ = true;
            if (appended->repeated) stored_before_ = std::max(stored_before_, appended->origin_sequence);
            answers.insert(answers.end(), part.size(), Sent{});
            return true;
        }
        if (!is_of_the_event(appended.error())) return fail(appended.error());
        if (part.size() > 1) return append_singly(part, answers);
        answers.push_back({Delivery::failed, appended.error().message});
        return false;
    }

    // A batch is taken whole or not at all; one bad event must not fail its neighbours.
    Result<bool> append_singly(const std::vector<Outgoing>& part, std::vector<Sent>& answers) {
        for (const Outgoing& outgoing : part) {
            TARN_ASSIGN(const bool went_on, append_part({outgoing}, answers));
            if (!went_on) return false;
        }
        return true;
    }

    StreamAppend append_;
    std::string stream_;
    TargetRun run_;
    bool probed_ = false;
    std::uint64_t stored_before_ = 0;
};

}  // namespace

std::unique_ptr<Target> make_stream_target(StreamAppend append, std::string stream, TargetRun run) {
    return std::make_unique<StreamTarget>(std::move(append), std::move(stream), std::move(run));
}

}  // namespace tarn::replay
