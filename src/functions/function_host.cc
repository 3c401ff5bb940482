#include "functions/function_host.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "functions/instance.h"

namespace tarn::functions {
namespace {

constexpr std::int64_t idle_end_us = 60'000'000;
constexpr std::int64_t first_backoff_us = 100'000;
constexpr std::int64_t longest_backoff_us = 30'000'000;
constexpr std::size_t kept_lines = 1000;
constexpr std::size_t longest_line = 8192;
constexpr std::size_t kept_tail = 4096;
constexpr std::size_t max_body_bytes = 64u << 20;  // beyond, the listener itself refuses and closes

struct Function {
    FunctionSpec spec;
    std::string version;
    std::deque<PendingInvocation> queue;
    std::vector<std::unique_ptr<Instance>> instances;
    bool removed = false;
    int failures = 0;  // starts or crashes without a success between
    std::int64_t next_start_us = 0;
    std::string last_error;
    std::uint64_t next_instance = 1;
    std::uint64_t invocations = 0, errors = 0, timeouts = 0, crashes = 0;
    std::deque<LogLine> lines;

    std::size_t alive() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(instances, [](const auto& each) { return !each->ending; }));
    }
    std::size_t busy() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(instances, [](const auto& each) { return each->running.has_value(); }));
    }
    bool has_ready() const {
        return std::ranges::any_of(instances, [](const auto& each) { return each->ready && !each->ending; });
    }
    bool may_serve(const Instance& instance) const {
        return instance.poll && !instance.running && !instance.ending;
    }
};

std::string inherited(const char* name, const char* otherwise) {
    const char* const value = std::getenv(name);
    return fmt::format("{}={}", name, value != nullptr ? value : otherwise);
}

// As Lambda sets it; what the declaration names comes last and wins.
std::vector<std::string> environment_of(const FunctionSpec& spec, const std::string& version,
                                        const std::string& instance, std::uint16_t port) {
    std::vector<std::string> list = {
        inherited("PATH", "/usr/local/bin:/usr/bin:/bin"),
        inherited("HOME", "/tmp"),
        "LANG=C.UTF-8",
        "TZ=UTC",
        fmt::format("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{}", port),
        fmt::format("AWS_LAMBDA_FUNCTION_NAME={}", spec.name),
        fmt::format("AWS_LAMBDA_FUNCTION_VERSION={}", version),
        fmt::format("AWS_LAMBDA_FUNCTION_MEMORY_SIZE={}", spec.memory_bytes >> 20),
        fmt::format("AWS_LAMBDA_LOG_GROUP_NAME=/tarn/{}", spec.name),
        fmt::format("AWS_LAMBDA_LOG_STREAM_NAME={}", instance),
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "AWS_REGION=us-east-1",
        "AWS_DEFAULT_REGION=us-east-1",
        fmt::format("LAMBDA_TASK_ROOT={}", spec.directory),
        fmt::format("LAMBDA_RUNTIME_DIR={}", spec.directory),
        fmt::format("_HANDLER={}", spec.handler),
        fmt::format("TARN_FUNCTION_INSTANCE={}", instance),
    };
    for (const auto& [name, value] : spec.environment) list.push_back(fmt::format("{}={}", name, value));
    return list;
}

InvocationResult ended(InvocationEnd end, std::string type, std::string message) {
    InvocationResult result;
    result.end = end;
    result.error_type = std::move(type);
    result.error_message = std::move(message);
    return result;
}

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
            if (!function) function = std::make_unique<Function>();
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
            Function& function = *found->second;
            function.queue.push_back({std::move(invocation), std::move(done)});
            serve(function);
            wake = !function.queue.empty();
        }
        if (wake) watch_->wake();  // perhaps another instance is wanted
        return {};
    }

    std::vector<FunctionStatus> list() override {
        const std::lock_guard lock(mutex_);
        std::vector<FunctionStatus> all;
        for (const auto& [name, function] : functions_)
            if (!function->removed) all.push_back(status_of(*function));
        return all;
    }

    std::optional<FunctionStatus> find(std::string_view name) override {
        const std::lock_guard lock(mutex_);
        const auto found = functions_.find(name);
        if (found == functions_.end() || found->second->removed) return std::nullopt;
        return status_of(*found->second);
    }

    std::vector<LogLine> logs(std::string_view name, std::size_t limit) override {
        const std::lock_guard lock(mutex_);
        const auto found = functions_.find(name);
        if (found == functions_.end()) return {};
        const auto& lines = found->second->lines;
        const std::size_t count = std::min(limit, lines.size());
        return {lines.end() - static_cast<std::ptrdiff_t>(count), lines.end()};
    }

