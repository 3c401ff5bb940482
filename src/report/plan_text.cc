// The renderings of a plan for a terminal.
#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/time.h"
#include "report/paint.h"
#include "report/report.h"
#include "report/words.h"

namespace tarn::report {
namespace {

using codec::Json;

constexpr std::size_t shown_types = 5;
constexpr std::size_t shown_keys = 3;

std::string line(std::string_view label, std::string_view text) {
    return fmt::format("  {:<8} {}\n", label, text);
}
std::string more(std::string_view text) { return fmt::format("  {:<8} {}\n", "", text); }

// A list of texts, or what stands for one that is too long to be listed.
std::string amount(const Json& texts, std::string_view one) {
    const std::uint64_t number = texts.is_array() ? texts.size() : texts["count"].as_uint();
    return fmt::format("{} {}{}", format_count(number), one, number == 1 ? "" : "s");
}

std::string keys_asked(const Json& keys) {
    constexpr std::size_t shown = 3;
    if (!keys.is_array() || keys.size() > shown) return amount(keys, "key");
    std::string text;
    for (const Json& key : keys.elements())
        text += (text.empty() ? "key " : ", ") + printable(key.as_string());
    return text;
}

std::string outcomes_text(const Json& failed_of) {
    std::string text;
    for (const Json& outcome : failed_of["outcomes"].elements())
        text += (text.empty() ? "" : ", ") + outcome.as_string();
    return fmt::format("{} of {} ({})", text, failed_of["run"].as_string(), count(failed_of["count"]));
}

// What a selection asks for, each part as one phrase.
std::vector<std::string> conditions_of(const Json& selection) {
    std::vector<std::string> parts;
    const auto add = [&parts](std::string part) { parts.push_back(std::move(part)); };
    if (!selection["since"].is_null() || !selection["until"].is_null())
        add(fmt::format("{} [{}, {})", selection["ingested"].as_bool() ? "ingested" : "event time",
                        selection["since"].is_null() ? "…" : selection["since"].as_string(),
                        selection["until"].is_null() ? "…" : selection["until"].as_string()));
    if (const Json& since = selection["since_event"]; !since.is_null())
        add(fmt::format("from {} on", since["position"].as_string()));
    if (!selection["since_snapshot"].is_null())
        add(fmt::format("not yet in snapshot {}", selection["since_snapshot"].as_string()));
    if (!selection["pattern"].is_null()) add("pattern " + selection["pattern"].dump());
    if (!selection["where"].is_null()) add("where " + printable(selection["where"].as_string()));
    if (!selection["sql"].is_null()) add("sql " + printable(selection["sql"].as_string()));
    if (!selection["ids"].is_null()) add(amount(selection["ids"], "id"));
    if (!selection["keys"].is_null()) add(keys_asked(selection["keys"]));
    if (const Json& dead = selection["dead_letters"]; !dead.is_null())
        add(fmt::format("dead letters {} ({})", dead["group"].as_string(), count(dead["count"])));
    if (!selection["failed_of"].is_null()) add(outcomes_text(selection["failed_of"]));
    for (const Json& each : selection["selections"].elements())
        add(fmt::format("selection {}", each["name"].as_string()));
    if (selection["all"].as_bool()) add("all");
    for (const Json& each : selection["except"].elements()) {
        std::string without;
        for (const std::string& part : conditions_of(each))
            without += (without.empty() ? "" : " and ") + part;
        add("without " + without);
    }
    return parts;
}

std::string selection_text(const Json& plan) {
    const Json& selection = plan["selection"];
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : " · ") + part; };
    if (!selection["rebuild"].is_null())
        add(fmt::format("all that {} is fed with after {}", selection["rebuild"].as_string(),
                        plan["coverage"]["base"].as_string()));
    add(plan["stream"].as_string());
    for (const std::string& part : conditions_of(selection)) add(part);
    return text;
}

std::string share_text(const Json& share) {
    return fmt::format("{} objects with {} events, {}", count(share["objects"]), count(share["events"]),
                       format_bytes(share["bytes"].as_uint()));
}

std::string scanned_text(const Json& scanned) {
    std::string text = fmt::format("read {} of {} objects + the log's tail", count(scanned["objects_read"]),
                                   count(scanned["objects_total"]));
    if (scanned.has("bytes_read")) text += fmt::format(", {}", format_bytes(scanned["bytes_read"].as_uint()));
    return text + (scanned["complete"].as_bool() ? " · complete" : " · INCOMPLETE");
}

// Where the duration is known from, and what it will cost.
std::string estimate_text(const Json& estimate) {
    std::string text = "about " + duration_text(estimate["seconds"].as_double());
    const std::string& basis = estimate["basis"].as_string();
    if (basis == "default") text += " (a guess: no run to such a target has been measured)";
    if (basis == "this target" || basis == "targets of its kind")
        text += fmt::format(" (by {} earlier runs to {})", estimate["measured"].size(), basis);
    if (!estimate["currency"].is_null())
        text +=
            fmt::format(" · costs {:.2f} {}", estimate["cost"].as_double(), estimate["currency"].as_string());
    return text;
}

std::string types_text(const Json& by_type) {
    std::string text;
    const auto& types = by_type.members();
    for (std::size_t i = 0; i < std::min(types.size(), shown_types); ++i)
        text += more(fmt::format("  {:>8}  {}", count(types[i].second), printable(types[i].first)));
    if (types.size() > shown_types)
        text += more(fmt::format("  {:>8}  more types", types.size() - shown_types));
    return text;
}

