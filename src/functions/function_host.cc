#include "functions/function_host.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "functions/environment.h"
#include "functions/hosted_function.h"

namespace tarn::functions {
namespace {

constexpr std::int64_t idle_end_us = 60'000'000;
constexpr std::size_t kept_tail = 4096;
// A pipe holds 64 KiB: one that prints without end gets rid of about 6 MB/s and costs no more than that.
constexpr std::size_t much_output = 32u << 10;
constexpr std::int64_t output_pause_us = 10'000;
constexpr std::size_t max_body_bytes = 64u << 20;  // beyond, the listener itself refuses and closes
// A client keeps its connection while the handler works, however long that takes.
constexpr std::int64_t idle_connection_us = 24 * 3'600'000'000;
constexpr std::size_t max_connections = 64;  // what a function can take of our descriptors

class Host final : public FunctionHost {
public:
    Host(Parts parts, std::unique_ptr<os::ChildWatch> watch)
        : parts_(std::move(parts)), watch_(std::move(watch)), thread_([this] { supervise(); }) {}

    ~Host() override {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            for (auto& [name, function] : functions_) function->removed = true;
        }
        watch_->wake();
        thread_.join();
    }

    Status declare(const FunctionSpec& spec, const std::string& version) override {
        {
            const std::lock_guard lock(mutex_);
            auto& function = functions_[spec.name];
            if (!function) function = std::make_unique<HostedFunction>();
            if (!function->removed && function->version == version) return {};
            function->removed = false;
            function->spec = spec;
            function->version = version;
            function->failures = 0;
            function->next_start_us = 0;
            function->last_error.clear();
            for (auto& instance : function->instances) instance->ending = true;
        }
        watch_->wake();
        return {};
    }

    void recall(std::string_view name) override {
        Callbacks callbacks;
        {
            const std::lock_guard lock(mutex_);
            const auto found = functions_.find(name);
            if (found == functions_.end()) return;
            fail_queue(*found->second,
                       ended(InvocationEnd::recalled, "Tarn.Recalled", "it was taken back while it waited"),
                       callbacks);
        }
        run(callbacks);
    }

    std::shared_ptr<void> suspend(std::string_view name) override {
        std::unique_lock lock(mutex_);
        const auto held = suspended_.emplace(name);
        const auto is_gone = [&] {
            const auto found = functions_.find(name);
            return found == functions_.end() || found->second->instances.empty();
        };
        if (const auto found = functions_.find(name); found != functions_.end())
            for (auto& instance : found->second->instances) instance->ending = true;
        watch_->wake();
        gone_.wait(lock, is_gone);
        return {this, [this, held](void*) {
                    const std::lock_guard release(mutex_);
                    suspended_.erase(held);
                    watch_->wake();
                }};
    }

    void remove(std::string_view name) override {
        {
            const std::lock_guard lock(mutex_);
            const auto found = functions_.find(name);
            if (found == functions_.end()) return;
            found->second->removed = true;
        }
        watch_->wake();
    }

    Status invoke(std::string_view name, Invocation invocation, InvocationDone done) override {
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            const auto found = functions_.find(name);
            if (found == functions_.end() || found->second->removed || stopping_)
                return fail(Code::unknown_function, fmt::format("there is no function {}", name),
                            {.next = "tarn function list"});
            HostedFunction& function = *found->second;
            function.queue.push_back({std::move(invocation), std::move(done)});
            serve(function);
            wake = function.alive() < function.wanted();
        }
        if (wake) watch_->wake();
        return {};
    }

    std::vector<FunctionStatus> list() override {
        const std::lock_guard lock(mutex_);
        std::vector<FunctionStatus> all;
        for (const auto& [name, function] : functions_)
            if (!function->removed) all.push_back(function->status());
        return all;
    }

    std::optional<FunctionStatus> find(std::string_view name) override {
        const std::lock_guard lock(mutex_);
        const auto found = functions_.find(name);
        if (found == functions_.end() || found->second->removed) return std::nullopt;
        return found->second->status();
    }

    std::vector<LogLine> logs(std::string_view name, const LogSelection& selection) override {
        const std::lock_guard lock(mutex_);
        const auto found = functions_.find(name);
        if (found == functions_.end()) return {};
        return found->second->lines.newest(selection);
    }

private:
    using Callbacks = std::vector<std::pair<InvocationDone, InvocationResult>>;

    // ---- invocations; under mutex_

    void serve(HostedFunction& function) {
        for (auto& instance : function.instances) {
            if (function.queue.empty()) return;
            if (!function.may_serve(*instance)) continue;
            begin(function, *instance, std::move(function.queue.front()));
            function.queue.pop_front();
        }
    }

