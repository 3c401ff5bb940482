// The HTML report: one page, no network, no script. Order of the parts: the tour, "The HTML report, top to
// bottom".
#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "report/charts.h"
#include "report/html_escape.h"
#include "report/report.h"
#include "report/words.h"

namespace tarn::report {
namespace {

using codec::Json;

constexpr std::size_t shown_differences = 1000;

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --ink: #1c2024; --paper: #fff; --faint: #666c72; --line: #d5d9dd; --green: #1f7a3d; --amber: #a86a00; --red: #b3261e; --blue: #2f6fab; --grey: #9aa1a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #15181b; --faint: #9aa1a8; --line: #33393f; --green: #5cc37f; --amber: #e0a63c; --red: #f07a70; --blue: #79b0e4; --grey: #6b7278; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; border-left: .5rem solid; padding-left: .8rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.right { border-color: var(--green); } .doubtful { border-color: var(--amber); } .wrong { border-color: var(--red); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--faint); } pre, code { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
pre { border: 1px solid var(--line); padding: .6rem; } .faint { color: var(--faint); } .ok { color: var(--green); } .bad { color: var(--red); }
.bar { display: flex; height: 1.4rem; border: 1px solid var(--line); } .bar span { min-width: 2px; }
.acknowledged { background: var(--green); } .skipped { background: var(--blue); } .failed { background: var(--red); } .held { background: var(--amber); } .unknown { background: var(--ink); } .remaining { background: var(--grey); }
.swatch { display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem; }
svg { max-width: 100%; } svg rect { fill: var(--blue); } svg rect.failed { fill: var(--red); } svg rect.unknown { fill: var(--ink); } svg rect.held { fill: var(--amber); } svg line { stroke: var(--line); } svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
@media print { @page { size: A4; margin: 15mm; } body { margin: 0; max-width: none; } h2 { break-after: avoid; } table, pre, svg { break-inside: avoid; } .bar span, .swatch, svg { print-color-adjust: exact; } details::details-content { content-visibility: visible; display: block; } }
)";

std::string section(std::string_view title, const std::string& body) {
    return fmt::format("<section><h2>{}</h2>\n{}</section>\n", title, body);
}
std::string row(std::string_view name, std::string_view value) {
    return fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", name, value);
}
std::string command(const std::string& text) { return fmt::format("<code>{}</code>", escape_html(text)); }

std::string_view verdict_class(Verdict verdict) {
    return verdict == Verdict::right ? "right" : verdict == Verdict::doubtful ? "doubtful" : "wrong";
}

std::string_view verdict_word(Verdict verdict) {
    return verdict == Verdict::right ? "Right" : verdict == Verdict::doubtful ? "Not certain" : "Not right";
}

std::string headline(const Json& report) {
    const Verdict verdict = verdict_of(report);
    return fmt::format(
        "<h1 class=\"{}\">{}: {} ({} events of {}) was replayed to {}; {}.</h1>\n<p class=\"faint\">run {} "
        "of plan {}, {}, {} to {}, {}</p>\n",
        verdict_class(verdict), verdict_word(verdict), escape_html(report["name"].as_string()),
        count(report["counts"]["selected"]), escape_html(report["stream"].as_string()),
        escape_html(destination_of(report)), escape_html(reason_of(report)),
        escape_html(report["run"].as_string()), escape_html(report["plan"].as_string()),
        escape_html(report["state"].as_string()), escape_html(report["started"].as_string()),
        escape_html(report["ended"].as_string()), duration_text(report["duration"].as_double()));
}

std::string failure_block(const Json& failure, bool open) {
    const Json& sample = failure["sample"];
    std::string block = fmt::format(
        "<details{}><summary><strong>{}</strong> × {} <span class=\"faint\">{} … {}</span></summary>\n",
        open ? " open" : "", count(failure["count"]), escape_html(failure["cause"].as_string()),
        escape_html(failure["first"].as_string()), escape_html(failure["last"].as_string()));
    block += "<table>" + row("first event", escape_html(sample["position"].as_string())) +
             row("id", escape_html(sample["id"].as_string())) +
             row("type", escape_html(sample["type"].as_string())) +
             row("time", escape_html(sample["time"].as_string())) +
             row("key", escape_html(sample["key"].as_string())) +
             row("outcome", escape_html(failure["outcome"].as_string())) + "</table>\n";
    if (!sample["payload"].is_null())
        block += fmt::format("<pre>{}</pre>\n", escape_html(sample["payload"].as_string()));
    return block + "</details>\n";
}

std::string failures(const Json& report) {
    std::string body;
    if (report["error"].is_object())
        body += fmt::format("<p class=\"bad\">{}: {}</p>\n", escape_html(report["error"]["code"].as_string()),
                            escape_html(report["error"]["message"].as_string()));
    if (report["stop"].is_object())
        body += fmt::format("<p class=\"bad\">stopped: {}</p>\n",
                            escape_html(report["stop"]["text"].as_string()));
    const auto& list = report["by_failure"].elements();
    std::vector<Bar> bars;
    for (const Json& failure : list)
        bars.push_back({failure["cause"].as_string(), failure["count"].as_uint(),
                        failure["outcome"].as_string() == "unknown" ? "unknown" : "failed"});
    body += bars_svg(bars, "failures by cause");
    for (std::size_t i = 0; i < list.size(); ++i) body += failure_block(list[i], i == 0);
    if (body.empty()) return "";
    return section("What failed", body);
}

// The keys whose events did not all arrive.
std::string behind(const Json& report) {
    const Json& behind = report["keys_behind"];
    if (behind["keys"].as_uint() == 0) return "";
    std::vector<Bar> bars;
    std::string table =
        "<table><tr><th>key</th><th>events behind</th><th>since</th><th>event time</th></tr>\n";
    for (const Json& key : behind["most"].elements()) {
        const std::string name = key["key"].is_null() ? "(without a key)" : key["key"].as_string();
        bars.push_back({name, key["events"].as_uint(), "held"});
        table += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{} … {}</td></tr>\n",
                             escape_html(name), count(key["events"]), escape_html(key["first"].as_string()),
                             escape_html(key["first_time"].as_string()),
                             escape_html(key["last_time"].as_string()));
    }
    return section(
        "Keys that are behind",
        fmt::format("<p>{}{} keys have events that failed, are unknown, or wait behind one.</p>\n{}{}",
                    behind["complete"].as_bool(true) ? "" : "At least ", count(behind["keys"]),
                    bars_svg(bars, "events behind, by key"), table + "</table>\n"));
}

