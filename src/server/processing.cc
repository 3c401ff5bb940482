#include "server/processing.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "base/nearest.h"
#include "log/log.h"

namespace tarn::server {
namespace {

// "TARN_STORE_CASE_FILES" for the store case-files.
std::string store_variable(const std::string& store) {
    std::string name = "TARN_STORE_";
    for (const char c : store)
        name += std::isalnum(static_cast<unsigned char>(c)) != 0
                    ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                    : '_';
    return name;
}

}  // namespace

Status Processing::declare(const functions::FunctionSpec& spec) {
    TARN_TRY(functions::code_version(spec, parts_.fs));  // its code must be there
    TARN_TRY(parts_.catalog.put_document({"function", spec.name, parts_.clock.now(), spec.to_json()}));
    return started_ ? put_to_work(spec) : Status();
}

Status Processing::declare(const process::SubscriptionSpec& spec) {
    TARN_TRY(parts_.catalog.put_document({"subscription", spec.name, parts_.clock.now(), spec.to_json()}));
    // Where it begins is decided now, whoever delivers later.
    return put_to_work(spec);
}

Result<std::vector<functions::FunctionSpec>> Processing::functions() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents("function"));
    std::vector<functions::FunctionSpec> specs;
    for (const auto& document : documents) {
        TARN_ASSIGN(auto spec, functions::FunctionSpec::from_json(document.id, document.body, "/"));
        specs.push_back(std::move(spec));
    }
    return specs;
}

Result<functions::FunctionSpec> Processing::function(std::string_view name) {
    TARN_ASSIGN(const auto specs, functions());
    std::vector<std::string> names;
    for (const auto& spec : specs) {
        if (spec.name == name) return spec;
        names.push_back(spec.name);
    }
    const std::string nearest = nearest_word(name, names);
    return fail(Code::unknown_function, fmt::format("there is no function {}", name),
                {.next = nearest.empty() ? "declare it in tarn.yaml: functions"
                                         : fmt::format("did you mean {}?", nearest)});
}

Result<std::vector<process::SubscriptionSpec>> Processing::subscriptions() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents("subscription"));
    std::vector<process::SubscriptionSpec> specs;
    for (const auto& document : documents) {
        TARN_ASSIGN(auto spec, process::SubscriptionSpec::from_json(document.id, document.body));
        specs.push_back(std::move(spec));
    }
    return specs;
}

Result<functions::FunctionHost*> Processing::host() {
    const std::lock_guard lock(mutex_);
    if (!host_) {
        TARN_ASSIGN(host_, functions::FunctionHost::start({parts_.clock, parts_.rng, parts_.program, {}}));
    }
    return host_.get();
}

Result<process::Processes*> Processing::processes() {
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    {
        const std::lock_guard lock(mutex_);
        if (processes_) return processes_.get();
        TARN_ASSIGN(processes_, process::Processes::open({parts_.lake,
                                                          [this] { return parts_.log.durable_end(); },
                                                          *functions,
                                                          parts_.clock,
                                                          parts_.rng,
                                                          parts_.directory + "/process.db",
                                                          {}}));
    }
    // What it remembers is of what was declared.
    TARN_ASSIGN(const auto specs, subscriptions());
    for (const auto& spec : specs) {
        const Status working = put_to_work(spec);
        // Its stream was deleted: there is nothing to deliver, and the others must work.
        if (!working && working.error().kind != ErrorKind::not_found) return fail(working.error());
    }
    return processes_.get();
}

// What a function feeds, it finds through its environment.
functions::FunctionSpec Processing::with_environment(functions::FunctionSpec spec) const {
    for (const auto& store : spec.stores)
        spec.environment.emplace_back(store_variable(store),
                                      fmt::format("{}/stores/{}/live.db", parts_.directory, store));
    return spec;
}

Status Processing::put_to_work(const functions::FunctionSpec& spec) {
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    TARN_ASSIGN(const std::string version, functions::code_version(spec, parts_.fs));
    return functions->declare(with_environment(spec), version);
}

Status Processing::put_to_work(const process::SubscriptionSpec& spec) {
    TARN_ASSIGN(process::Processes * deliveries, processes());
    TARN_ASSIGN(const Sequence from, first_sequence(spec));
    return deliveries->declare(spec, from);
}

// A function that feeds a store folds history; one with effects elsewhere begins with what comes.
Result<Sequence> Processing::first_sequence(const process::SubscriptionSpec& spec) {
    bool from_start = spec.from_start.value_or(false);
    if (!spec.from_start) {
        const auto function = this->function(spec.function);
        from_start = function && !function->stores.empty();
    }
    return from_start ? Sequence{1} : parts_.log.durable_end();
}

Status Processing::start() {
    TARN_ASSIGN(const auto function_specs, functions());
    TARN_ASSIGN(const auto subscription_specs, subscriptions());
    started_ = true;
    if (function_specs.empty() && subscription_specs.empty()) return {};
    TARN_ASSIGN(process::Processes * deliveries, processes());
    for (const auto& spec : function_specs) {
        const Status working = put_to_work(spec);
        // One whose code is gone must not keep the others from working; its subscriptions say so.
        if (!working && working.error().code != Code::unreadable_source &&
            working.error().kind != ErrorKind::not_found)
            return working;
    }
    deliveries->start();
    return {};
}

void Processing::stop(std::int64_t grace_us) {
    started_ = false;
    if (processes_) processes_->stop(grace_us);
    host_.reset();
    processes_.reset();
}

Result<std::vector<std::string>> Processing::reload() {
    std::vector<std::string> changed;
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    TARN_ASSIGN(const auto specs, this->functions());
    for (const auto& spec : specs) {
        const auto version = functions::code_version(spec, parts_.fs);
        if (!version) continue;  // in the middle of being written
        const auto at_work = functions->find(spec.name);
        if (at_work && at_work->version == *version) continue;
        TARN_TRY(functions->declare(with_environment(spec), *version));
        changed.push_back(spec.name);
    }
    return changed;
}

Result<functions::InvocationResult> Processing::invoke(const std::string& name,
                                                       functions::Invocation invocation) {
    TARN_ASSIGN(const auto spec, function(name));
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    if (!functions->find(name)) TARN_TRY(put_to_work(spec));
    return functions->invoke_and_wait(name, std::move(invocation));
}

}  // namespace tarn::server
