#include "cli/run_watch.h"

#include <fmt/core.h>

#include <charconv>

namespace tarn::cli {
namespace {

constexpr std::size_t shown_causes = 2, shown_cause_bytes = 48;
constexpr double pace_step = 2;

std::string count_of(const codec::Json& number) { return format_count(number.as_uint()); }

std::string failures_text(const codec::Json& progress) {
    std::string text = fmt::format(" · {} failed · {} held · {} unknown", count_of(progress["failed"]),
                                   count_of(progress["held"]), count_of(progress["unknown"]));
    std::string causes;
    const auto& all = progress["failures"].elements();
    for (std::size_t i = 0; i < std::min(all.size(), shown_causes); ++i) {
        std::string cause = all[i]["cause"].as_string();
        if (cause.size() > shown_cause_bytes) {
            cause.resize(shown_cause_bytes);
            while (!cause.empty() && (static_cast<unsigned char>(cause.back()) & 0xC0) == 0x80)
                cause.pop_back();
            cause += "…";
        }
        causes +=
            fmt::format("{}{} × {}", causes.empty() ? "" : ", ", count_of(all[i]["count"]), printable(cause));
    }
    return causes.empty() ? text : text + " (" + causes + ")";
}

}  // namespace

std::string describe_run(const codec::Json& progress) {
    constexpr std::int64_t shown_lag_us = 1'000'000;
    const std::uint64_t selected = progress["selected"].as_uint(),
                        remaining = progress["remaining"].as_uint();
    std::string text =
        fmt::format("{} {} {}/{} · {}/s", progress["run"].as_string(), bar(selected - remaining, selected),
                    format_count(selected - remaining), format_count(selected),
                    format_count(static_cast<std::uint64_t>(progress["rate"].as_double())));
    if (progress["left_us"].is_number() && remaining > 0)
        text += fmt::format(" · {} left",
                            format_duration(static_cast<std::int64_t>(progress["left_us"].as_double())));
    if (progress["throttled_to"].is_number())
        text += fmt::format(" · throttled: {:.0f}/s of {}", progress["throttled_to"].as_double(),
                            progress["pace"].as_string());
    else if (const std::string& pace = progress["pace"].as_string(); pace != "max")
        text += " · pace " + pace;
    if (const std::int64_t lag = progress["lag_us"].as_int(); lag >= shown_lag_us)
        text += fmt::format(" · {} behind", format_duration(lag));
    return text + failures_text(progress);
}

std::optional<std::string> changed_pace(const std::string& pace, double rate, bool faster) {
    const double factor = faster ? pace_step : 1 / pace_step;
    if (pace == "max" && (faster || rate < 2)) return std::nullopt;
    double number = rate;
    std::string_view unit = "/s";
    if (pace != "max") {
        const auto [end, problem] = std::from_chars(pace.data(), pace.data() + pace.size(), number);
        if (problem != std::errc() || number <= 0) return std::nullopt;
        unit = std::string_view(end, pace.data() + pace.size());
    }
    // Small ones keep their digits: half of 0.5x is 0.25x.
    number *= factor;
    return number >= 10 ? fmt::format("{:.0f}{}", number, unit) : fmt::format("{:.3g}{}", number, unit);
}

Result<bool> wants_ndjson_progress(const Arguments& arguments) {
    const std::string form = arguments.get_or("--progress", "text");
    if (form == "text" || form == "ndjson") return form == "ndjson";
    return fail(Code::bad_usage, fmt::format("--progress \"{}\": expected text or ndjson", form));
}

Result<codec::Json> watch_run(Context& context, const std::string& run, const std::string& job) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const bool as_ndjson, wants_ndjson_progress(context.arguments));
    const std::string path = "/v1/runs/" + net::percent_encode(run);
    Watch watch;
    watch.describe = describe_run;
    watch.key_hint = "  [+ - p q]";
    watch.how_to_continue = fmt::format("tarn replay resume {}", run);
    watch.detached = run;
    watch.detached_next =
        fmt::format("tarn replay show {} --watch    or stop it: tarn replay pause {}", run, run);
    watch.as_ndjson = as_ndjson;
    watch.on_key = [&](char key, const codec::Json& progress) -> Result<bool> {
        if (key == 'q') return true;
        if (key == 'p') TARN_TRY(client->post(path + "/pause", codec::Json::object()));
        if (key != '+' && key != '-') return false;
        const auto pace =
            changed_pace(progress["pace"].as_string(), progress["rate"].as_double(), key == '+');
        if (!pace) return false;
        codec::Json body;
        TARN_TRY(client->post(path + "/pace", body.set("pace", *pace)));
        return false;
    };
    return watch_job(context, job, watch);
}

}  // namespace tarn::cli
