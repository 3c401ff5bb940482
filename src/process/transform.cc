#include "process/transform.h"

#include <fmt/core.h>

#include <map>
#include <set>

#include "codec/base64.h"
#include "codec/json.h"
#include "event/event.h"
#include "process/delivery.h"

namespace tarn::process {
namespace {

std::string record_id(const Item& item) {
    return event::position_text(item.position.partition, item.position.offset);
}

Transformed failed(const functions::InvocationResult& result, std::size_t batch, std::int64_t now_us,
                   std::string message) {
    Attempt attempt = attempt_of(result, batch, now_us);
    attempt.error_type = "Tarn.Transformation";
    attempt.message = std::move(message);
    return {{Verdict::Kind::fault, std::move(attempt)}, {}};
}

Transformed of_record(const codec::Json& record, const functions::InvocationResult& result, std::size_t batch,
                      std::int64_t now_us) {
    const std::string& word = record["result"].as_string();
    if (word == "Dropped") return {};
    if (word == "ProcessingFailed")
        return failed(result, batch, now_us, "the function answered ProcessingFailed");
    if (word != "Ok")
        return failed(result, batch, now_us, "its `result` is not Ok, Dropped or ProcessingFailed");
    auto data = codec::base64_decode(record["data"].as_string());
    if (!data || data->empty()) return failed(result, batch, now_us, "its `data` is not base64 of anything");
    return {{}, std::move(data)};
}

// Of a key nothing may go on before what stands before it has: it is tried again with it.
void stop_behind_failures(const std::vector<Item>& items, std::vector<Transformed>& results) {
    std::set<std::uint64_t> stopped;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (!items[i].keyed) continue;
        if (results[i].verdict.kind == Verdict::Kind::done && stopped.contains(items[i].key_hash))
            results[i] = {{Verdict::Kind::not_tried, {}}, {}};
        if (results[i].verdict.kind != Verdict::Kind::done) stopped.insert(items[i].key_hash);
    }
}

}  // namespace

functions::Invocation transform_invocation(const SubscriptionSpec& spec, const std::vector<Item>& items,
                                           std::int64_t now_us) {
    functions::Invocation invocation = invocation_of(spec, items);
    codec::Json records = codec::Json::array();
    for (const Item& item : items)
        records.push(codec::Json::object({{"recordId", record_id(item)},
                                          {"approximateArrivalTimestamp", item.captured_us / 1000},
                                          {"data", codec::base64_encode(item.document)}}));
    invocation.payload =
        codec::Json::object(
            {{"invocationId", fmt::format("{}-{}-{}", spec.name, items[0].sequence, now_us)},
             {"deliveryStreamArn",
              fmt::format("arn:aws:firehose:local:000000000000:deliverystream/{}", spec.name)},
             {"region", "local"},
             {"records", std::move(records)}})
            .dump();
    return invocation;
}

std::vector<Transformed> transformed(const std::vector<Item>& items,
                                     const functions::InvocationResult& result, std::int64_t now_us) {
    std::vector<Transformed> list;
    if (result.end != functions::InvocationEnd::returned) {
        for (Verdict& verdict : verdicts_of(items, result, now_us)) list.push_back({std::move(verdict), {}});
        return list;
    }
    const auto answer = codec::Json::parse(result.payload);
    std::map<std::string, const codec::Json*> by_id;
    std::set<std::string> twice;
    if (answer)
        for (const codec::Json& record : (*answer)["records"].elements())
            if (!by_id.emplace(record["recordId"].as_string(), &record).second)
                twice.insert(record["recordId"].as_string());
    for (const Item& item : items) {
        const std::string id = record_id(item);
        const auto found = by_id.find(id);
        if (found == by_id.end())
            list.push_back(failed(result, items.size(), now_us, "its recordId is not in the answer"));
        else if (twice.contains(id))
            list.push_back(failed(result, items.size(), now_us, "its recordId is in the answer twice"));
        else
            list.push_back(of_record(*found->second, result, items.size(), now_us));
    }
    stop_behind_failures(items, list);
    return list;
}

struct Deriving::Batch {
    SubscriptionSpec spec;
    std::vector<Item> items;
    std::vector<Transformed> results;
    std::int64_t now_us = 0;
    std::function<void(std::vector<Verdict>)> done;
    std::mutex mutex;
    std::size_t next = 0;     // behind what was sent
    std::size_t waiting = 0;  // of the wave, and one for the wave itself
};

void Deriving::start(const SubscriptionSpec& spec, const std::vector<Item>& items,
                     std::vector<Transformed> results, std::int64_t now_us,
                     std::function<void(std::vector<Verdict>)> done) {
    {
        const std::lock_guard lock(mutex_);
        ++under_way_;
    }
    auto batch = std::make_shared<Batch>();
    batch->spec = spec;
    batch->items = items;
    batch->results = std::move(results);
    batch->now_us = now_us;
    batch->done = std::move(done);
    next_wave(batch);
}

// As many as may go side by side: up to the second one of a key. When all of them are durable, the next.
void Deriving::next_wave(const std::shared_ptr<Batch>& batch) {
    std::vector<std::size_t> wave;
    {
        const std::lock_guard lock(batch->mutex);
        stop_behind_failures(batch->items, batch->results);
        std::set<std::uint64_t> keys;
        for (; batch->next < batch->items.size(); ++batch->next) {
            const Item& item = batch->items[batch->next];
            if (!batch->results[batch->next].data) continue;
            if (item.keyed && !keys.insert(item.key_hash).second) break;
            wave.push_back(batch->next);
        }
        batch->waiting = wave.size() + 1;
    }
    const auto one_less = [this, batch, is_last = wave.empty()] {
        {
            const std::lock_guard lock(batch->mutex);
            if (--batch->waiting > 0) return;
        }
        if (!is_last) return next_wave(batch);
        std::vector<Verdict> verdicts;
        for (Transformed& each : batch->results) verdicts.push_back(std::move(each.verdict));
        batch->done(std::move(verdicts));
        const std::lock_guard lock(mutex_);
        --under_way_;
        ended_.notify_all();
    };
    for (const std::size_t index : wave) {
        const Item& item = batch->items[index];
        const bool in_key = item.keyed && batch->spec.order == Order::key;
        DerivedEvent event{.subscription = batch->spec.name,
                           .from = batch->spec.stream,
                           .to = batch->spec.to_stream,
                           .original = item.position,
                           .sequence = item.sequence,
                           .meta = item.meta,
                           .ingested_us = item.ingested_us,
                           .lane = in_key ? item.key_hash : item.sequence,
                           .keyed = in_key,
                           .payload = std::move(*batch->results[index].data)};
        derive_(std::move(event), [batch, index, one_less](const Status& appended) {
            if (!appended) {
                const std::lock_guard lock(batch->mutex);
                const bool of_the_event = appended.error().kind == ErrorKind::invalid ||
                                          appended.error().kind == ErrorKind::too_large;
                Attempt attempt{.at_us = batch->now_us, .end = "returned"};
                attempt.error_type = "Tarn.NotAccepted";
                attempt.message = fmt::format("stream {} does not take it: {}", batch->spec.to_stream,
                                              appended.error().text());
                attempt.batch = batch->items.size();
                batch->results[index] = {
                    {of_the_event ? Verdict::Kind::fault : Verdict::Kind::not_tried, std::move(attempt)}, {}};
            }
            one_less();
        });
    }
    one_less();
}

void Deriving::wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return under_way_ == 0; });
}

}  // namespace tarn::process