    void begin(HostedFunction& function, Instance& instance, PendingInvocation pending) {
        const std::int64_t now = parts_.clock.monotonic_us();
        RunningInvocation running{.pending = std::move(pending),
                                  .request_id = os::make_uuid7(parts_.clock.now(), parts_.rng),
                                  .started_us = now,
                                  .deadline_us = now + function.spec.timeout_us};
        const std::int64_t deadline_ms = (parts_.clock.now().us + function.spec.timeout_us) / 1000;
        auto respond = std::move(*instance.poll);
        instance.poll.reset();
        ++function.invocations;
        respond(
            next_response(running.request_id, deadline_ms, function.spec.name, running.pending.invocation));
        instance.running = std::move(running);
        // The supervisor sleeps until the earliest deadline that it knows of.
        if (instance.running->deadline_us < sleeping_until_us_) watch_->wake();
    }

    void finish(HostedFunction& function, Instance& instance, InvocationResult result, Callbacks& callbacks) {
        take_output(function, instance);
        end_line(function, instance);
        RunningInvocation running = std::move(*instance.running);
        instance.running.reset();
        instance.idle_since_us = parts_.clock.monotonic_us();
        result.request_id = running.request_id;
        result.version = instance.version;
        result.log_tail = std::move(running.log_tail);
        result.duration_us = instance.idle_since_us - running.started_us;
        if (result.end == InvocationEnd::returned) function.failures = 0;
        if (result.end == InvocationEnd::failed || result.end == InvocationEnd::refused) ++function.errors;
        if (result.end == InvocationEnd::timed_out) ++function.timeouts;
        if (result.end == InvocationEnd::crashed) ++function.crashes;
        callbacks.emplace_back(std::move(running.pending.done), std::move(result));
    }

    static void fail_queue(HostedFunction& function, const InvocationResult& result, Callbacks& callbacks) {
        for (auto& pending : function.queue) callbacks.emplace_back(std::move(pending.done), result);
        function.queue.clear();
    }

    // ---- the Runtime API; on a listener's thread

    void on_call(HostedFunction& function, Instance& instance, const RuntimeCall& call, net::Request request,
                 net::Handler::Respond respond) {
        Callbacks callbacks;
        using Kind = RuntimeCall::Kind;
        if (call.kind == Kind::response || call.kind == Kind::error) {
            // Read before the lock is taken: it may be megabytes.
            const std::size_t size = request.body.size();
            InvocationResult result =
                size > max_answer_bytes ? too_large(size) : read_answer(call, std::move(request));
            result.request_id = call.request_id;
            const std::lock_guard lock(mutex_);
            on_answer(function, instance, std::move(result), respond, callbacks);
        } else {
            const std::lock_guard lock(mutex_);
            if (call.kind == Kind::next) {
                on_next(function, instance, std::move(respond), callbacks);
            } else if (call.kind == Kind::init_error) {
                instance.init_error = read_init_error(std::move(request));
                respond(accepted());
            } else {
                respond(refused(404, "NotFound", "not a call of the Runtime API"));
            }
        }
        run(callbacks);
    }

    void on_next(HostedFunction& function, Instance& instance, net::Handler::Respond respond,
                 Callbacks& callbacks) {
        // One invocation at a time: who asks for the next one has given up the one under way. Some clients
        // do that when their answer was refused.
        if (instance.running)
            finish(function, instance,
                   ended(InvocationEnd::failed, "Runtime.NoAnswer",
                         "it asked for the next invocation without answering this one"),
                   callbacks);
        if (instance.ending) return watch_->wake();  // it will be ended; a poll has no time-out
        instance.poll = std::move(respond);
        if (!instance.ready) {
            instance.ready = true;
            instance.idle_since_us = parts_.clock.monotonic_us();
            function.last_error.clear();
        }
        serve(function);
    }

    void on_answer(HostedFunction& function, Instance& instance, InvocationResult result,
                   const net::Handler::Respond& respond, Callbacks& callbacks) {
        if (!instance.running || instance.running->request_id != result.request_id)
            return respond(refused(400, "InvalidRequestID", "no such invocation, or it is over"));
        respond(result.end == InvocationEnd::refused
                    ? refused(413, "RequestEntityTooLarge", "an answer has 6 MiB at most")
                    : accepted());
        finish(function, instance, std::move(result), callbacks);
        if (instance.ending) watch_->wake();
    }

    static void run(Callbacks& callbacks) {
        for (auto& [done, result] : callbacks) done(std::move(result));
    }

    // ---- supervision; on the host's own thread

