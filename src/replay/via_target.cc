// A function on the way to another target. It speaks Firehose's contract, as for a subscription from stream
// to stream: it gets payloads, and what it answers is sent instead, with the event's own id, time, key and
// idempotency key. Dropped: skipped. ProcessingFailed, or an invocation that failed twice: failed, and
// nothing was sent.
//
// A target that takes batches gets what was made in the order of the manifest, since its marks and origins
// follow from that order; one that works on several at once gets each as soon as it is made.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "codec/hash.h"
#include "codec/json.h"
#include "event/attributes.h"
#include "event/derive.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using End = FunctionAnswer::End;

constexpr std::int64_t not_sent_pause_us = 50'000;
constexpr std::size_t most_records = 100, most_bytes = 1u << 20;  // of one invocation
constexpr std::size_t rounds_a_batch = 8;                         // of invocations, where each has one record

// What the function made of an event.
struct Made {
    enum class Kind : std::uint8_t { data, dropped, failed, not_sent };
    Kind kind = Kind::data;
    std::string text;  // data, or why it failed
};

// Gives events to the function, several in one invocation where it may be called again with the same ones:
// those of an invocation that failed are tried once more, each by itself, so that none fails for its
// neighbour.
class Transforming {
public:
    using Done = std::function<void(Result<Made>)>;

    Transforming(Via via, std::string run) : via_(std::move(via)), run_(std::move(run)) {}
    ~Transforming() {
        std::unique_lock lock(mutex_);
        ended_.wait(lock, [this] { return inside_ == 0; });
    }

    const std::string& name() const { return via_.function.name; }
    const std::string& stream_name(StreamId stream) const { return via_.streams.at(stream); }
    std::size_t instances() const { return std::max<std::size_t>(via_.at_work->instances(), 1); }
    // One that ran out of time or died may have acted: only what may be repeated is given in company.
    bool may_be_repeated() const { return via_.function.mark == event::ReplayMark::safe; }

    // `done` runs once, on any thread, perhaps before start returns.
    void start(const Outgoing& outgoing, Done done) {
        Waiting waiting{.call = {.stream = stream_name(outgoing.event.position.stream),
                                 .position = outgoing.event.position,
                                 .document = std::string(outgoing.event.payload),
                                 .subscription = "",
                                 .run = run_,
                                 .attempt = outgoing.attempt,
                                 .ingested = outgoing.event.ingested},
                        .done = std::move(done)};
        {
            const std::scoped_lock lock(mutex_);
            waiting_.push_back(std::move(waiting));
        }
        invoke();
    }

private:
    struct Waiting {
        FunctionCall call;
        Done done;
        bool is_second = false;
    };
    using Batch = std::vector<Waiting>;

    void invoke() {
        while (true) {
            auto batch = std::make_shared<Batch>();
            std::vector<FunctionCall> calls;
            {
                const std::scoped_lock lock(mutex_);
                if (waiting_.empty() || busy_ >= instances()) return;
                take(*batch);
                ++busy_;
                ++inside_;
            }
            for (const Waiting& each : *batch) calls.push_back(each.call);
            via_.at_work->transform(std::move(calls), [this, batch](std::vector<FunctionAnswer> answers) {
                take_answers(*batch, std::move(answers));
                const std::scoped_lock lock(mutex_);
                --inside_;
                ended_.notify_all();
            });
        }
    }

