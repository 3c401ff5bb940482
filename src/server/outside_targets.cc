#include "server/outside_targets.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>

#include "codec/hash.h"
#include "event/meta.h"
#include "net/address_rule.h"
#include "replay/targets.h"

namespace tarn::server {
namespace {

using process::Parcel;
using process::Receipt;

constexpr std::size_t connections = 8;  // of a subscription, to a target that works on one event at a time

// Stays the same however often the event goes out. A correction is another content: a receiver that remembers
// keys must not take it for the event that it refused.
std::string idempotency_key(const std::string& sender, const std::string& subscription,
                            const Parcel& parcel) {
    std::string key = fmt::format("{}:{}:{}:{}:{}", sender, subscription, parcel.position.stream.value,
                                  parcel.position.partition, parcel.position.offset);
    if (parcel.corrected) key += fmt::format(":{:016x}", codec::xxh3_64(parcel.payload));
    return key;
}

// An event as targets take it. What it says points into `parcel` and itself.
class Letter {
public:
    Letter(const Parcel& parcel, const std::string& stream, std::string key) {
        outgoing_.event = {.position = parcel.position,
                           .sequence = parcel.sequence,
                           .ingested = Time{parcel.ingested_us},
                           .meta = parcel.meta,
                           .payload = parcel.payload,
                           .form = parcel.form,
                           .hash = codec::xxh3_128(parcel.payload)};
        outgoing_.meta = reader_.read(outgoing_.event, stream);
        outgoing_.idempotency_key = std::move(key);
    }
    const replay::Outgoing& outgoing() const { return outgoing_; }

private:
    event::MetaReader reader_;
    replay::Outgoing outgoing_;
};

// Whether it is worth another attempt, only the target knows. One that works on its own time has tried again
// already where that was so.
Receipt receipt_of(const replay::Sent& sent, bool may_be_repeated, std::optional<std::int64_t> again_us) {
    Receipt receipt{.end = Receipt::End::delivered, .error = sent.error, .again_us = again_us};
    if (sent.delivery == replay::Delivery::unknown) receipt.end = Receipt::End::unknown;
    if (sent.delivery == replay::Delivery::failed)
        receipt.end = may_be_repeated ? Receipt::End::failed : Receipt::End::refused;
    return receipt;
}

Receipt unreachable(std::string why) {
    return {.end = Receipt::End::unreachable, .error = std::move(why), .again_us = {}};
}

Receipt gone() { return unreachable("the way to the target was closed"); }

struct Job {
    Parcel parcel;
    std::string stream, key;
    std::function<void(Receipt)> done;
};

}  // namespace

class OutsideTargets::Outlet {
public:
    virtual ~Outlet() = default;
    virtual void send(Job job) = 0;
    // What has not begun is given back, what is under way ends. wait() returns when nothing is.
    virtual void stop() = 0;
    virtual void wait() = 0;
};

namespace {

// Targets that send one event at a time: each thread has one of its own.
class SerialOutlet final : public OutsideTargets::Outlet {
public:
    using Open = std::function<Result<std::unique_ptr<replay::Target>>()>;
    SerialOutlet(os::Clock& clock, std::unique_ptr<replay::Target> first, Open open)
        : clock_(clock), open_(std::move(open)), opened_(std::move(first)) {}
    ~SerialOutlet() override {
        stop();
        wait();
    }

    void send(Job job) override {
        {
            const std::lock_guard lock(mutex_);
            if (!stopping_) {
                jobs_.push_back(std::move(job));
                if (idle_ < jobs_.size() && threads_.size() < connections)
                    threads_.emplace_back([this] { work(); });
                came_.notify_one();
                return;
            }
        }
        job.done(gone());
    }

    void stop() override {
        std::deque<Job> left;
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            left.swap(jobs_);
        }
        came_.notify_all();
        for (const Job& job : left) job.done(gone());
    }

    void wait() override {
        for (std::thread& thread : threads_)
            if (thread.joinable()) thread.join();
    }

private:
    void work() {
        std::unique_ptr<replay::Target> target;
        {
            const std::lock_guard lock(mutex_);
            target = std::move(opened_);
        }
        while (auto job = next_job()) {
            const std::int64_t began = clock_.monotonic_us();
            Receipt receipt = send_with(target, *job);
            receipt.duration_us = clock_.monotonic_us() - began;
            job->done(std::move(receipt));
        }
    }

    std::optional<Job> next_job() {
        std::unique_lock lock(mutex_);
        ++idle_;
        came_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        --idle_;
        if (jobs_.empty()) return std::nullopt;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        return job;
    }

