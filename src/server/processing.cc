#include "server/processing.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <set>

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

Result<std::vector<process::SubscriptionSpec>> Processing::feeding_subscriptions(std::string_view store) {
    std::set<std::string> feeding;
    TARN_ASSIGN(const auto function_specs, functions());
    for (const auto& spec : function_specs)
        if (std::ranges::find(spec.stores, store) != spec.stores.end()) feeding.insert(spec.name);
    TARN_ASSIGN(auto specs, subscriptions());
    std::erase_if(specs, [&](const auto& spec) { return !feeding.contains(spec.function); });
    std::ranges::sort(specs, {}, &process::SubscriptionSpec::name);
    return specs;
}

Result<functions::FunctionHost*> Processing::host() {
    const std::lock_guard lock(mutex_);
    if (!host_) {
        TARN_ASSIGN(host_, functions::FunctionHost::start({parts_.clock, parts_.rng, parts_.program, {}}));
    }
    return host_.get();
}

// What it remembers is of what was declared, so all of that is put to work before anybody sees it.
Result<process::Processes*> Processing::processes() {
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    const std::lock_guard lock(mutex_);
    if (processes_) return processes_.get();
    outside_ = std::make_unique<OutsideTargets>(
        OutsideTargets::Parts{parts_.clock, parts_.sender, [this](const process::SubscriptionSpec& spec) {
                                  return open_outside_target(parts_.clock, parts_.fs, parts_.catalog, spec);
                              }});
    TARN_ASSIGN(
        auto opened,
        process::Processes::open(
            {.lake = parts_.lake,
             .durable_end = [this] { return parts_.log.durable_end(); },
             .functions = *functions,
             .clock = parts_.clock,
             .rng = parts_.rng,
             .path = parts_.directory + "/process.db",
             .run_names = parts_.run_names,
             .bell = parts_.bell,
             .derive = parts_.derive,
             .deliver = [outside = outside_.get()](
                            const process::SubscriptionSpec& spec, process::Parcel parcel,
                            auto done) { outside->deliver(spec, std::move(parcel), std::move(done)); }}));
    TARN_ASSIGN(const auto specs, subscriptions());
    for (const auto& spec : specs) {
        TARN_ASSIGN(const Sequence from, first_sequence(spec));
        const Status working = opened->declare(spec, from);
        // Its stream was deleted before it ever worked: the others must work.
        if (!working && working.error().kind != ErrorKind::not_found) return fail(working.error());
    }
    processes_ = std::move(opened);
    // The first subscription of a server that is up: until now there was nothing to deliver.
    if (started_) processes_->start();
    return processes_.get();
}

// What a function feeds, it finds through its environment. `copy`: of the store "accounts@fix", that copy.
functions::FunctionSpec Processing::with_environment(functions::FunctionSpec spec,
                                                     const std::string& copy) const {
    for (const auto& store : spec.stores) {
        const bool is_copied = copy.starts_with(store + "@");
        const std::string file =
            is_copied ? fmt::format("copy-{}.db", copy.substr(store.size() + 1)) : std::string("live.db");
        spec.environment.emplace_back(store_variable(store),
                                      fmt::format("{}/stores/{}/{}", parts_.directory, store, file));
    }
    return spec;
}

std::string Processing::name_at_copy(const std::string& function, const std::string& copy) {
    return function + copy.substr(copy.find('@'));
}

Result<std::shared_ptr<void>> Processing::put_to_work_at(const functions::FunctionSpec& spec,
                                                         const std::string& copy) {
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    TARN_ASSIGN(const std::string version, version_of(spec));
    functions::FunctionSpec own = with_environment(spec, copy);
    own.name = name_at_copy(spec.name, copy);
    TARN_TRY(functions->declare(own, version));
    return std::shared_ptr<void>(functions, [name = own.name](void* host) {
        auto* const at = static_cast<functions::FunctionHost*>(host);
        const auto gone = at->suspend(name);
        at->remove(name);
    });
}

Result<std::string> Processing::version_of(const functions::FunctionSpec& spec) {
    return functions::code_version(spec, parts_.fs);
}

std::optional<std::string> Processing::version_at_work(std::string_view function) {
    if (!started_) return std::nullopt;
    const auto functions = host();
    if (!functions) return std::nullopt;
    const auto status = (*functions)->find(function);
    return status ? std::optional(status->version) : std::nullopt;
}

Status Processing::put_to_work(const functions::FunctionSpec& spec) {
    TARN_ASSIGN(functions::FunctionHost * functions, host());
    TARN_ASSIGN(const std::string version, functions::code_version(spec, parts_.fs));
    return functions->declare(with_environment(spec), version);
}

// Opening puts to work what is declared: this one, too.
Status Processing::put_to_work(const process::SubscriptionSpec& spec) {
    bool is_open = false;
    {
        const std::lock_guard lock(mutex_);
        is_open = processes_ != nullptr;
    }
    TARN_ASSIGN(process::Processes * deliveries, processes());
    if (!is_open) {
        TARN_TRY(deliveries->find(spec.name));
        return {};
    }
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

void Processing::reopen_target(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (outside_) outside_->reopen("target:" + name);
}

Status Processing::start() {
    TARN_ASSIGN(const auto function_specs, functions());
    TARN_ASSIGN(const auto subscription_specs, subscriptions());
    if (function_specs.empty() && subscription_specs.empty()) {
        started_ = true;
        return {};
    }
    TARN_ASSIGN(process::Processes * deliveries, processes());
    started_ = true;
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
    if (outside_) outside_->wind_up();  // only what is under way is waited for
    if (processes_) processes_->stop(grace_us);
    // What they still work on answers to the deliveries: these go last.
    outside_.reset();
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