std::string counts(const Json& report) {
    const Json& counts = report["counts"];
    const double all = std::max(1.0, counts["selected"].as_double());
    std::string bar = "<div class=\"bar\">", legend = "<p>";
    for (const char* part : {"acknowledged", "skipped", "failed", "held", "unknown", "remaining"}) {
        const std::uint64_t value = counts[part].as_uint();
        if (value > 0)
            bar += fmt::format("<span class=\"{0}\" style=\"flex: {1:.6f}\" title=\"{0}: {2}\"></span>", part,
                               static_cast<double>(value) / all, format_count(value));
        legend += fmt::format("<span class=\"swatch {0}\"></span>{1} {0} &nbsp; ", part, format_count(value));
    }
    std::string skipped;
    for (const Json& skip : report["by_skip"].elements())
        skipped += fmt::format(
            "<p>skipped {}: {}{}</p>\n", count(skip["count"]), escape_html(skip["cause"].as_string()),
            skip["next"].is_null() ? "" : " (" + escape_html(skip["next"].as_string()) + ")");
    return section("Counts",
                   fmt::format("{}</div>\n{}</p>\n<p>{}</p>\n{}", bar, legend, counts_line(counts), skipped));
}

std::string by_type(const Json& report) {
    std::string table = "<table><tr><th>type</th><th>events</th></tr>\n";
    for (const auto& [type, number] : report["by_type"].members())
        table += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escape_html(type), count(number));
    return table + "</table>\n";
}

