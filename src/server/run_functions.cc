#include "server/run_functions.h"

#include <fmt/core.h>

#include <algorithm>

#include "event/event.h"
#include "process/delivery.h"
#include "process/transform.h"

namespace tarn::server {
namespace {

using functions::InvocationEnd;
using replay::FunctionAnswer;

// An event as delivery knows it, so that a function gets from a run what it gets live.
std::vector<process::Item> items_of(const replay::FunctionCall& call) {
    std::vector<process::Item> items(1);
    items[0].position = call.position;
    items[0].document = call.document;
    items[0].captured_us = items[0].ingested_us = call.ingested.us;
    return items;
}

std::string client_context(const replay::FunctionCall& call, bool is_alone = true) {
    codec::Json custom = codec::Json::object({{"TARN_REPLAY", "1"}, {"TARN_RUN", call.run}});
    custom.set("TARN_STREAM", call.stream);
    if (!call.subscription.empty()) custom.set("TARN_SUBSCRIPTION", call.subscription);
    if (is_alone)
        custom.set("TARN_POSITION", event::position_text(call.position.partition, call.position.offset));
    custom.set("TARN_ATTEMPT", std::to_string(call.attempt));
    return codec::Json::object({{"custom", std::move(custom)}}).dump();
}

FunctionAnswer::End end_of(InvocationEnd end) {
    switch (end) {
        case InvocationEnd::timed_out:
        case InvocationEnd::crashed:
            return FunctionAnswer::End::unknown;
        case InvocationEnd::recalled:
            return FunctionAnswer::End::not_sent;
        case InvocationEnd::init_failed:
        case InvocationEnd::stopped:
            return FunctionAnswer::End::could_not_run;
        default:
            return FunctionAnswer::End::failed;
    }
}

FunctionAnswer answer_of(const replay::FunctionCall& call, const functions::InvocationResult& result) {
    FunctionAnswer answer{.version = result.version, .output = {}};
    const auto verdict = process::verdicts_of(items_of(call), result, 0).front();
    if (verdict.kind == process::Verdict::Kind::done) {
        answer.output = result.payload;
        return answer;
    }
    answer.end = end_of(result.end);
    answer.error = fmt::format("{}: {}", verdict.attempt.error_type, verdict.attempt.message);
    return answer;
}

FunctionAnswer answer_of(const process::Transformed& transformed, const functions::InvocationResult& result) {
    FunctionAnswer answer{.version = result.version, .output = {}};
    if (transformed.verdict.kind != process::Verdict::Kind::done) {
        answer.end =
            result.end == InvocationEnd::returned ? FunctionAnswer::End::refused : end_of(result.end);
        const process::Attempt& attempt = transformed.verdict.attempt;
        answer.error = fmt::format("{}: {}", attempt.error_type, attempt.message);
    } else if (transformed.data) {
        answer.output = *transformed.data;
    } else {
        answer.end = FunctionAnswer::End::dropped;
    }
    return answer;
}

class AtWork final : public replay::FunctionAtWork {
public:
    // `own`: what was started for this run alone, "" name: the function as it works live.
    AtWork(functions::FunctionHost& host, std::string name, functions::FunctionSpec spec,
           std::vector<process::SubscriptionSpec> subscriptions, std::shared_ptr<void> own)
        : host_(host),
          name_(std::move(name)),
          spec_(std::move(spec)),
          subscriptions_(std::move(subscriptions)),
          own_(std::move(own)) {}

    std::size_t instances() const override { return spec_.max_instances; }

    replay::RetryRule retries() const override {
        const process::Retries rule = subscriptions_.empty() ? process::Retries() : subscriptions_[0].retries;
        return {static_cast<int>(std::min<std::uint32_t>(rule.max, 1000)), rule.first_us, rule.longest_us};
    }

    void call(replay::FunctionCall call, std::function<void(FunctionAnswer)> done) override {
        process::SubscriptionSpec form;
        form.batch_size = gets_records(call.subscription) ? 2 : 1;
        functions::Invocation invocation = process::invocation_of(form, items_of(call));
        invocation.client_context = client_context(call);
        const auto sent = host_.invoke(
            name_, std::move(invocation),
            [call, done](const functions::InvocationResult& result) { done(answer_of(call, result)); });
        if (!sent) done({FunctionAnswer::End::could_not_run, sent.error().message, "", ""});
    }

