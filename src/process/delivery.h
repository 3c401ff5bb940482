// Between items and invocations: what a function is handed for a batch, and what its answer says of each
// event in it. Pure.
#pragma once

#include <string>
#include <vector>

#include "functions/invocation.h"
#include "process/lanes.h"

namespace tarn::process {

// One event goes as its document; with a batch size above one, always {"records":[{"position":"0:41",
// "event":…},…]}. The client context tells TARN_SUBSCRIPTION, TARN_POSITION(S) and TARN_ATTEMPT.
functions::Invocation invocation_of(const SubscriptionSpec& spec, const std::vector<Item>& items);

Attempt attempt_of(const functions::InvocationResult& result, std::size_t batch, std::int64_t now_us);
// A verdict an item. `batchItemFailures` with `itemIdentifier` (a position as in the records) names those
// that failed; an answer that names one which is not there fails the whole batch.
std::vector<Verdict> verdicts_of(const std::vector<Item>& items, const functions::InvocationResult& result,
                                 std::int64_t now_us);

}  // namespace tarn::process
