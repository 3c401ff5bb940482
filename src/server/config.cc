#include "server/config.h"
#include "replay/estimate.h"

#include <fmt/format.h>

#include <algorithm>

#include "replay/target_spec.h"
#include "server/config_check.h"

namespace tarn::server {
namespace {

// One thing of the file: what it would change, and the change itself.
struct Step {
    Change change;
    std::function<Status()> carry_out;
};

Error partitions_error(const ConfigFile& file, const std::string& name, std::uint32_t has,
                       std::uint32_t says) {
    return make_error(
        Code::bad_config,
        fmt::format("stream {}: it has {} partitions, which never change; the file says {}", name, has, says),
        {.place = file.place_of(fmt::format("streams.{}.partitions", name)),
         .next =
             fmt::format("write partitions: {}, or create another stream and replay this one into it", has)});
}

Result<Step> plan_stream(Engine& engine, const ConfigFile& file, const std::string& name,
                         const codec::Json& block) {
    TARN_ASSIGN(const auto settings, event::StreamSettings::from_json(stream_block(block)));
    const auto known = engine.catalog().stream(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    if (known && known->settings.partitions != settings.partitions)
        return fail(partitions_error(file, name, known->settings.partitions, settings.partitions));
    Change change{"stream", name, known ? "none" : "create",
                  fmt::format("{} partition{}", settings.partitions, settings.partitions == 1 ? "" : "s")};
    if (known && known->settings.to_json() != settings.to_json()) change.action = "change";
    const std::optional<StreamId> id = known ? std::optional(known->id) : std::nullopt;
    return Step{change, [&engine, name, settings, id]() -> Status {
                    if (id)
                        TARN_TRY(engine.catalog().update_stream(*id, settings));
                    else
                        TARN_TRY(engine.catalog().create_stream(name, settings, engine.clock().now()));
                    engine.capture().forget_stream(name);
                    codec::Json data;
                    data.set("stream", name).set("settings", settings.to_json());
                    return engine.record(id ? "stream.changed" : "stream.created", name, data);
                }};
}

Result<Step> plan_store(Engine& engine, const std::string& name, const codec::Json& block) {
    std::optional<state::SnapshotSchedule> schedule;
    if (block.has("snapshots")) {
        TARN_ASSIGN(schedule, state::SnapshotSchedule::from_json(block["snapshots"]));
    }
    const auto known = engine.state().schedule(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"store", name, known ? "none" : "create", "sqlite"};
    if (schedule) change.detail += ", snapshots " + schedule->to_json().dump();
    if (known && *known != schedule) change.action = "change";
    return Step{change, [&engine, name, schedule, is_known = known.has_value()]() -> Status {
                    TARN_TRY(engine.state().declare_store(name));
                    TARN_TRY(engine.state().set_schedule(name, schedule));
                    codec::Json data;
                    data.set("store", name).set("kind", "sqlite");
                    if (schedule) data.set("snapshots", schedule->to_json());
                    return engine.record(is_known ? "store.changed" : "store.declared", name, data);
                }};
}

Result<Step> plan_projection(Engine& engine, const std::string& name, const codec::Json& block) {
    TARN_ASSIGN(const auto spec, state::ProjectionSpec::from_json(name, block));
    const auto known = engine.state().projection(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"projection", name, known ? "none" : "create",
                  fmt::format("{} into {}, version {}", spec.stream, spec.store, spec.version())};
    if (known && known->version() != spec.version()) {
        change.action = "change";
        change.detail = fmt::format("version {} becomes {}; what {} holds stays as it is until it is rebuilt",
                                    known->version(), spec.version(), spec.store);
    }
    return Step{
        change, [&engine, name, spec, is_known = known.has_value()]() -> Status {
            TARN_TRY(engine.state().declare_projection(spec));
            codec::Json data;
            data.set("projection", name).set("version", spec.version()).set("declaration", spec.to_json());
            return engine.record(is_known ? "projection.changed" : "projection.declared", name, data);
        }};
}

Result<Step> plan_function(Engine& engine, const std::string& name, const codec::Json& block,
                           const std::string& directory) {
    TARN_ASSIGN(const auto spec, functions::FunctionSpec::from_json(name, block, directory));
    auto version = functions::code_version(spec, engine.fs());
    if (!version) {
        version.error().kind = ErrorKind::config;
        return fail(std::move(version.error()));
    }
    const auto known = engine.processing().function(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"function", name, known ? "none" : "create",
                  fmt::format("{}, version {}", spec.runtime, *version)};
    if (known && known->to_json() != spec.to_json()) change.action = "change";
    const auto at_work = engine.processing().version_at_work(name);
    if (known && at_work && *at_work != *version) {
        change.action = "change";
        change.detail = fmt::format("{}, version {} becomes {}", spec.runtime, *at_work, *version);
    }
    return Step{change, [&engine, name, spec, is_known = known.has_value()]() -> Status {
                    TARN_TRY(engine.processing().declare(spec));
                    return engine.record(
                        is_known ? "function.changed" : "function.declared", name,
                        codec::Json::object({{"function", name}, {"declaration", spec.to_json()}}));
                }};
}

Result<Step> plan_target(Engine& engine, const std::string& name, const codec::Json& block,
                         const std::string& directory) {
    TARN_ASSIGN(const auto spec, replay::TargetSpec::from_json(name, block, directory));
    TARN_ASSIGN(const auto known, engine.catalog().document(replay::target_document, name));
    const bool is_known = known.has_value();
    Change change{"target", name, is_known ? "none" : "create",
                  fmt::format("{}, version {}", spec.place(), spec.version())};
    if (is_known && known->body != spec.to_json()) change.action = "change";
    return Step{change, [&engine, name, spec, is_known]() -> Status {
                    TARN_TRY(engine.catalog().put_document(
                        {std::string(replay::target_document), name, engine.clock().now(), spec.to_json()}));
                    engine.processing().reopen_target(name);
                    return engine.record(
                        is_known ? "target.changed" : "target.declared", name,
                        codec::Json::object({{"target", name}, {"declaration", spec.to_json()}}));
                }};
}

Result<Step> plan_subscription(Engine& engine, const std::string& name, const codec::Json& block) {
    TARN_ASSIGN(const auto spec, process::SubscriptionSpec::from_json(name, block));
    TARN_ASSIGN(const auto known, engine.catalog().document("subscription", name));
    const bool is_known = known.has_value();
    Change change{"subscription", name, is_known ? "none" : "create",
                  fmt::format("{} to {}", spec.stream, spec.to_json()["to"].as_string())};
    if (is_known && known->body != spec.to_json()) change.action = "change";
    return Step{change, [&engine, name, spec, is_known]() -> Status {
                    TARN_TRY(engine.processing().declare(spec));
                    return engine.record(
                        is_known ? "subscription.changed" : "subscription.declared", name,
                        codec::Json::object({{"subscription", name}, {"declaration", spec.to_json()}}));
                }};
}

Result<Step> plan_cost(Engine& engine, const codec::Json& cost) {
    TARN_ASSIGN(const auto known, engine.catalog().document(replay::prices_kind, replay::prices_kind));
    Change change{"cost", cost["currency"].as_string(), known ? "none" : "create",
                  fmt::format("prices of {} kinds of targets", cost["targets"].size())};
    if (known && known->body != cost) change.action = "change";
    return Step{change, [&engine, cost]() -> Status {
                    TARN_TRY(engine.catalog().put_document(
                        {replay::prices_kind, replay::prices_kind, engine.clock().now(), cost}));
                    return engine.record("cost.changed", cost["currency"].as_string(), cost);
                }};
}

Result<KnownThings> known_to(Engine& engine) {
    KnownThings known;
    TARN_ASSIGN(const auto streams, engine.catalog().streams());
    for (const auto& stream : streams) known.streams.push_back(stream.name);
    TARN_ASSIGN(const auto stores, engine.state().stores());
    for (const auto& store : stores)
        if (store.name.find('@') == std::string::npos) known.stores.push_back(store.name);
    TARN_ASSIGN(const auto projections, engine.state().projections());
    for (const auto& spec : projections) known.projections.emplace(spec.name, spec);
    TARN_ASSIGN(const auto functions, engine.processing().functions());
    for (const auto& spec : functions) {
        known.functions.push_back(spec.name);
        for (const auto& store : spec.stores) known.fed_by_functions.emplace(store, spec.name);
    }
    TARN_ASSIGN(const auto targets, engine.catalog().documents(replay::target_document));
    for (const auto& each : targets) {
        known.targets.push_back(each.id);
        if (each.body.has("exec")) known.programs.push_back(each.id);
    }
    return known;
}

Result<ConfigFile> checked(const std::string& text, const std::string& file_name, const KnownThings& known) {
    std::vector<Error> mistakes;
    TARN_ASSIGN(ConfigFile file, read_config_file(text, file_name, mistakes));
    for (Error& mistake : config_mistakes(file, known)) mistakes.push_back(std::move(mistake));
    if (!mistakes.empty()) return fail(as_one_error(std::move(mistakes), file_name));
    return file;
}

// Everything is looked at before anything is done, so that a mistake at the end leaves the beginning undone
// too.
Result<std::vector<Step>> plan_steps(Engine& engine, const ConfigFile& file, const std::string& directory) {
    std::vector<Step> steps;
    std::vector<Error> mistakes;
    const auto take = [&](Result<Step> step) -> Status {
        if (step)
            steps.push_back(std::move(*step));
        else if (step.error().kind == ErrorKind::config)
            mistakes.push_back(std::move(step.error()));
        else
            return fail(std::move(step.error()));
        return {};
    };
    for (const auto& [name, block] : file.settings["streams"].members())
        TARN_TRY(take(plan_stream(engine, file, name, block)));
    for (const auto& [name, block] : file.settings["stores"].members())
        TARN_TRY(take(plan_store(engine, name, block)));
    for (const auto& [name, block] : file.settings["projections"].members())
        TARN_TRY(take(plan_projection(engine, name, block)));
    for (const auto& [name, block] : file.settings["functions"].members())
        TARN_TRY(take(plan_function(engine, name, block, directory)));
    for (const auto& [name, block] : file.settings["targets"].members())
        TARN_TRY(take(plan_target(engine, name, block, directory)));
    for (const auto& [name, block] : file.settings["subscriptions"].members())
        TARN_TRY(take(plan_subscription(engine, name, block)));
    if (const codec::Json& cost = file.settings["cost"]; !cost.is_null())
        TARN_TRY(take(plan_cost(engine, cost)));
    if (!mistakes.empty()) return fail(as_one_error(std::move(mistakes), file.name));
    return steps;
}

// A disk that fails in the middle can still leave a part: the error says which.
Status carry_out(const std::vector<Step>& steps) {
    std::string done;
    for (const Step& step : steps) {
        if (step.change.action == "none") continue;
        Status carried = step.carry_out();
        if (!carried) {
            Error error = std::move(carried.error());
            error.message = fmt::format("{} {}: {}", step.change.what, step.change.name, error.message);
            if (!done.empty()) error.excerpt = "done before it:" + done;
            error.next = "when the cause is gone, apply the file again: what is done already is left alone";
            return fail(std::move(error));
        }
        done += fmt::format(" {} {}", step.change.what, step.change.name);
    }
    return {};
}

}  // namespace

codec::Json Change::to_json() const {
    codec::Json json;
    json.set("what", what).set("name", name).set("action", action).set("detail", detail);
    return json;
}

Result<ConfigFile> validate_config(const std::string& text, const std::string& file_name) {
    return checked(text, file_name, {});
}

Result<std::vector<Change>> apply_config(Engine& engine, const std::string& text,
                                         const std::string& file_name, bool apply,
                                         const std::string& directory) {
    TARN_ASSIGN(const KnownThings known, known_to(engine));
    TARN_ASSIGN(const ConfigFile file, checked(text, file_name, known));
    TARN_ASSIGN(const std::vector<Step> steps, plan_steps(engine, file, directory));
    if (apply) TARN_TRY(carry_out(steps));
    std::vector<Change> changes;
    for (const Step& step : steps) changes.push_back(step.change);
    return changes;
}

}  // namespace tarn::server