    // With mutex_ held. A position is unique within its stream only.
    void take(Batch& batch) {
        const std::size_t most = may_be_repeated() && !waiting_.front().is_second ? most_records : 1;
        std::size_t bytes = 0;
        while (!waiting_.empty() && batch.size() < most) {
            const Waiting& next = waiting_.front();
            bytes += next.call.document.size();
            const bool fits = bytes <= most_bytes && !next.is_second &&
                              (batch.empty() || next.call.stream == batch.front().call.stream);
            if (!batch.empty() && !fits) return;
            batch.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
    }

    void take_answers(Batch& batch, std::vector<FunctionAnswer> answers) {
        std::vector<std::pair<Done, Result<Made>>> over;
        {
            const std::scoped_lock lock(mutex_);
            --busy_;
            for (std::size_t i = 0; i < batch.size(); ++i) {
                const FunctionAnswer answer = i < answers.size()
                                                  ? std::move(answers[i])
                                                  : FunctionAnswer{End::failed, "it gave no answer", "", ""};
                if (is_tried_again(batch[i], answer)) {
                    batch[i].is_second = true;
                    ++batch[i].call.attempt;
                    waiting_.push_front(std::move(batch[i]));
                } else {
                    over.emplace_back(std::move(batch[i].done), made_of(answer));
                }
            }
        }
        invoke();
        for (auto& [done, made] : over) done(std::move(made));
    }

    bool is_tried_again(const Waiting& waiting, const FunctionAnswer& answer) const {
        if (waiting.is_second) return false;
        return answer.end == End::failed || (answer.end == End::unknown && may_be_repeated());
    }

    Result<Made> made_of(const FunctionAnswer& answer) const {
        const FunctionInfo& function = via_.function;
        // What ran must be what was planned.
        if (!answer.version.empty() && answer.version != function.version)
            return fail(
                Code::plan_stale,
                fmt::format("function {} was version {} when this was planned and became {} under way",
                            function.name, function.version, answer.version),
                {.next = "plan again, so that the plan names the version that runs"});
        switch (answer.end) {
            case End::done:
                return Made{.kind = Made::Kind::data, .text = answer.output};
            case End::dropped:
                return Made{.kind = Made::Kind::dropped, .text = {}};
            case End::not_sent:
                return Made{.kind = Made::Kind::not_sent, .text = {}};
            case End::could_not_run:
                return fail(
                    Code::function_cannot_run,
                    fmt::format("function {} cannot run: {}", function.name, answer.error),
                    {.next = "when it can: tarn replay resume RUN; when its code has to change: plan again"});
            case End::failed:
            case End::unknown:
            case End::refused:
                break;
        }
        return Made{.kind = Made::Kind::failed, .text = answer.error};
    }

    const Via via_;
    const std::string run_;
    std::mutex mutex_;
    std::condition_variable ended_;
    std::deque<Waiting> waiting_;  // guarded by mutex_, as all below
    std::size_t busy_ = 0;         // instances that have something to do
    std::size_t inside_ = 0;       // invocations whose answers have not been taken in full
};

Sent sent_of(const Made& made, const std::string& function, int attempt) {
    if (made.kind == Made::Kind::dropped)
        return {Delivery::skipped, fmt::format("function:{} dropped it on the way", function), attempt};
    return {Delivery::failed, fmt::format("via function:{}: {}", function, made.text), attempt};
}

bool is_plain_line(std::string_view json, const codec::JsonFacts& facts) {
    return !facts.has_newline && codec::trim_json(json).size() == json.size();
}

// The event with `data`, which must outlive it. Its attributes stand beside what the function made, also when
// it came as a document that held them, as with a subscription from stream to stream.
void put_instead(Outgoing& outgoing, std::string_view data) {
    event::Meta& meta = outgoing.meta;
    const auto facts = codec::validate_json(data, {.max_bytes = SIZE_MAX});
    outgoing.event.payload = data;
    outgoing.event.hash = codec::xxh3_128(data);
    outgoing.event.form = !facts                        ? event::form_of_bytes(data)
                          : is_plain_line(data, *facts) ? event::PayloadForm::json
                                                        : event::PayloadForm::text;
    const bool was_bytes = meta.format == event::Format::bytes;
    meta.format = facts ? event::Format::json : event::Format::bytes;
    // The type of content speaks of the bytes.
    const bool still_holds =
        meta.content_type && (facts ? event::is_json_content_type(*meta.content_type) : was_bytes);
    if (!still_holds) meta.content_type.reset();
}

// ---- to a target that takes batches

class ViaBatches final : public Target {
public:
    ViaBatches(os::Clock& clock, Via via, std::unique_ptr<Target> end, const std::string& run)
        : clock_(clock), end_(std::move(end)), transforming_(std::move(via), run) {}

    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        TARN_TRY(make_all(batch));
        std::vector<Sent> answers;
        std::vector<Outgoing> changed;
        for (const Outgoing& outgoing : batch) {
            const Made& made = made_.at(outgoing.index);
            if (made.kind == Made::Kind::data) {
                changed.push_back(outgoing);
                put_instead(changed.back(), made.text);
                continue;
            }
            TARN_ASSIGN(const bool all, send_changed(changed, answers));
            if (!all) return answers;
            answers.push_back(sent_of(made, transforming_.name(), outgoing.attempt));
            if (made.kind == Made::Kind::failed) return answers;
        }
        TARN_TRY(send_changed(changed, answers));
        return answers;
    }