    void transform(std::vector<replay::FunctionCall> calls,
                   std::function<void(std::vector<FunctionAnswer>)> done) override {
        process::SubscriptionSpec form;
        form.name = calls.front().run;
        form.stream = calls.front().stream;
        std::vector<process::Item> items;
        for (const replay::FunctionCall& call : calls) items.push_back(items_of(call).front());
        functions::Invocation invocation =
            process::transform_invocation(form, items, calls.front().ingested.us);
        invocation.client_context = client_context(calls.front(), calls.size() == 1);
        const std::size_t count = calls.size();
        const auto sent =
            host_.invoke(name_, std::move(invocation),
                         [items = std::move(items), done](const functions::InvocationResult& result) {
                             std::vector<FunctionAnswer> answers;
                             for (const auto& each : process::transformed(items, result, 0))
                                 answers.push_back(answer_of(each, result));
                             done(std::move(answers));
                         });
        if (!sent)
            done(std::vector<FunctionAnswer>(
                count, {FunctionAnswer::End::could_not_run, sent.error().message, "", ""}));
    }

private:
    // A function whose subscriptions give it batches expects {"records":[…]}, of one event, too.
    bool gets_records(const std::string& subscription) const {
        bool any = false, all = true;
        for (const auto& each : subscriptions_) {
            if (each.name == subscription) return each.batch_size > 1;
            any = true;
            all = all && each.batch_size > 1;
        }
        return any && all;
    }

    functions::FunctionHost& host_;
    const std::string name_;
    const functions::FunctionSpec spec_;
    const std::vector<process::SubscriptionSpec> subscriptions_;
    const std::shared_ptr<void> own_;
};

// What works live must be what the plan named: the code as it is on the disk.
Status check_is_at_work(Processing& processing, const functions::FunctionSpec& spec) {
    TARN_ASSIGN(const std::string version, processing.version_of(spec));
    const std::string at_work = processing.version_at_work(spec.name).value_or("none");
    if (at_work == version) return {};
    return fail(Code::plan_stale,
                fmt::format("function {}: version {} is at work, its code is version {} by now", spec.name,
                            at_work, version),
                {.next = "tarn apply puts the new code to work"});
}

}  // namespace

Result<replay::FunctionInfo> RunFunctions::function(std::string_view name) {
    TARN_ASSIGN(const auto spec, processing_.function(name));
    replay::FunctionInfo info{.name = spec.name, .mark = spec.replay, .stores = spec.stores};
    TARN_ASSIGN(info.version, processing_.version_of(spec));
    return info;
}

Result<std::vector<replay::SubscriptionInfo>> RunFunctions::subscriptions() {
    TARN_ASSIGN(const auto specs, processing_.subscriptions());
    std::vector<replay::SubscriptionInfo> list;
    for (const auto& spec : specs)
        list.push_back({.name = spec.name,
                        .stream = spec.stream,
                        .function = spec.function,
                        .pattern = spec.pattern,
                        .shape = spec.shape,
                        .takes_replayed = spec.takes_replayed,
                        .to_stream = spec.to_stream});
    return list;
}

Status RunFunctions::dead_letters(std::string_view group,
                                  const std::function<Status(const Position&)>& take) {
    constexpr std::size_t page = 500;
    TARN_ASSIGN(const auto refused, refused_(std::string(group)));
    for (const Position& position : refused) TARN_TRY(take(position));
    if (!refused.empty()) return {};
    TARN_ASSIGN(process::Processes * processes, processing_.processes());
    process::DeadSelection selection{.group = std::string(group)};
    while (true) {
        TARN_ASSIGN(const auto letters, processes->dead(selection, page));
        if (letters.empty() && !selection.after)
            return fail(Code::unknown_dead_letter, fmt::format("there is no group of dead letters {}", group),
                        {.next = "tarn dlq list"});
        for (const process::DeadLetter& letter : letters) TARN_TRY(take(letter.position));
        if (letters.size() < page) return {};
        selection.after = process::DeadPlace{letters.back().sequence, letters.back().subscription};
    }
}

Status RunFunctions::check_can_run(std::string_view what) {
    if (processing_.started()) return {};
    return fail(Code::bad_usage, fmt::format("functions run only under tarn up: {} needs a server", what),
                {.next = "tarn up, then this command again"});
}

Result<std::unique_ptr<replay::FunctionAtWork>> RunFunctions::open(const std::string& name,
                                                                   const std::string& copy) {
    TARN_TRY(check_can_run("function " + name));
    TARN_ASSIGN(auto spec, processing_.function(name));
    TARN_ASSIGN(auto subscriptions, processing_.subscriptions());
    std::erase_if(subscriptions, [&name](const auto& each) { return each.function != name; });
    std::ranges::sort(subscriptions, {}, &process::SubscriptionSpec::name);
    TARN_ASSIGN(functions::FunctionHost * host, processing_.host());
    std::string host_name = name;
    std::shared_ptr<void> own;
    if (copy.empty()) TARN_TRY(check_is_at_work(processing_, spec));
    if (!copy.empty()) {
        host_name = Processing::name_at_copy(name, copy);
        TARN_ASSIGN(own, processing_.put_to_work_at(spec, copy));
    }
    return std::make_unique<AtWork>(*host, std::move(host_name), std::move(spec), std::move(subscriptions),
                                    std::move(own));
}

}  // namespace tarn::server