    void supervise() {
        while (true) {
            Callbacks callbacks;
            std::vector<std::unique_ptr<Instance>> buried;
            std::vector<int> descriptors;
            std::int64_t wait_us = -1;
            bool over = false;
            {
                const std::lock_guard lock(mutex_);
                wait_us = look_after_all(callbacks, buried, descriptors);
                over = stopping_ && functions_.empty();
            }
            run(callbacks);
            const bool again = !buried.empty();
            buried.clear();  // joins listeners: not under the lock that they take
            if (over) return;
            if (!again) watch_->wait(descriptors, wait_us);
        }
    }

    // How long it may sleep.
    std::int64_t look_after_all(Callbacks& callbacks, std::vector<std::unique_ptr<Instance>>& buried,
                                std::vector<int>& descriptors) {
        const std::int64_t now = parts_.clock.monotonic_us();
        std::int64_t until = now + idle_end_us;
        for (auto at = functions_.begin(); at != functions_.end();) {
            HostedFunction& function = *at->second;
            if (function.removed)
                fail_queue(function,
                           ended(InvocationEnd::stopped, "Tarn.Stopped", "the function was stopped"),
                           callbacks);
            for (auto& instance : function.instances) look_after(function, *instance, now, until, callbacks);
            for (auto& instance : function.instances)
                if (instance->child == nullptr) buried.push_back(std::move(instance));
            if (std::erase(function.instances, nullptr) > 0) gone_.notify_all();
            if (!function.removed && !suspended_.contains(at->first))
                start_wanted(function, now, until, callbacks);
            for (const auto& instance : function.instances)
                for (const int descriptor : instance->child->descriptors(now >= instance->next_output_us))
                    descriptors.push_back(descriptor);
            if (function.removed && function.instances.empty())
                at = functions_.erase(at);
            else
                ++at;
        }
        sleeping_until_us_ = until;
        return until - now;
    }

    void look_after(HostedFunction& function, Instance& instance, std::int64_t now, std::int64_t& until,
                    Callbacks& callbacks) {
        if (now >= instance.next_output_us) take_output(function, instance);
        if (now < instance.next_output_us) until = std::min(until, instance.next_output_us);
        check_deadlines(function, instance, now, until, callbacks);
        if (function.removed && !instance.ending) {
            instance.ending = true;
            instance.end_as = InvocationEnd::stopped;
        }
        // A replaced one finishes what it is doing; a removed one does not.
        if (instance.ending && (!instance.running || function.removed)) instance.child->kill();
        if (const auto end = instance.child->end()) bury(function, instance, *end, now, callbacks);
    }

    void check_deadlines(HostedFunction& function, Instance& instance, std::int64_t now, std::int64_t& until,
                         Callbacks& callbacks) {
        if (instance.running) {
            if (now < instance.running->deadline_us) {
                until = std::min(until, instance.running->deadline_us);
                return;
            }
            instance.ending = true;
            finish(function, instance,
                   ended(InvocationEnd::timed_out, "Sandbox.Timedout",
                         fmt::format("Task timed out after {:.2f} seconds",
                                     static_cast<double>(function.spec.timeout_us) / 1e6)),
                   callbacks);
            return;
        }
        if (instance.ending) return;
        if (!instance.ready) {
            const std::int64_t deadline = instance.started_us + function.spec.init_timeout_us;
            until = std::min(until, std::max(deadline, now + 1000));
            if (now < deadline) return;
            instance.init_error =
                ended(InvocationEnd::init_failed, "Sandbox.Timedout",
                      fmt::format("it did not ask for an invocation within {:.2f} seconds of its start",
                                  static_cast<double>(function.spec.init_timeout_us) / 1e6));
            instance.ending = true;
            return;
        }
        if (function.alive() <= function.spec.min_instances) return;
        const std::int64_t idle_end = instance.idle_since_us + idle_end_us;
        if (now >= idle_end)
            instance.ending = true;
        else
            until = std::min(until, idle_end);
    }

    // Its processes are gone. Leaves `child` null for the caller to remove the rest.
    void bury(HostedFunction& function, Instance& instance, const os::ChildEnd& end, std::int64_t now,
              Callbacks& callbacks) {
        take_output(function, instance);
        end_line(function, instance);
        // Of one that was replaced nobody wants to know why it did not start.
        const bool unwanted =
            instance.version != function.version || (instance.ending && !instance.init_error);
        if (instance.running) {
            finish(function, instance, end_of_running(instance, end), callbacks);
            if (!unwanted) function.back_off(now);
        } else if (!instance.ready && !unwanted) {
            start_failed(function, end_of_start(instance, end), now, callbacks);
        } else if (!unwanted) {
            function.back_off(now);
        }
        instance.child.reset();
    }

    void start_failed(HostedFunction& function, InvocationResult result, std::int64_t now,
                      Callbacks& callbacks) {
        function.back_off(now);
        function.last_error = fmt::format("{}: {}", result.error_type, result.error_message);
        result.version = function.version;
        result.log_tail = function.lines.tail(kept_tail);
        if (!function.has_ready()) fail_queue(function, result, callbacks);
    }