    Status flush() override { return end_->flush(); }
    std::size_t max_batch() const override {
        const std::size_t a_round = transforming_.may_be_repeated() ? most_records : rounds_a_batch;
        return std::min(end_->max_batch(), transforming_.instances() * a_round);
    }
    std::size_t max_unsettled() const override { return end_->max_unsettled(); }
    std::uint64_t mark() const override { return end_->mark(); }
    bool reads_meta() const override { return end_->reads_meta(); }
    std::optional<Sent> look_up(const Outgoing& outgoing) override { return end_->look_up(outgoing); }

private:
    // What was made of an event is kept until the event is settled: behind a failure the rest is offered
    // again.
    Status make_all(const std::vector<Outgoing>& batch) {
        made_.erase(made_.begin(), made_.lower_bound(batch.front().index));
        while (true) {
            std::vector<const Outgoing*> missing;
            for (const Outgoing& outgoing : batch)
                if (!made_.contains(outgoing.index)) missing.push_back(&outgoing);
            if (missing.empty()) return {};
            TARN_ASSIGN(const bool was_recalled, make(missing));
            if (was_recalled) clock_.sleep_us(not_sent_pause_us);
        }
    }

    // Waits for all. True when some were taken back before the function saw them.
    Result<bool> make(const std::vector<const Outgoing*>& events) {
        std::mutex mutex;
        std::condition_variable came;
        std::map<std::uint64_t, Result<Made>> results;
        for (const Outgoing* event : events)
            transforming_.start(*event, [&, index = event->index](Result<Made> made) {
                const std::scoped_lock lock(mutex);
                results.emplace(index, std::move(made));
                came.notify_one();
            });
        std::unique_lock lock(mutex);
        came.wait(lock, [&] { return results.size() == events.size(); });
        bool was_recalled = false;
        for (auto& [index, made] : results) {
            if (!made) return fail(made.error());
            if (made->kind == Made::Kind::not_sent)
                was_recalled = true;
            else
                made_.emplace(index, std::move(*made));
        }
        return was_recalled;
    }

    // False when the target stopped behind one of them.
    Result<bool> send_changed(std::vector<Outgoing>& changed, std::vector<Sent>& answers) {
        if (changed.empty()) return true;
        TARN_ASSIGN(const std::vector<Sent> sent, end_->send(changed));
        answers.insert(answers.end(), sent.begin(), sent.end());
        const Delivery last = sent.empty() ? Delivery::failed : sent.back().delivery;
        const bool all =
            sent.size() == changed.size() && last != Delivery::failed && last != Delivery::unknown;
        changed.clear();
        return all;
    }

    os::Clock& clock_;
    const std::unique_ptr<Target> end_;
    std::map<std::uint64_t, Made> made_;  // by index
    Transforming transforming_;           // ends first
};

// ---- to a target that works on several at once

