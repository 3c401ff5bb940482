#include "replay/plan_document.h"

#include <fmt/core.h>

#include <charconv>

namespace tarn::replay {
namespace {

using codec::Json;

constexpr std::string_view frozen_fields[] = {
    "stream", "stream_ids", "selection", "resolved", "target", "target_version",
    "store",  "into",       "base",      "feeders",  "order",  "on_failure",
    "shape",  "again",      "only",      "events",   "bytes",  "coverage"};

std::uint32_t to_number(std::string_view text) {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::string plan_digest(const Json& document, const std::string& manifest_sha256) {
    Json frozen = Json::object();
    for (const std::string_view field : frozen_fields) frozen.set(field, document[field]);
    // Fields of later versions, sealed where they are there: older plans keep their digest.
    for (const std::string_view field : {"needs_approval", "planner", "via"})
        if (document.has(field)) frozen.set(field, document[field]);
    return "sha256:" + codec::sha256_hex(manifest_sha256 + "\n" + frozen.dump());
}

Result<FrozenPlan> FrozenPlan::from_document(const Json& document) {
    FrozenPlan plan;
    plan.id = document["plan"].as_string();
    plan.name = document["name"].as_string();
    plan.digest = document["digest"].as_string();
    plan.order = document["order"].as_string();
    plan.on_failure = document["on_failure"].as_string();
    plan.store = document["store"].as_string();
    plan.copy = document["into"].as_string();
    plan.base = document["base"].as_string();
    plan.again = document["again"].as_bool();
    plan.via = document["via"]["function"].as_string();
    plan.via_version = document["via"]["version"].as_string();
    plan.events = document["events"].as_uint();
    plan.complete = document["coverage"]["complete"].as_bool();
    plan.copy_begins_before = !plan.copy.empty() && document["coverage"]["in_base"].as_uint(1) == 0;
    plan.snapshot = document["resolved"]["snapshot"].as_uint();
    TARN_ASSIGN(plan.shape, event::parse_shape(document["shape"].as_string()));
    TARN_ASSIGN(plan.target, TargetAddress::parse(document["target"].as_string()));
    for (const auto& [name, id] : document["stream_ids"].members())
        plan.streams[StreamId{static_cast<std::uint32_t>(id.as_uint())}] = name;
    for (const auto& [name, version] : document["target_version"].members())
        plan.versions[name] = version.as_string();
    for (const Json& feeder : document["feeders"].elements()) plan.feeders.push_back(feeder.as_string());
    for (const auto& [stream, partitions] : document["resolved"]["positions"].members())
        for (const auto& [partition, offset] : partitions.members())
            plan.positions[stream][to_number(partition)] = offset.as_uint();
    return plan;
}

}  // namespace tarn::replay