    Receipt send_with(std::unique_ptr<replay::Target>& target, const Job& job) {
        if (!target) {
            auto opened = open_();
            if (!opened) return unreachable(opened.error().text());
            target = std::move(*opened);
        }
        const Letter letter(job.parcel, job.stream, job.key);
        auto sent = target->send({letter.outgoing()});
        const Status kept = sent ? target->flush() : fail(std::move(sent.error()));
        if (!kept) return unreachable(kept.error().text());
        if (sent->empty()) return unreachable("the target gave no answer");
        return receipt_of(sent->front(), sent->front().attempts > 1, std::nullopt);
    }

    os::Clock& clock_;
    const Open open_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::unique_ptr<replay::Target> opened_;
    std::deque<Job> jobs_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

// Targets that work on several at once.
class ParallelOutlet final : public OutsideTargets::Outlet {
public:
    ParallelOutlet(os::Clock& clock, std::unique_ptr<replay::Target> target, std::int64_t grace_us)
        : clock_(clock), grace_us_(grace_us), target_(std::move(target)), parallel_(*target_->parallel()) {}
    ~ParallelOutlet() override {
        stop();
        wait();
    }

    void send(Job job) override {
        bool is_over = false;
        {
            const std::lock_guard lock(mutex_);
            is_over = stopping_;
            if (!is_over && under_way_ >= std::max<std::size_t>(parallel_.at_once(), 1))
                return jobs_.push_back(std::move(job));
            if (!is_over) count_one_more();
        }
        if (is_over) return job.done(gone());
        begin(std::move(job));
    }

    void stop() override {
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(stopping_, true)) return;
            breaker_ = std::thread([this] { break_off(); });
        }
        give_back(gone());
    }

    void wait() override {
        if (breaker_.joinable()) breaker_.join();
    }

private:
    // The mutex is held.
    void count_one_more() {
        ++under_way_;
        ++beginning_;
    }

    void begin(Job job) {
        {
            const Letter letter(job.parcel, job.stream, job.key);
            // Each is a first attempt to the target: how often it was tried is known elsewhere.
            parallel_.begin(letter.outgoing(),
                            [this, done = std::move(job.done), began = clock_.monotonic_us()](
                                const Result<replay::Attempted>& came) { end(came, done, began); });
        }
        const std::lock_guard lock(mutex_);
        --beginning_;
        ended_.notify_all();
    }

    void end(const Result<replay::Attempted>& came, const std::function<void(Receipt)>& done,
             std::int64_t began_us) {
        Receipt receipt = came ? receipt_of_attempt(*came) : unreachable(came.error().text());
        // Broken off by us: that is no attempt, whatever became of it.
        if (receipt.end == Receipt::End::unknown && is_breaking_off()) receipt = gone();
        receipt.duration_us = clock_.monotonic_us() - began_us;
        const bool wants_nothing =
            receipt.end == Receipt::End::pushed_back || receipt.end == Receipt::End::unreachable;
        done(receipt);
        if (wants_nothing) give_back(receipt);
        give_place();
    }

    bool is_breaking_off() {
        const std::lock_guard lock(mutex_);
        return breaking_off_;
    }

    static Receipt receipt_of_attempt(const replay::Attempted& attempted) {
        if (attempted.pushed_back_us)
            return {.end = Receipt::End::pushed_back,
                    .error = attempted.sent.error,
                    .again_us = attempted.pushed_back_us};
        // Without an answer of the service nothing is known against the event.
        if (!attempted.was_tried || !attempted.was_reached) return unreachable(attempted.sent.error);
        return receipt_of(attempted.sent, attempted.again_us.has_value(), attempted.again_us);
    }

    // What has not begun would fare as this one did.
    void give_back(const Receipt& receipt) {
        std::deque<Job> left;
        {
            const std::lock_guard lock(mutex_);
            left.swap(jobs_);
        }
        for (const Job& job : left) job.done(receipt);
    }

    // To the next one; or nothing is under way, and whoever waits for that may go.
    void give_place() {
        std::optional<Job> next;
        {
            const std::lock_guard lock(mutex_);
            --under_way_;
            ended_.notify_all();
            if (jobs_.empty()) return;
            next = std::move(jobs_.front());
            jobs_.pop_front();
            count_one_more();
        }
        begin(std::move(*next));
    }

    // The target answers what it still has when it goes.
    void break_off() {
        {
            std::unique_lock lock(mutex_);
            ended_.wait_for(lock, std::chrono::microseconds(grace_us_), [this] { return under_way_ == 0; });
            breaking_off_ = true;
            ended_.wait(lock, [this] { return beginning_ == 0; });
        }
        target_.reset();
    }

