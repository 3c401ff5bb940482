// The serial face of targets that work on several events at once.
#include <condition_variable>
#include <mutex>

#include "replay/target.h"

namespace tarn::replay {
namespace {

// One attempt, waited for.
Result<Attempted> attempt(ParallelTarget& target, const Outgoing& outgoing) {
    std::mutex mutex;
    std::condition_variable came;
    std::optional<Result<Attempted>> answer;
    target.begin(outgoing, [&](Result<Attempted> result) {
        const std::scoped_lock lock(mutex);
        answer = std::move(result);
        came.notify_one();
    });
    std::unique_lock lock(mutex);
    came.wait(lock, [&answer] { return answer.has_value(); });
    return std::move(*answer);
}

}  // namespace

Result<std::vector<Sent>> ParallelTarget::send(const std::vector<Outgoing>& batch) {
    std::vector<Sent> answers;
    for (const Outgoing& each : batch) {
        Outgoing outgoing = each;
        TARN_ASSIGN(Attempted attempted, attempt(*this, outgoing));
        while (attempted.again_us) {
            outgoing.attempt += attempted.was_tried ? 1 : 0;
            rest(*attempted.again_us);
            TARN_ASSIGN(attempted, attempt(*this, outgoing));
        }
        answers.push_back(std::move(attempted.sent));
        const Delivery delivery = answers.back().delivery;
        if (delivery == Delivery::failed || delivery == Delivery::unknown) break;
    }
    return answers;
}

}  // namespace tarn::replay