    void start_wanted(HostedFunction& function, std::int64_t now, std::int64_t& until, Callbacks& callbacks) {
        while (function.alive() < function.wanted()) {
            if (now < function.next_start_us) {
                until = std::min(until, function.next_start_us);
                return;
            }
            if (auto started = start_instance(function, now); !started) {
                start_failed(function,
                             ended(InvocationEnd::init_failed, "Tarn.StartFailed", started.error().text()),
                             now, callbacks);
                until = std::min(until, std::max(function.next_start_us, now + first_backoff_us));
                return;
            }
            until = std::min(until, now + function.spec.init_timeout_us);
        }
    }

    Status start_instance(HostedFunction& function, std::int64_t now) {
        auto instance = std::make_unique<Instance>(
            fmt::format("{}-{}", function.spec.name, function.next_instance++),
            [this, &function](Instance& at, const RuntimeCall& call, net::Request request,
                              net::Handler::Respond respond) {
                on_call(function, at, call, std::move(request), std::move(respond));
            });
        instance->version = function.version;
        instance->started_us = now;
        const net::ServerOptions options{.port = 0,
                                         .max_body_bytes = max_body_bytes,
                                         .max_header_bytes = 256u << 10,
                                         .max_connections = max_connections,
                                         .idle_timeout_us = idle_connection_us};
        TARN_ASSIGN(instance->server, net::HttpServer::start(options, *instance));
        TARN_ASSIGN(instance->child,
                    os::Child::start({.keeper = parts_.program,
                                      .arguments = command_line(function.spec),
                                      .environment = environment_of(function.spec, function.version,
                                                                    instance->name, instance->server->port()),
                                      .working_directory = function.spec.directory,
                                      .memory_limit_bytes = function.spec.memory_bytes}));
        function.instances.push_back(std::move(instance));
        return {};
    }

    // ---- output; under mutex_

    void take_output(HostedFunction& function, Instance& instance) {
        if (instance.child == nullptr) return;
        const std::string bytes = instance.child->read_output();
        if (bytes.empty()) return;
        if (bytes.size() >= much_output)
            instance.next_output_us = parts_.clock.monotonic_us() + output_pause_us;
        if (instance.running) {
            std::string& tail = instance.running->log_tail;
            tail += bytes;
            if (tail.size() > kept_tail) tail.erase(0, tail.size() - kept_tail);
        }
        instance.line.add(bytes, [&](std::string text) { add_line(function, instance, std::move(text)); });
    }

    void end_line(HostedFunction& function, Instance& instance) {
        instance.line.end([&](std::string text) { add_line(function, instance, std::move(text)); });
    }

    void add_line(HostedFunction& function, const Instance& instance, std::string text) {
        const LogLine& line =
            function.lines.add({.at = parts_.clock.now(),
                                .function = function.spec.name,
                                .instance = instance.name,
                                .request_id = instance.running ? instance.running->request_id : "",
                                .text = std::move(text)});
        if (parts_.on_line) parts_.on_line(line);
    }

    const Parts parts_;
    const std::unique_ptr<os::ChildWatch> watch_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<HostedFunction>, std::less<>> functions_;
    std::multiset<std::string, std::less<>> suspended_;
    std::condition_variable gone_;  // an instance
    bool stopping_ = false;
    std::int64_t sleeping_until_us_ = 0;
    std::thread thread_;
};

}  // namespace

codec::Json FunctionStatus::to_json() const {
    codec::Json json = codec::Json::object({{"name", spec.name}});
    json.set("version", version).set("state", state);
    json.set("running", instances).set("busy", busy).set("waiting", waiting);
    json.set("invocations", invocations)
        .set("errors", errors)
        .set("timeouts", timeouts)
        .set("crashes", crashes);
    if (!last_error.empty()) json.set("last_error", last_error);
    const codec::Json declared = spec.to_json();
    for (const auto& [name, value] : declared.members()) json.set(name, value);
    return json;
}

Result<std::unique_ptr<FunctionHost>> FunctionHost::start(Parts parts) {
    TARN_ASSIGN(auto watch, os::ChildWatch::make());
    return std::make_unique<Host>(std::move(parts), std::move(watch));
}

Result<InvocationResult> FunctionHost::invoke_and_wait(std::string_view name, Invocation invocation) {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<InvocationResult> answer;
    TARN_TRY(invoke(name, std::move(invocation), [&](InvocationResult result) {
        const std::lock_guard lock(mutex);
        answer = std::move(result);
        changed.notify_one();
    }));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return answer.has_value(); });
    return std::move(*answer);
}

}  // namespace tarn::functions