class ViaLanes final : public ParallelTarget {
public:
    ViaLanes(Via via, std::unique_ptr<Target> end, const std::string& run)
        : end_(std::move(end)), lanes_(*end_->parallel()), transforming_(std::move(via), run) {}

    std::size_t at_once() const override { return lanes_.at_once(); }
    std::size_t max_unsettled() const override { return lanes_.max_unsettled(); }
    // A slow function would look like a slow target.
    bool latency_tells() const override { return false; }

    void begin(const Outgoing& outgoing, Done done) override {
        auto journey = std::make_shared<Journey>(outgoing, transforming_, std::move(done));
        {
            const std::scoped_lock lock(mutex_);
            if (const auto kept = made_.find(outgoing.index); kept != made_.end())
                journey->data = kept->second;
        }
        if (journey->data) return pass_on(journey);
        transforming_.start(journey->outgoing, [this, journey](Result<Made> made) {
            if (!made) return journey->done(fail(made.error()));
            if (made->kind == Made::Kind::not_sent)
                return journey->done(
                    Attempted{.sent = {}, .again_us = not_sent_pause_us, .was_tried = false});
            if (made->kind != Made::Kind::data)
                return journey->done(
                    Attempted{sent_of(*made, transforming_.name(), journey->outgoing.attempt), {}});
            journey->data = std::make_shared<const std::string>(std::move(made->text));
            pass_on(journey);
        });
    }

    Status flush() override { return end_->flush(); }
    std::size_t max_batch() const override { return end_->max_batch(); }
    std::uint64_t mark() const override { return end_->mark(); }
    std::optional<Sent> look_up(const Outgoing& outgoing) override { return end_->look_up(outgoing); }
    void wind_up() override {
        is_winding_up_ = true;
        lanes_.wind_up();
    }
    void rest(std::int64_t us) override { lanes_.rest(us); }

private:
    // An event with its own bytes, on its way.
    struct Journey {
        Journey(const Outgoing& from, const Transforming& transforming, Done when_done)
            : meta(from.event.meta), payload(from.event.payload), outgoing(from), done(std::move(when_done)) {
            outgoing.event.meta = meta;
            outgoing.event.payload = payload;
            outgoing.meta =
                reader.read(outgoing.event, transforming.stream_name(outgoing.event.position.stream));
        }
        const std::string meta, payload;
        event::MetaReader reader;
        Outgoing outgoing;
        Done done;
        std::shared_ptr<const std::string> data;
    };

    void pass_on(const std::shared_ptr<Journey>& journey) {
        // Nothing more is begun: it stays unsettled.
        if (is_winding_up_) return journey->done(Attempted{.sent = {}, .again_us = 0, .was_tried = false});
        put_instead(journey->outgoing, *journey->data);
        lanes_.begin(journey->outgoing, [this, journey](Result<Attempted> attempted) {
            keep(*journey, attempted && attempted->again_us.has_value());
            journey->done(std::move(attempted));
        });
    }

    // What is sent again is what was sent before: the function is not asked twice.
    void keep(const Journey& journey, bool is_sent_again) {
        const std::scoped_lock lock(mutex_);
        if (is_sent_again)
            made_[journey.outgoing.index] = journey.data;
        else
            made_.erase(journey.outgoing.index);
    }

    std::mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<const std::string>> made_;  // by index; guarded by mutex_
    std::atomic<bool> is_winding_up_ = false;
    const std::unique_ptr<Target> end_;
    ParallelTarget& lanes_;
    Transforming transforming_;  // ends first
};

}  // namespace

std::unique_ptr<Target> make_via_target(os::Clock& clock, Via via, std::unique_ptr<Target> end,
                                        const TargetRun& run) {
    if (end->parallel() != nullptr)
        return std::make_unique<ViaLanes>(std::move(via), std::move(end), run.run);
    return std::make_unique<ViaBatches>(clock, std::move(via), std::move(end), run.run);
}

}  // namespace tarn::replay
