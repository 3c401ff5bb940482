// The renderings for a terminal.
#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "report/paint.h"
#include "report/report.h"
#include "report/words.h"

namespace tarn::report {
namespace {

using codec::Json;

constexpr std::size_t shown_differences = 20;
constexpr std::size_t summed_up_differences = 3;

std::string failure_text(const Json& failure) {
    std::string places = failure["first"].as_string();
    if (failure["count"].as_uint() > 1) places += " … " + failure["last"].as_string();
    return fmt::format("    {:>3}  {}        {}{}\n", count(failure["count"]),
                       printable(failure["cause"].as_string()), places,
                       failure["outcome"].as_string() == "unknown" ? "  (outcome unknown)" : "");
}

std::string behind_text(const Json& behind) {
    if (behind["keys"].as_uint() == 0) return "";
    constexpr std::size_t shown = 3;
    std::string most;
    const auto& keys = behind["most"].elements();
    for (std::size_t i = 0; i < std::min(keys.size(), shown); ++i)
        most +=
            fmt::format("{}{} {}", i == 0 ? "" : " · ",
                        keys[i]["key"].is_null() ? "(without a key)" : printable(keys[i]["key"].as_string()),
                        count(keys[i]["events"]));
    return fmt::format("  behind: {} {}, by events: {}{}\n", count(behind["keys"]),
                       behind["keys"].as_uint() == 1 ? "key" : "keys", most,
                       behind["keys"].as_uint() > shown ? " …" : "");
}

// Of targets that act outside; what the others take says nothing about anybody.
std::string latency_text(const Json& report) {
    const Json& latency = report["latency"];
    const std::string& target = report["target"].as_string();
    const bool acts_outside =
        target.starts_with("http") || target.starts_with("function:") || target.starts_with("exec:");
    if (!acts_outside || latency.is_null()) return "";
    return fmt::format("  answers: half within · {} · 99 in 100 within · {} · the longest took · {}\n",
                       format_duration(latency["p50_us"].as_int()),
                       format_duration(latency["p99_us"].as_int()),
                       format_duration(latency["max_us"].as_int()));
}

std::string side(const Json& value) { return value.is_null() ? "(none)" : printable(value.as_string()); }

std::string difference_text(const Json& difference) {
    const std::string column = difference["column"].as_string();
    const bool is_row = difference["table"].as_string() != "output" && column.empty();
    std::string text = fmt::format("  {} {}  {}  {} → {}", printable(difference["table"].as_string()),
                                   printable(difference["key"].as_string()),
                                   is_row           ? "row"
                                   : column.empty() ? "answer"
                                                    : printable(column),
                                   side(difference["before"]), side(difference["after"]));
    if (difference["events"].size() > 0)
        text += "   after " + printable(difference["events"].elements().front().as_string());
    if (difference["events"].size() > 1) text += fmt::format(" and {} more", difference["events"].size() - 1);
    if (difference["candidates"].as_bool()) text += " (candidates: same key)";
    return text + "\n";
}

// `rest`: where those are that have no place here.
std::string differences_text(const Json& verification, std::size_t shown, std::string_view indent,
                             std::string_view rest) {
    std::string text;
    const auto& differences = verification["differences"].elements();
    for (std::size_t i = 0; i < std::min(differences.size(), shown); ++i)
        text += std::string(indent) + difference_text(differences[i]);
    const std::uint64_t all =
        std::max<std::uint64_t>(differences.size(), verification["differences_total"].as_uint());
    if (all > shown) text += fmt::format("{}  {} more: {}\n", indent, format_count(all - shown), rest);
    return text;
}

// Where the answers of two functions differ, and how often.
std::string paths_text(const Json& paths) {
    std::string text;
    for (const Json& one : paths.elements())
        text += fmt::format(
            "  {:>8}  {}   the first: {}\n", count(one["count"]),
            one["path"].as_string().empty() ? "(the whole answer)" : printable(one["path"].as_string()),
            printable(one["first"].as_string()));
    return text;
}

// What the last verification came to, in short: whether it is equal, the checks that did not hold and the
// first differences.
std::string verified_text(const Json& report, const Paint& paint) {
    const Json& verify = report["verify"];
    if (!has_been_verified(verify)) return "";
    const std::string against = verify["compared_with"].as_string();
    std::string text =
        fmt::format("  verified: {} · {} checks{}\n",
                    is_verified_equal(verify) ? paint.green("equal") : paint.red("NOT equal"),
                    verify["checks"].size(), against.empty() ? "" : " · against " + printable(against));
    for (const Json& check : verify["checks"].elements())
        if (!check["ok"].as_bool())
            text += fmt::format("    {:<10} {}  {}\n", check["name"].as_string(),
                                printable(check["detail"].as_string()), paint.red("NOT OK"));
    return text + differences_text(verify, summed_up_differences, "  ",
                                   fmt::format("tarn report {} -o json", report["run"].as_string()));
}

}  // namespace

std::string render_text(const Json& report, bool colour) {
    const Paint paint(colour);
    const Json& counts = report["counts"];
    const std::string run = report["run"].as_string();
    const std::string& state = report["state"].as_string();
    const bool has_failures =
        counts["failed"].as_uint() + counts["held"].as_uint() + counts["unknown"].as_uint() > 0;
    const std::string what = state == "finished" && has_failures ? "finished with failures" : state;
    std::string out = fmt::format("{} {} · {}", paint.bold(run),
                                  has_failures || state == "failed" ? paint.red(what) : paint.green(what),
                                  counts_line(counts));
    if (report["order"]["kind"].as_string() == "key")
        out += report["order"]["violations"].as_uint() == 0
                   ? fmt::format(" · order kept in {} keys", count(report["order"]["keys"]))
                   : " · " + paint.red(
                                 fmt::format("{} events out of order", count(report["order"]["violations"])));
    out += fmt::format(" · {}", duration_text(report["duration"].as_double()));
    if (report["rate"].as_double() > 0)
        out += fmt::format(" · {}/s", format_count(static_cast<std::uint64_t>(report["rate"].as_double())));
    out += "\n";
    out += fmt::format("  {} · \"{}\" to {}\n", report["plan"].as_string(),
                       printable(report["name"].as_string()), printable(destination_of(report)));
    if (const Json& via = report["via"]; via.is_object())
        out += fmt::format("  via function:{}, version {}: sent was what it made of the payloads\n",
                           printable(via["function"].as_string()), via["version"].as_string());
    if (report["by_failure"].size() > 0) out += "  failed\n";
    for (const Json& failure : report["by_failure"].elements()) out += failure_text(failure);
    out += behind_text(report["keys_behind"]);
    for (const Json& skip : report["by_skip"].elements())
        out += fmt::format("  skipped {}: {}{}\n", count(skip["count"]), printable(skip["cause"].as_string()),
                           skip["next"].is_null() ? "" : " (" + skip["next"].as_string() + ")");
    if (report["error"].is_object())
        out += fmt::format("  {} {}\n", paint.red(report["error"]["code"].as_string()),
                           printable(report["error"]["message"].as_string()));
    if (report["stop"].is_object())
        out += fmt::format("  stopped: {}\n", printable(report["stop"]["text"].as_string()));
    if (const std::uint64_t pushbacks = report["throttled"]["pushbacks"].as_uint(); pushbacks > 0)
        out += fmt::format("  throttled: the target pushed back {} times{}\n", format_count(pushbacks),
                           report["throttled"]["limit"].is_null()
                               ? ""
                               : fmt::format(", in the end it was asked for {:.0f} events/s",
                                             report["throttled"]["limit"].as_double()));
    out += latency_text(report);
    const std::string& selected = report["hashes"]["selected"].as_string();
    if (!selected.empty() && counts["acknowledged"].as_uint() == counts["selected"].as_uint())
        out += fmt::format(
            "  what was sent {} what was selected ({})\n",
            report["hashes"]["sent"].as_string() == selected ? "equals" : paint.red("DIFFERS FROM"),
            selected.substr(0, 19));
    out += verified_text(report, paint);
    const bool goes_on = state == "failed" && counts["remaining"].as_uint() > 0 && report["stop"].is_object();
    if (state == "interrupted" || state == "paused" || goes_on)
        return out +
               fmt::format("  what was acknowledged will not be sent again\n  tarn replay resume {}\n", run);
    return out + fmt::format("  tarn verify {}        tarn report {} -o html > report.html\n", run, run);
}

std::string render_verify_text(const Json& verification, bool colour) {
    const Paint paint(colour);
    std::string out;
    for (const Json& check : verification["checks"].elements()) {
        const bool is_proved = check["evidence"].as_string() != "sender";
        out += fmt::format("{:<10} {:<90} {}\n", check["name"].as_string(),
                           printable(check["detail"].as_string()),
                           !check["ok"].as_bool() ? paint.red("NOT OK")
                           : is_proved            ? paint.green("ok")
                                                  : paint.yellow("not proved"));
    }
    out += paths_text(verification["outputs"]["by_path"]);
    out += differences_text(verification, shown_differences, "", "-o json lists them");
    if (!verification["complete"].as_bool(true))
        out += "  the list of differences is cut: it has the first 1,000\n";
    if (!verification["equal"].as_bool()) return out + paint.red("not equal") + "\n";
    return out + paint.green("equal") +
           (verification["target_read"].as_bool(true) ? "\n" : ", as far as it can be read\n");
}

}  // namespace tarn::report