    os::Clock& clock_;
    const std::int64_t grace_us_;
    std::unique_ptr<replay::Target> target_;
    replay::ParallelTarget& parallel_;  // used only while something begins
    std::mutex mutex_;
    std::condition_variable ended_;
    std::deque<Job> jobs_;
    std::size_t under_way_ = 0, beginning_ = 0;
    bool stopping_ = false, breaking_off_ = false;
    std::thread breaker_;
};

}  // namespace

void OutsideTargets::deliver(const process::SubscriptionSpec& spec, Parcel parcel,
                             std::function<void(Receipt)> done) {
    if (spec.target == "null:") return done({});
    const auto outlet = outlet_of(spec);
    if (!outlet) return done(unreachable(outlet.error().text()));
    std::string key = idempotency_key(parts_.sender, spec.name, parcel);
    (*outlet)->send({std::move(parcel), spec.stream, std::move(key), std::move(done)});
}

Result<std::shared_ptr<OutsideTargets::Outlet>> OutsideTargets::outlet_of(
    const process::SubscriptionSpec& spec) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::interrupted, "the server is stopping");
    Place& place = places_[spec.name];
    if (place.outlet && place.target == spec.target && place.shape == spec.shape) return place.outlet;
    TARN_ASSIGN(auto target, parts_.open(spec));
    if (place.outlet) {
        place.outlet->stop();
        retired_.push_back(std::move(place.outlet));
    }
    if (target->parallel() != nullptr)
        place.outlet = std::make_shared<ParallelOutlet>(parts_.clock, std::move(target), parts_.grace_us);
    else
        place.outlet = std::make_shared<SerialOutlet>(parts_.clock, std::move(target),
                                                      [this, spec] { return parts_.open(spec); });
    place.target = spec.target;
    place.shape = spec.shape;
    return place.outlet;
}

void OutsideTargets::reopen(const std::string& target) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, place] : places_) {
        if (place.target != target || !place.outlet) continue;
        place.outlet->stop();
        retired_.push_back(std::move(place.outlet));
    }
}

void OutsideTargets::wind_up() {
    std::vector<std::shared_ptr<Outlet>> outlets;
    {
        const std::lock_guard lock(mutex_);
        stopped_ = true;
        for (auto& [name, place] : places_) retired_.push_back(std::move(place.outlet));
        places_.clear();
        outlets = retired_;
    }
    for (const auto& outlet : outlets)
        if (outlet) outlet->stop();
}

void OutsideTargets::stop() {
    wind_up();
    std::vector<std::shared_ptr<Outlet>> outlets;
    {
        const std::lock_guard lock(mutex_);
        outlets.swap(retired_);
    }
    for (const auto& outlet : outlets)
        if (outlet) outlet->wait();
}

Status check_outside_target(const process::SubscriptionSpec& spec) {
    const auto refused = [&](Error error) {
        error.message = fmt::format("subscription {}: to: {}", spec.name, error.message);
        error.code = Code::bad_config;
        error.kind = ErrorKind::config;
        return fail(std::move(error));
    };
    auto address = replay::TargetAddress::parse(spec.target);
    if (!address) return refused(std::move(address.error()));
    if (address->kind != replay::TargetKind::http) return {};
    Status allowed = net::check_address_in_url(net::AddressRule::no_private_networks, address->place);
    if (!allowed) return refused(std::move(allowed.error()));
    return {};
}

Error no_program_error(const std::string& subscription, const std::string& target) {
    return make_error(
        Code::bad_config,
        fmt::format("subscription {}: to: target {} is a program, which a subscription does not run",
                    subscription, target),
        {.next = "make it a function with runtime: command, and: to: function:NAME"});
}

Result<std::unique_ptr<replay::Target>> open_outside_target(os::Clock& clock, os::FileSystem& fs,
                                                            catalog::Catalog& catalog,
                                                            const process::SubscriptionSpec& spec) {
    // No run: nothing goes out as replayed.
    replay::TargetRun run{.run = "", .shape = spec.shape, .resume_mark = {}};
    TARN_ASSIGN(const auto address, replay::TargetAddress::parse(spec.target));
    if (address.kind == replay::TargetKind::http)
        return replay::make_http_target(clock, address.place, std::move(run));
    TARN_ASSIGN(const auto declared, replay::declared_target(catalog, address.place));
    if (declared.is_program()) return fail(no_program_error(spec.name, address.place));
    TARN_ASSIGN(auto settings, replay::http_settings(fs, declared));
    return replay::make_http_target(clock, std::move(settings), std::move(run));
}

}  // namespace tarn::server
