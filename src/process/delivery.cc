#include "process/delivery.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "codec/json.h"
#include "event/event.h"

namespace tarn::process {
namespace {

using functions::InvocationEnd;

std::string position_of(const Item& item) {
    return event::position_text(item.position.partition, item.position.offset);
}

std::string records_document(const std::vector<Item>& items) {
    std::string document = R"({"records":[)";
    for (const Item& item : items) {
        if (document.back() != '[') document += ',';
        document += fmt::format(R"({{"position":"{}","event":)", position_of(item));
        document += item.document;
        document += '}';
    }
    return document + "]}";
}

// The positions that the answer names as failed; nullopt when it cannot be understood.
std::optional<std::vector<std::string>> failed_positions(const std::string& payload) {
    std::vector<std::string> failed;
    const auto answer = codec::Json::parse(payload);
    if (!answer || !answer->is_object() || !answer->has("batchItemFailures")) return failed;
    const codec::Json& list = (*answer)["batchItemFailures"];
    if (!list.is_array() && !list.is_null()) return std::nullopt;
    for (const codec::Json& each : list.elements()) {
        const std::string& position = each["itemIdentifier"].as_string();
        if (position.empty()) return std::nullopt;
        failed.push_back(position);
    }
    return failed;
}

std::vector<Verdict> all(std::size_t count, Verdict::Kind kind, const Attempt& attempt) {
    return std::vector<Verdict>(count, {kind, attempt});
}

std::vector<Verdict> verdicts_of_answer(const std::vector<Item>& items, Attempt attempt,
                                        const std::string& payload) {
    const auto failed = failed_positions(payload);
    const bool understood = failed && std::ranges::all_of(*failed, [&](const std::string& position) {
                                return std::ranges::any_of(
                                    items, [&](const Item& item) { return position_of(item) == position; });
                            });
    attempt.error_type = "Tarn.BatchItemFailures";
    if (!understood) {
        attempt.message =
            "its batchItemFailures cannot be understood, or name a position that is not in the batch";
        return all(items.size(), Verdict::Kind::fault, attempt);
    }
    std::vector<Verdict> verdicts;
    attempt.message = "named in batchItemFailures";
    for (const Item& item : items) {
        const bool bad = std::ranges::find(*failed, position_of(item)) != failed->end();
        verdicts.push_back(bad ? Verdict{Verdict::Kind::fault, attempt} : Verdict{});
    }
    return verdicts;
}

}  // namespace

Attempt attempt_of(const functions::InvocationResult& result, std::size_t batch, std::int64_t now_us) {
    return {.at_us = now_us,
            .duration_us = result.duration_us,
            .end = std::string(functions::invocation_end_name(result.end)),
            .error_type = result.error_type,
            .message = result.error_message,
            .stack = result.stack_trace,
            .log_tail = result.log_tail,
            .version = result.version,
            .batch = batch};
}

functions::Invocation invocation_of(const SubscriptionSpec& spec, const std::vector<Item>& items) {
    codec::Json custom =
        codec::Json::object({{"TARN_SUBSCRIPTION", spec.name}, {"TARN_STREAM", spec.stream}});
    if (spec.batch_size == 1) custom.set("TARN_POSITION", position_of(items.front()));
    custom.set("TARN_ATTEMPT", std::to_string(items.front().attempts.size() + 1));
    functions::Invocation invocation;
    invocation.payload = spec.batch_size == 1 ? items.front().document : records_document(items);
    invocation.client_context = codec::Json::object({{"custom", std::move(custom)}}).dump();
    return invocation;
}

std::vector<Verdict> verdicts_of(const std::vector<Item>& items, const functions::InvocationResult& result,
                                 std::int64_t now_us) {
    const Attempt attempt = attempt_of(result, items.size(), now_us);
    switch (result.end) {
        case InvocationEnd::returned:
            return verdicts_of_answer(items, attempt, result.payload);
        // The function itself cannot run: no event is to blame.
        case InvocationEnd::init_failed:
        case InvocationEnd::stopped:
            return all(items.size(), Verdict::Kind::not_tried, attempt);
        case InvocationEnd::recalled:
            return all(items.size(), Verdict::Kind::not_sent, attempt);
        default:
            break;
    }
    return all(items.size(), items.size() > 1 ? Verdict::Kind::split : Verdict::Kind::fault, attempt);
}

}  // namespace tarn::process