std::string pushed_back(const Json& report) {
    const Json& throttled = report["throttled"];
    if (throttled["pushbacks"].as_uint() == 0) return "";
    return fmt::format(
        "<p>The target pushed back {} times{}.</p>\n", count(throttled["pushbacks"]),
        throttled["limit"].is_null()
            ? ""
            : fmt::format("; in the end it was asked for {:.0f} events/s", throttled["limit"].as_double()));
}

std::string throughput(const Json& report) {
    const std::string picture = throughput_svg(report["throughput"]);
    if (picture.empty()) return "";
    return section("Throughput", pushed_back(report) + picture + throughput_table(report["throughput"]));
}

std::string latency(const Json& report) {
    const Json& latency = report["latency"];
    const std::string picture = latency_svg(latency);
    if (picture.empty()) return "";
    const auto took = [&latency](std::string_view name) { return format_duration(latency[name].as_int()); };
    return section(
        "Latency",
        fmt::format("<p>{} answers of the target: half of them within {}, 90 in 100 within {}, 99 in "
                    "100 within {}; the longest took {}. A batch counts for each of its events.</p>\n",
                    count(latency["answers"]), took("p50_us"), took("p90_us"), took("p99_us"),
                    took("max_us")) +
            picture + latency_table(latency));
}

std::string cell(const Json& value) {
    return value.is_null() ? "<span class=\"faint\">(none)</span>" : escape_html(value.as_string());
}

std::string differences(const Json& list) {
    std::string table =
        "<table><tr><th>table</th><th>key</th><th>column</th><th>before</th><th>after</th><th>events</th></"
        "tr>\n";
    for (std::size_t i = 0; i < std::min(list.size(), shown_differences); ++i) {
        const Json& difference = list.elements()[i];
        std::string events;
        for (const Json& event : difference["events"].elements())
            events += (events.empty() ? "" : "<br>") + escape_html(event.as_string());
        if (difference["candidates"].as_bool())
            events += "<br><span class=\"faint\">candidates: same key</span>";
        table += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                             escape_html(difference["table"].as_string()),
                             escape_html(difference["key"].as_string()),
                             escape_html(difference["column"].as_string()), cell(difference["before"]),
                             cell(difference["after"]), events);
    }
    return table + "</table>\n";
}

std::string more_differences(const Json& report) {
    const std::string& with = report["verify"]["compared_with"].as_string();
    const bool is_state =
        (with.starts_with("snapshot:") || with.starts_with("store:")) && with.find(',') == std::string::npos;
    if (!is_state) return "tarn verify " + report["run"].as_string() + " -o json";
    return fmt::format("tarn store diff {} {} -o csv --limit 1000000",
                       with.starts_with("store:") ? with.substr(6) : with, destination_of(report));
}

std::string verification(const Json& report) {
    const Json& verify = report["verify"];
    if (!verify.has("checks"))
        return section("Verification", fmt::format("<p>Not verified yet: {}</p>\n",
                                                   command("tarn verify " + report["run"].as_string())));
    std::string body = "<table><tr><th>check</th><th>what was found</th><th></th></tr>\n";
    for (const Json& check : verify["checks"].elements())
        body += fmt::format("<tr><td>{}</td><td>{}</td><td class=\"{}\">{}</td></tr>\n",
                            escape_html(check["name"].as_string()), escape_html(check["detail"].as_string()),
                            check["ok"].as_bool() ? "ok" : "bad",
                            !check["ok"].as_bool()                      ? "not ok"
                            : check["evidence"].as_string() == "sender" ? "not proved"
                                                                        : "ok");
    body += "</table>\n";
    if (verify["differences"].size() > 0) {
        body += fmt::format("<h3>{} differences</h3>\n",
                            format_count(std::max<std::uint64_t>(verify["differences_total"].as_uint(),
                                                                 verify["differences"].size())));
        body += differences(verify["differences"]);
        if (!verify["complete"].as_bool(true) || verify["differences"].size() > shown_differences)
            body +=
                fmt::format("<p>More than shown. All of them: {}</p>\n", command(more_differences(report)));
    }
    return section("Verification", body);
}

