#include "process/subscription_spec.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/time.h"
#include "pattern/pattern.h"

namespace tarn::process {
namespace {

using codec::Json;

Failure bad(const std::string& name, std::string_view member, std::string_view expected,
            std::string next = "") {
    return fail(Code::bad_config, fmt::format("subscription {}: {}: {}", name, member, expected),
                {.next = std::move(next)});
}

Status check_members(const std::string& name, std::string_view where, const Json& json,
                     const std::vector<std::string>& known) {
    if (!json.is_object()) return bad(name, where.empty() ? "its declaration" : where, "expected a mapping");
    for (const auto& [member, value] : json.members()) {
        if (std::ranges::find(known, member) != known.end()) continue;
        const std::string nearest = nearest_word(member, known);
        return bad(name, member, "unknown key",
                   nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
    }
    return {};
}

Result<std::int64_t> duration(const std::string& name, std::string_view member, std::string_view text) {
    const auto parsed = parse_duration_us(text);
    if (!parsed) return bad(name, member, fmt::format("\"{}\": expected a duration such as 1s", text));
    return *parsed;
}

// "1s..1m", or one duration for both.
Status read_backoff(SubscriptionSpec& spec, const Json& json) {
    if (json.is_null()) return {};
    const std::string& text = json.as_string();
    const std::size_t dots = text.find("..");
    TARN_ASSIGN(spec.retries.first_us, duration(spec.name, "retries.backoff", text.substr(0, dots)));
    spec.retries.longest_us = spec.retries.first_us;
    if (dots == std::string::npos) return {};
    TARN_ASSIGN(spec.retries.longest_us, duration(spec.name, "retries.backoff", text.substr(dots + 2)));
    if (spec.retries.longest_us < spec.retries.first_us)
        return bad(spec.name, "retries.backoff", "expected the shorter one first, as in 1s..1m");
    return {};
}

Status read_retries(SubscriptionSpec& spec, const Json& json) {
    if (json.is_null()) return {};
    TARN_TRY(check_members(spec.name, "retries", json, {"max", "backoff", "max_age"}));
    if (!json["max"].is_null()) {
        const std::uint64_t max = json["max"].as_uint(0);
        if (!json["max"].is_number() || max > 1'000'000)
            return bad(spec.name, "retries.max", "expected a number of retries from 0");
        spec.retries.max = static_cast<std::uint32_t>(max) + 1;  // attempts: the first is no retry
    }
    TARN_TRY(read_backoff(spec, json["backoff"]));
    const Json& age = json["max_age"];
    if (age.is_null() || age.as_string() == "none") return {};
    TARN_ASSIGN(spec.retries.max_age_us, duration(spec.name, "retries.max_age", age.as_string()));
    return {};
}

Status read_batch(SubscriptionSpec& spec, const Json& json) {
    if (json.is_null()) return {};
    TARN_TRY(check_members(spec.name, "batch", json, {"size", "window"}));
    if (!json["size"].is_null()) spec.batch_size = json["size"].as_uint(0);
    if (!spec.target.empty() && (spec.batch_size != 1 || !json["window"].is_null()))
        return bad(spec.name, "batch", "a target outside gets one event at a time: leave it out");
    if (spec.batch_size == 0 || spec.batch_size > 10'000)
        return bad(spec.name, "batch.size", "expected a number from 1 to 10000");
    if (!json["window"].is_null()) {
        TARN_ASSIGN(spec.batch_window_us, duration(spec.name, "batch.window", json["window"].as_string()));
    }
    return {};
}

std::string after(std::string_view text, std::string_view prefix) {
    return text.starts_with(prefix) ? std::string(text.substr(prefix.size())) : "";
}

// Whether the target's text is right is for those to say who send there.
bool is_outside(std::string_view to) {
    return to.starts_with("http://") || to.starts_with("https://") || to.starts_with("target:") ||
           to == "null:";
}

// A run owns its file, and cuts back what it did not write; a subscription never ends, and others (log
// rotation, a second subscription) have their hands in the file meanwhile.
Failure no_file(const std::string& name, const std::string& stream) {
    return bad(name, "to", "a subscription does not write files",
               fmt::format("tarn tail {} --follow >> FILE; or, once: tarn replay plan {} --to file:PATH",
                           stream, stream));
}

// function:F; stream:S; stream:S via function:F; or a target outside. What goes into a stream goes as it
// came.
Status read_destination(SubscriptionSpec& spec, const Json& json) {
    const std::string& to = json["to"].as_string();
    const std::string& via = json["via"].as_string();
    spec.to_stream = after(to, "stream:");
    spec.function = after(via.empty() ? to : via, "function:");
    if (is_outside(to)) spec.target = to;
    if (!via.empty() && spec.function.empty()) return bad(spec.name, "via", "expected function:NAME");
    if (!via.empty() && spec.to_stream.empty())
        return bad(spec.name, "to", "with `via` it is a stream: expected stream:NAME");
    if (to.starts_with("file:")) return no_file(spec.name, spec.stream);
    if (!spec.passes_events_on() && spec.function.empty())
        return bad(
            spec.name, "to",
            fmt::format("\"{}\": expected function:NAME, stream:NAME, target:NAME, http(s)://… or null:", to),
            "a projection names its stream and patterns itself; see `projections`");
    if (spec.to_stream == spec.stream)
        return bad(spec.name, "to", "it would feed itself: expected another stream");
    if (!spec.to_stream.empty()) spec.shape = event::Shape::payload;
    return {};
}

Status read_choices(SubscriptionSpec& spec, const Json& json) {
    if (!json["shape"].is_null()) {
        const auto shape = event::parse_shape(json["shape"].as_string());
        if (!shape) return bad(spec.name, "shape", "expected cloudevents, eventbridge or payload");
        spec.shape = *shape;
        if (!spec.to_stream.empty() && spec.function.empty() && spec.shape != event::Shape::payload)
            return bad(spec.name, "shape",
                       "without `via` an event goes into a stream as it came: expected payload");
    }
    const std::string& order = json["order"].as_string();
    if (!order.empty() && order != "key" && order != "none")
        return bad(spec.name, "order", "expected key or none");
    if (order == "none") spec.order = Order::none;
    const std::string& replayed = json["replayed"].as_string();
    if (!replayed.empty() && replayed != "skip" && replayed != "take")
        return bad(spec.name, "replayed", "expected skip or take");
    spec.takes_replayed = replayed == "take";
    const std::string& from = json["from"].as_string();
    if (!from.empty() && from != "beginning" && from != "now")
        return bad(spec.name, "from", "expected beginning or now");
    if (!from.empty()) spec.from_start = from == "beginning";
    return {};
}

}  // namespace

Result<SubscriptionSpec> SubscriptionSpec::from_json(const std::string& name, const Json& json) {
    TARN_TRY(check_members(
        name, "", json,
        {"stream", "pattern", "to", "via", "shape", "order", "batch", "retries", "replayed", "from"}));
    SubscriptionSpec spec;
    spec.name = name;
    spec.stream = json["stream"].as_string();
    if (spec.stream.empty()) return bad(name, "stream", "is missing");
    if (!json["pattern"].is_null()) {
        spec.pattern = json["pattern"].is_string() ? json["pattern"].as_string() : json["pattern"].dump();
        const auto compiled = pattern::Pattern::compile(spec.pattern);
        if (!compiled) return bad(name, "pattern", compiled.error().message, compiled.error().next);
    }
    TARN_TRY(read_destination(spec, json));
    TARN_TRY(read_choices(spec, json));
    TARN_TRY(read_batch(spec, json["batch"]));
    TARN_TRY(read_retries(spec, json["retries"]));
    return spec;
}

Json SubscriptionSpec::to_json() const {
    Json json = Json::object({{"stream", stream}});
    if (!pattern.empty()) {
        const auto parsed = Json::parse(pattern);
        json.set("pattern", parsed ? *parsed : Json(pattern));
    }
    if (!target.empty()) {
        json.set("to", target);
    } else if (to_stream.empty()) {
        json.set("to", "function:" + function);
    } else {
        json.set("to", "stream:" + to_stream);
        if (!function.empty()) json.set("via", "function:" + function);
    }
    json.set("shape", event::shape_name(shape)).set("order", order == Order::key ? "key" : "none");
    json.set("batch", Json::object({{"size", batch_size}, {"window", duration_setting(batch_window_us)}}));
    if (batch_window_us == 0) json.set("batch", Json::object({{"size", batch_size}}));
    json.set(
        "retries",
        Json::object(
            {{"max", retries.max - 1},
             {"backoff", duration_setting(retries.first_us) + ".." + duration_setting(retries.longest_us)},
             {"max_age", retries.max_age_us ? Json(duration_setting(*retries.max_age_us)) : Json("none")}}));
    json.set("replayed", takes_replayed ? "take" : "skip");
    if (from_start) json.set("from", *from_start ? "beginning" : "now");
    return json;
}

}  // namespace tarn::process