private:
    using Callbacks = std::vector<std::pair<InvocationDone, InvocationResult>>;

    static FunctionStatus status_of(const Function& function) {
        FunctionStatus status{.spec = function.spec, .version = function.version};
        status.instances = function.alive();
        status.busy = function.busy();
        status.waiting = function.queue.size();
        status.invocations = function.invocations;
        status.errors = function.errors;
        status.timeouts = function.timeouts;
        status.crashes = function.crashes;
        status.last_error = function.last_error;
        if (!function.last_error.empty() && !function.has_ready())
            status.state = "failing";
        else if (!function.has_ready())
            status.state = "starting";
        else
            status.state = status.busy > 0 ? "busy" : "ready";
        return status;
    }

    // ---- invocations; under mutex_

    void serve(Function& function) {
        for (auto& instance : function.instances) {
            if (function.queue.empty()) return;
            if (!function.may_serve(*instance)) continue;
            begin(function, *instance, std::move(function.queue.front()));
            function.queue.pop_front();
        }
    }

    void begin(Function& function, Instance& instance, PendingInvocation pending) {
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

    void finish(Function& function, Instance& instance, InvocationResult result, Callbacks& callbacks) {
        take_output(function, instance);
        RunningInvocation running = std::move(*instance.running);
        instance.running.reset();
        instance.idle_since_us = parts_.clock.monotonic_us();
        result.request_id = running.request_id;
        result.version = function.version;
        result.log_tail = std::move(running.log_tail);
        result.duration_us = instance.idle_since_us - running.started_us;
        if (result.end == InvocationEnd::returned) function.failures = 0;
        if (result.end == InvocationEnd::failed || result.end == InvocationEnd::refused) ++function.errors;
        if (result.end == InvocationEnd::timed_out) ++function.timeouts;
        if (result.end == InvocationEnd::crashed) ++function.crashes;
        callbacks.emplace_back(std::move(running.pending.done), std::move(result));
    }

    static void fail_queue(Function& function, const InvocationResult& result, Callbacks& callbacks) {
        for (auto& pending : function.queue) callbacks.emplace_back(std::move(pending.done), result);
        function.queue.clear();
    }

    // ---- the Runtime API; on a listener's thread

    void on_call(Function& function, Instance& instance, const RuntimeCall& call, net::Request request,
                 net::Handler::Respond respond) {
        Callbacks callbacks;
        {
            const std::lock_guard lock(mutex_);
            switch (call.kind) {
                case RuntimeCall::Kind::next:
                    on_next(function, instance, std::move(respond));
                    break;
                case RuntimeCall::Kind::response:
                case RuntimeCall::Kind::error:
                    on_answer(function, instance, call, std::move(request), respond, callbacks);
                    break;
                case RuntimeCall::Kind::init_error:
                    instance.init_error = read_init_error(std::move(request));
                    respond(accepted());
                    break;
                case RuntimeCall::Kind::unknown:
                    respond(refused(404, "NotFound", "not a call of the Runtime API"));
                    break;
            }
        }
        run(callbacks);
    }

    void on_next(Function& function, Instance& instance, net::Handler::Respond respond) {
        if (instance.ending) return watch_->wake();  // it will be ended; a poll has no time-out
        instance.poll = std::move(respond);
        if (!instance.ready) {
            instance.ready = true;
            instance.idle_since_us = parts_.clock.monotonic_us();
            function.last_error.clear();
        }
        serve(function);
    }

    void on_answer(Function& function, Instance& instance, const RuntimeCall& call, net::Request request,
                   const net::Handler::Respond& respond, Callbacks& callbacks) {
        if (!instance.running || instance.running->request_id != call.request_id)
            return respond(refused(400, "InvalidRequestID", "no such invocation, or it is over"));
        if (request.body.size() > max_answer_bytes) {
            respond(refused(413, "RequestEntityTooLarge", "an answer has 6 MiB at most"));
            finish(function, instance,
                   ended(InvocationEnd::refused, "Function.ResponseSizeTooLarge",
                         fmt::format("it answered {} bytes; an answer has {} at most", request.body.size(),
                                     max_answer_bytes)),
                   callbacks);
            return;
        }
        respond(accepted());
        finish(function, instance, read_answer(call, std::move(request)), callbacks);
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
            Function& function = *at->second;
            if (function.removed)
                fail_queue(function,
                           ended(InvocationEnd::stopped, "Tarn.Stopped", "the function was stopped"),
                           callbacks);
            for (auto& instance : function.instances) look_after(function, *instance, now, until, callbacks);
            for (auto& instance : function.instances)
                if (instance->child == nullptr) buried.push_back(std::move(instance));
            std::erase(function.instances, nullptr);
            if (!function.removed) start_wanted(function, now, until, callbacks);
            for (const auto& instance : function.instances)
                for (const int descriptor : instance->child->descriptors()) descriptors.push_back(descriptor);
            if (function.removed && function.instances.empty())
                at = functions_.erase(at);
            else
                ++at;
        }
        sleeping_until_us_ = until;
        return until - now;
    }

    void look_after(Function& function, Instance& instance, std::int64_t now, std::int64_t& until,
                    Callbacks& callbacks) {
        take_output(function, instance);
        check_deadlines(function, instance, now, until, callbacks);
        if (function.removed && !instance.ending) {
            instance.ending = true;
            instance.end_as = InvocationEnd::stopped;
        }
        // A replaced one finishes what it is doing; a removed one does not.
        if (instance.ending && (!instance.running || function.removed)) instance.child->kill();
        if (const auto end = instance.child->end()) bury(function, instance, *end, now, callbacks);
    }

    void check_deadlines(Function& function, Instance& instance, std::int64_t now, std::int64_t& until,
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
    void bury(Function& function, Instance& instance, const os::ChildEnd& end, std::int64_t now,
              Callbacks& callbacks) {
        take_output(function, instance);
        add_line(function, instance, std::move(instance.partial_line));
        const bool unwanted = instance.ending && !instance.init_error;
        if (instance.running) {
            finish(function, instance, end_of_running(instance, end), callbacks);
            if (!unwanted) back_off(function, now);
        } else if (!instance.ready && !unwanted) {
            start_failed(function, end_of_start(instance, end), now, callbacks);
        } else if (!unwanted) {
            back_off(function, now);
        }
        instance.child.reset();
    }

    static InvocationResult end_of_running(const Instance& instance, const os::ChildEnd& end) {
        if (instance.end_as == InvocationEnd::stopped)
            return ended(InvocationEnd::stopped, "Tarn.Stopped", "the function was stopped");
        if (end.kind == os::ChildEnd::Kind::out_of_memory)
            return ended(InvocationEnd::crashed, "Runtime.OutOfMemory", end.text());
        return ended(InvocationEnd::crashed, "Runtime.ExitError",
                     fmt::format("the process ended without an answer: {}", end.text()));
    }

    static InvocationResult end_of_start(const Instance& instance, const os::ChildEnd& end) {
        if (instance.init_error) return *instance.init_error;
        return ended(InvocationEnd::init_failed, "Runtime.ExitError",
                     fmt::format("the process ended before it asked for an invocation: {}", end.text()));
    }

    void start_failed(Function& function, InvocationResult result, std::int64_t now, Callbacks& callbacks) {
        back_off(function, now);
        function.last_error = fmt::format("{}: {}", result.error_type, result.error_message);
        result.version = function.version;
        for (auto line = function.lines.rbegin();
             line != function.lines.rend() && result.log_tail.size() < kept_tail; ++line)
            result.log_tail = line->text + "\n" + result.log_tail;
        if (!function.has_ready()) fail_queue(function, result, callbacks);
    }

    // The first one is forgiven at once; those that follow without a success wait longer and longer.
    static void back_off(Function& function, std::int64_t now) {
        const int failures = function.failures++;
        if (failures == 0) return;
        function.next_start_us =
            now + std::min(longest_backoff_us, first_backoff_us << std::min(failures - 1, 16));
    }

    void start_wanted(Function& function, std::int64_t now, std::int64_t& until, Callbacks& callbacks) {
        const std::size_t wanted = std::clamp(function.busy() + function.queue.size(),
                                              function.spec.min_instances, function.spec.max_instances);
        while (function.alive() < wanted) {
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

    Status start_instance(Function& function, std::int64_t now) {
        auto instance = std::make_unique<Instance>(
            fmt::format("{}-{}", function.spec.name, function.next_instance++),
            [this, &function](Instance& at, const RuntimeCall& call, net::Request request,
                              net::Handler::Respond respond) {
                on_call(function, at, call, std::move(request), std::move(respond));
            });
        instance->started_us = now;
        net::ServerOptions options{
            .port = 0, .max_body_bytes = max_body_bytes, .max_header_bytes = 256u << 10};
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

    void take_output(Function& function, Instance& instance) {
        if (instance.child == nullptr) return;
        const std::string bytes = instance.child->read_output();
        if (bytes.empty()) return;
        if (instance.running) {
            std::string& tail = instance.running->log_tail;
            tail += bytes;
            if (tail.size() > kept_tail) tail.erase(0, tail.size() - kept_tail);
        }
        std::string_view rest = bytes;
        for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;
             rest.remove_prefix(end + 1)) {
            append_bounded(instance.partial_line, rest.substr(0, end));
            add_line(function, instance, std::move(instance.partial_line));
            instance.partial_line.clear();
        }
        append_bounded(instance.partial_line, rest);
    }

    static void append_bounded(std::string& line, std::string_view bytes) {
        line += bytes.substr(0, longest_line - std::min(longest_line, line.size()));
    }

    void add_line(Function& function, const Instance& instance, std::string text) {
        if (text.empty()) return;
        function.lines.push_back({parts_.clock.now(), function.spec.name, instance.name,
                                  instance.running ? instance.running->request_id : "", std::move(text)});
        if (function.lines.size() > kept_lines) function.lines.pop_front();
        if (parts_.on_line) parts_.on_line(function.lines.back());
    }

    const Parts parts_;
    const std::unique_ptr<os::ChildWatch> watch_;
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<Function>, std::less<>> functions_;
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