std::string frozen_plan(const Json& report, const Json& plan) {
    std::string body =
        "<table>" + row("digest", command(report["digest"].as_string())) +
        row("created", escape_html(plan["created"].as_string())) +
        row("selection", command(plan["selection"].dump())) +
        row("resolved", command(plan["resolved"].dump())) +
        row("target", escape_html(plan["target"].as_string())) +
        row("target version", command(plan["target_version"].dump())) +
        (plan["via"].is_object() ? row("via", command(plan["via"].dump())) : "") +
        row("into", escape_html(plan["into"].as_string())) +
        row("coverage", command(plan["coverage"].dump())) +
        row("order", escape_html(plan["order"].as_string())) +
        row("on failure", escape_html(plan["on_failure"].as_string())) +
        row("pace", escape_html(report["pace"].as_string())) +
        row("shape", escape_html(plan["shape"].as_string())) +
        row("events", fmt::format("{}, {}, {} keys", count(plan["events"]),
                                  format_bytes(plan["bytes"].as_uint()), count(plan["keys"]))) +
        row("event time",
            escape_html(plan["time"]["first"].as_string() + " … " + plan["time"]["last"].as_string())) +
        row("hash of what was selected", command(report["hashes"]["selected"].as_string())) +
        row("hash of what was sent", command(report["hashes"]["sent"].as_string())) + "</table>\n";
    if (plan["risks"].size() > 0) {
        body += "<h3>Risks named when it was planned</h3><ul>\n";
        for (const Json& risk : plan["risks"].elements())
            body += fmt::format("<li>{}</li>\n", escape_html(risk.as_string()));
        body += "</ul>\n";
    }
    return section("The plan as frozen", body + "<h3>Events by type</h3>\n" + by_type(report));
}

// A target that keeps what earlier runs delivered skips it in another run, unless the plan says --again.
bool skips_what_it_had(const Json& plan) {
    const std::string& target = plan["target"].as_string();
    return !plan["again"].as_bool() && plan["into"].is_null() && !target.starts_with("null:") &&
           !target.starts_with("file:");
}

std::string what_next(const Json& report, const Json& plan) {
    const std::string run = report["run"].as_string();
    std::string list = "<ul>\n";
    const auto add = [&list](std::string_view why, const std::string& text) {
        list += fmt::format("<li>{}: {}</li>\n", why, command(text));
    };
    if (report["counts"]["remaining"].as_uint() > 0 && report["state"].as_string() != "cancelled")
        add("go on", "tarn replay resume " + run);
    const std::string repeat = "tarn replay run " + report["plan"].as_string();
    const std::string& target = plan["target"].as_string();
    if (!skips_what_it_had(plan))
        add("the same selection again", repeat);
    else
        add("what the target has not had yet (what it had is skipped)", repeat);
    if (skips_what_it_had(plan) &&
        !target.starts_with("projection:"))  // a store never applies an event twice
        add("all of the same selection again: plan it with --again, then run that plan",
            fmt::format("tarn replay plan {} … --to {} --again", plan["stream"].as_string(), target));
    add("what happened to each event", "tarn replay ledger " + run);
    if (!report["into"].is_null()) {
        add("take the copy over", "tarn store promote " + report["into"].as_string());
        add("undo: the live store was not touched, drop the copy",
            "tarn store discard " + report["into"].as_string());
    }
    return section("How to repeat or undo", list + "</ul>\n");
}

}  // namespace

std::string render_html(const Json& report, const Json& plan) {
    std::string page =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\">\n";
    page +=
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">\n";
    page +=
        fmt::format("<title>{} · {}</title>\n<style>{}</style></head><body>\n",
                    escape_html(report["run"].as_string()), escape_html(report["name"].as_string()), style);
    page += headline(report) + failures(report) + behind(report) + counts(report) + throughput(report) +
            latency(report) + verification(report) + frozen_plan(report, plan) + what_next(report, plan);
    return page + "</body></html>\n";
}

}  // namespace tarn::report
