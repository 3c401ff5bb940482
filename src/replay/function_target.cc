// Calls functions. In a copy an event goes to the function of each subscription that takes it and whose base
// lacks it, one after the other, as it came live. A function is called at least once; one that ran out of
// time or died may have acted: it is called again when it is marked `replay: safe`, else the outcome is
// unknown.
#include <fmt/core.h>

#include <algorithm>
#include <mutex>

#include "replay/targets.h"

namespace tarn::replay {
namespace {

using End = FunctionAnswer::End;

constexpr std::int64_t not_sent_pause_us = 50'000;

class FunctionTarget final : public ParallelTarget {
public:
    FunctionTarget(std::vector<FunctionRoute> routes, TargetRun run)
        : routes_(std::move(routes)), run_(std::move(run)) {}

    std::size_t at_once() const override {
        std::size_t sum = 0;
        for (const FunctionRoute& route : routes_) sum = std::max(sum, route.at_work->instances());
        return std::max<std::size_t>(sum, 1);
    }
    std::size_t max_unsettled() const override { return 100; }
    // As many are called as there are instances: a slow function is slow by itself.
    bool latency_tells() const override { return false; }

    void begin(const Outgoing& outgoing, Done done) override {
        auto journey = std::make_shared<Journey>();
        journey->index = outgoing.index;
        journey->attempt = outgoing.attempt;
        journey->done = std::move(done);
        bool was_applied = false;
        for (const FunctionRoute& route : routes_) {
            if (!takes(route, outgoing)) continue;
            if (route.feeder && !route.feeder->is_after_base(outgoing.event)) {
                was_applied = true;
                continue;
            }
            journey->calls.push_back({&route, call_of(route, outgoing)});
        }
        if (journey->calls.empty())
            return journey->done(
                Attempted{{Delivery::skipped,
                           was_applied ? "applied before" : "no subscription of the function takes it"},
                          {}});
        journey->at = passed(outgoing.index);
        go_on(std::move(journey));
    }

private:
    // An event on its way through the functions that take it.
    struct Journey {
        std::uint64_t index = 0;
        int attempt = 1;
        Done done;
        std::vector<std::pair<const FunctionRoute*, FunctionCall>> calls;
        std::size_t at = 0;
    };

    static bool takes(const FunctionRoute& route, const Outgoing& outgoing) {
        if (!route.feeder) return true;
        if (outgoing.event.position.stream != route.feeder->stream) return false;
        if (!route.takes_replayed && !is_original(route, outgoing.meta)) return false;
        if (route.feeder->takes_all) return true;
        std::string document;
        event::append_shape(document, event::Shape::cloudevents, outgoing.event, outgoing.meta);
        return route.feeder->matches(document);
    }

    // No run put it into the stream, or one that meant this subscription.
    static bool is_original(const FunctionRoute& route, const event::Meta& meta) {
        return meta.run.empty() || route.is_named_by(meta.run);
    }

    // Into a copy the document is the very one that live delivery gives; else it says that it is a replay, so
    // that what a function sends on is known as one.
    FunctionCall call_of(const FunctionRoute& route, const Outgoing& outgoing) const {
        FunctionCall call{.stream = route.streams.at(outgoing.event.position.stream),
                          .position = outgoing.event.position,
                          .document = {},
                          .subscription = route.feeder ? route.feeder->name : "",
                          .run = run_.run,
                          .attempt = outgoing.attempt};
        const event::ShapeExtras extras{.run = run_.run, .attempt = outgoing.attempt};
        event::append_shape(call.document, route.shape, outgoing.event, outgoing.meta,
                            route.feeder ? event::ShapeExtras() : extras);
        return call;
    }

    void go_on(std::shared_ptr<Journey> journey) {
        auto& [route, call] = journey->calls[journey->at];
        route->at_work->call(call, [this, route = route, journey](FunctionAnswer answer) {
            if (auto changed = check_version(*route, answer); !changed)
                return journey->done(fail(std::move(changed.error())));
            if (answer.end != End::done) return journey->done(after_failure(*route, *journey, answer));
            if (++journey->at < journey->calls.size()) {
                keep_passed(journey->index, journey->at);
                return go_on(journey);
            }
            keep_passed(journey->index, 0);
            journey->done(Attempted{{Delivery::acknowledged, "", journey->attempt}, {}});
        });
    }

    // What ran must be what was planned.
    static Status check_version(const FunctionRoute& route, const FunctionAnswer& answer) {
        if (answer.version.empty() || answer.version == route.function.version) return {};
        return fail(Code::plan_stale,
                    fmt::format("function {} was version {} when this was planned and became {} under way",
                                route.function.name, route.function.version, answer.version),
                    {.next = "plan again, so that the plan names the version that runs"});
    }

    static Result<Attempted> after_failure(const FunctionRoute& route, const Journey& journey,
                                           const FunctionAnswer& answer) {
        if (answer.end == End::could_not_run)
            return fail(
                Code::function_cannot_run,
                fmt::format("function {} cannot run: {}", route.function.name, answer.error),
                {.next = "when it can: tarn replay resume RUN; when its code has to change: plan again"});
        if (answer.end == End::not_sent)
            return Attempted{.sent = {}, .again_us = not_sent_pause_us, .was_tried = false};
        const bool is_unknown = answer.end == End::unknown;
        const bool may_be_repeated = !is_unknown || route.function.mark == event::ReplayMark::safe;
        const RetryRule rule = route.at_work->retries();
        Attempted attempted{
            {is_unknown ? Delivery::unknown : Delivery::failed, answer.error, journey.attempt}, {}};
        if (may_be_repeated && journey.attempt < rule.attempts)
            attempted.again_us = pause_after(rule, journey.attempt);
        return attempted;
    }

    static std::int64_t pause_after(const RetryRule& rule, int attempt) {
        std::int64_t pause = rule.first_us;
        for (int i = 1; i < attempt && pause < rule.longest_us; ++i) pause *= 2;
        return std::min(pause, rule.longest_us);
    }

    // How many functions an event that is tried again has behind it.
    std::size_t passed(std::uint64_t index) {
        const std::scoped_lock lock(mutex_);
        const auto found = passed_.find(index);
        return found == passed_.end() ? 0 : found->second;
    }
    void keep_passed(std::uint64_t index, std::size_t count) {
        const std::scoped_lock lock(mutex_);
        if (count == 0)
            passed_.erase(index);
        else
            passed_[index] = count;
    }

    const std::vector<FunctionRoute> routes_;
    const TargetRun run_;
    std::mutex mutex_;
    std::map<std::uint64_t, std::size_t> passed_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<ParallelTarget> make_function_target(std::vector<FunctionRoute> routes, TargetRun run) {
    return std::make_unique<FunctionTarget>(std::move(routes), std::move(run));
}

}  // namespace tarn::replay