std::string keys_text(const Json& plan) {
    std::string text;
    const auto& keys = plan["top_keys"].elements();
    for (std::size_t i = 0; i < std::min(keys.size(), shown_keys); ++i)
        text += fmt::format("{}{} {}", i == 0 ? "" : " · ", printable(keys[i]["key"].as_string()),
                            count(keys[i]["count"]));
    const std::uint64_t all = plan["keys"].as_uint();
    if (all > shown_keys) text += fmt::format(" · {} more", format_count(all - shown_keys));
    if (plan["without_key"].as_uint() > 0)
        text += fmt::format("{}{} events without key", text.empty() ? "" : " · ", count(plan["without_key"]));
    return text;
}

std::string order_text(const Json& plan) {
    const std::string& order = plan["order"].as_string();
    const std::string& on_failure = plan["on_failure"].as_string();
    const std::string then = on_failure == "hold"   ? "after a failure what follows it waits"
                             : on_failure == "stop" ? "the first failure stops the run"
                                                    : "after a failure the next goes on";
    if (order == "key") return fmt::format("by key ({} lanes; {})", count(plan["keys"]), then);
    return fmt::format("{} ({})", order, then);
}

std::string target_text(const Json& plan) {
    std::string text = plan["target"].as_string();
    for (const auto& [name, version] : plan["target_version"].members())
        if (name != "stream")
            text += fmt::format(", version {}{}", version.as_string(),
                                plan["target_version"].size() > 1 ? " of " + name : "");
    if (plan["already_delivered"].as_uint() > 0)
        text += fmt::format(" · has had {} of them", count(plan["already_delivered"]));
    return text + " · shape " + plan["shape"].as_string();
}

std::string covers_text(const Json& coverage) {
    if (coverage["complete"].as_bool())
        return "complete: every event after the base that the store is fed with. The copy may be compared as "
               "equal, and promoted";
    return fmt::format(
        "partial: {} events after {} are not selected. Differences are to be expected; promote is refused",
        count(coverage["missing"]), coverage["base"].as_string());
}

}  // namespace

std::string render_plan_text(const Json& plan, bool colour) {
    const Paint paint(colour);
    const std::string id = plan["plan"].as_string();
    std::string out = fmt::format("plan {}  \"{}\"   frozen {}\n\n", paint.bold(id),
                                  printable(plan["name"].as_string()), plan["created"].as_string());
    out += line("select", selection_text(plan));
    if (const Json& scanned = plan["scanned"]; scanned["objects_total"].as_uint() > 0)
        out += more(scanned_text(scanned));
    out += line("events", fmt::format("{} · {} · {} keys · event time {} … {}", count(plan["events"]),
                                      format_bytes(plan["bytes"].as_uint()), count(plan["keys"]),
                                      plan["time"]["first"].as_string(), plan["time"]["last"].as_string()));
    out += types_text(plan["by_type"]);
    if (const std::string keys = keys_text(plan); !keys.empty()) out += line("keys", keys);
    out += line("target", target_text(plan));
    if (const Json& via = plan["via"]; via.is_object())
        out += line("via", fmt::format("function:{}, version {}: what it makes is sent, the originals stay",
                                       via["function"].as_string(), via["version"].as_string()));
    out += line("order", fmt::format("{}       pace {} → {}", order_text(plan), plan["pace"].as_string(),
                                     estimate_text(plan["estimate"])));
    if (!plan["into"].is_null())
        out += line("into", fmt::format("{}, starting {}; live {} is not touched", plan["into"].as_string(),
                                        plan["base"].as_string() == "empty" ? "empty"
                                        : plan["base"].as_string() == "live"
                                            ? "as the store is when the run starts"
                                            : "as the store was at " + plan["base"].as_string(),
                                        plan["store"].as_string()));
    if (plan["coverage"].is_object()) out += line("covers", covers_text(plan["coverage"]));
    for (std::size_t i = 0; i < plan["risks"].size(); ++i)
        out += line(i == 0 ? "risks" : "",
                    paint.yellow("! " + printable(plan["risks"].elements()[i].as_string())));
    if (const std::uint64_t newer = plan["newer_events"].as_uint(); newer > 0)
        out +=
            line("newer", fmt::format("{} events have come into its streams since; they are not part of it",
                                      format_count(newer)));
    out += line("digest", plan["digest"].as_string());
    if (plan["needs_approval"].as_bool()) {
        const Json& approval = plan["approval"];
        if (approval.is_null())
            out += line("approval",
                        paint.yellow(fmt::format("needed, of somebody else than {}: tarn replay approve {}",
                                                 plan["planner"].as_string(), id)));
        else
            out += line("approval",
                        fmt::format("by {} at {}", approval["by"].as_string(), approval["at"].as_string()));
    }
    return out + fmt::format("\n  tarn replay run {}          tarn replay show {}\n", id, id);
}

std::string render_explanation_text(const Json& explained) {
    std::string out;
    std::string asked;
    for (const std::string& part : conditions_of(explained["selection"]))
        asked += (asked.empty() ? "" : " · ") + part;
    out += line("select", asked) + line("target", explained["target"].as_string());
    for (const Json& stream : explained["streams"].elements()) {
        out += fmt::format("\n  {}: {} objects\n", stream["stream"].as_string(), count(stream["objects"]));
        out += fmt::format("    read    {}", share_text(stream["read"]));
        if (const std::uint64_t log = stream["read"]["log_bytes"].as_uint(); log > 0)
            out += fmt::format(" + {} of the log", format_bytes(log));
        out += "\n";
        for (const Json& skipped : stream["skipped"].elements())
            out += fmt::format("    skipped {}  by {}\n", share_text(skipped), skipped["by"].as_string());
    }
    return out + "\n  nothing was frozen: leave --explain out to make the plan\n";
}

}  // namespace tarn::report
