#include "report/charts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/time.h"
#include "report/html_escape.h"

namespace tarn::report {
namespace {

using codec::Json;

constexpr double width = 720, height = 120, baseline = 100;

struct Stretch {
    double from = 0, until = 0, rate = 0;
    std::uint64_t done = 0;
};

// What happened between one sample and the next; samples at the same instant are joined.
std::vector<Stretch> stretches_of(const Json& samples) {
    std::vector<Stretch> stretches;
    const auto& list = samples.elements();
    for (std::size_t i = 1; i < list.size(); ++i) {
        const double from = list[i - 1]["t"].as_double(), until = list[i]["t"].as_double();
        const std::uint64_t before = list[i - 1]["done"].as_uint(), done = list[i]["done"].as_uint();
        if (until <= from || done < before) continue;
        stretches.push_back({from, until, static_cast<double>(done - before) / (until - from), done});
    }
    return stretches;
}

std::string rate_text(double rate) { return format_count(static_cast<std::uint64_t>(rate + 0.5)) + "/s"; }

}  // namespace

std::string throughput_svg(const Json& samples) {
    const auto stretches = stretches_of(samples);
    if (stretches.empty()) return "";
    const double end = stretches.back().until;
    double peak = 1;
    for (const Stretch& stretch : stretches) peak = std::max(peak, stretch.rate);
    std::string svg = fmt::format(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"events per second over time, at most {}\">\n",
        width, height, rate_text(peak));
    for (const Stretch& stretch : stretches) {
        const double x = stretch.from / end * width;
        const double bar_height = stretch.rate / peak * (baseline - 15);
        svg += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>{:.1f} s to {:.1f} s: "
            "{}, {} done</title></rect>\n",
            x, baseline - bar_height, std::max(0.5, (stretch.until - stretch.from) / end * width - 0.5),
            bar_height, stretch.from, stretch.until, rate_text(stretch.rate), format_count(stretch.done));
    }
    svg += fmt::format("<line x1=\"0\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>\n", baseline, width);
    svg += fmt::format(
        "<text x=\"0\" y=\"10\">{}</text><text x=\"0\" y=\"{}\">0 s</text><text x=\"{}\" y=\"{}\" "
        "text-anchor=\"end\">{:.1f} s</text>\n</svg>\n",
        rate_text(peak), height - 5, width, height - 5, end);
    return svg;
}

std::string throughput_table(const Json& samples) {
    const auto stretches = stretches_of(samples);
    if (stretches.empty()) return "";
    const std::size_t step = (stretches.size() + 19) / 20;
    std::string table =
        "<details><summary>as a "
        "table</summary><table><tr><th>second</th><th>events/s</th><th>done</th></tr>\n";
    for (std::size_t i = 0; i < stretches.size(); i += step)
        table += fmt::format("<tr><td>{:.1f}</td><td>{}</td><td>{}</td></tr>\n", stretches[i].until,
                             rate_text(stretches[i].rate), format_count(stretches[i].done));
    return table + "</table></details>\n";
}

namespace {

struct Bucket {
    std::uint64_t from_us = 0, upto_us = 0, answers = 0;
};

// From the first to the last bucket that has answers, with the empty ones between them: an octave has four.
std::vector<Bucket> buckets_of(const Json& latency) {
    std::vector<Bucket> list;
    for (const Json& one : latency["buckets"].elements()) {
        if (one.size() != 2) continue;
        const std::uint64_t upto = one.elements()[0].as_uint();
        list.push_back({list.empty() ? 0 : list.back().upto_us + 1, upto, one.elements()[1].as_uint()});
    }
    return list;
}

std::string us_text(std::uint64_t us) { return format_duration(static_cast<std::int64_t>(us)); }

// Where a latency stands on a logarithmic axis.
double octaves(std::uint64_t us) { return std::log2(static_cast<double>(us) + 1); }

std::string cut_label(const std::string& label) {
    constexpr std::size_t shown = 60;  // bytes
    std::string cut = label.substr(0, shown);
    while (cut.size() < label.size() && !cut.empty() && !codec::is_valid_utf8(cut)) cut.pop_back();
    return escape_html(cut) + (cut.size() < label.size() ? "…" : "");
}

}  // namespace

std::string latency_svg(const Json& latency) {
    const auto buckets = buckets_of(latency);
    if (buckets.empty()) return "";
    const double first = octaves(buckets.front().upto_us) - 0.25, end = octaves(buckets.back().upto_us);
    const double unit = width / std::max(end - first, 0.25);
    std::uint64_t most = 1;
    for (const Bucket& bucket : buckets) most = std::max(most, bucket.answers);
    std::string svg = fmt::format(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"how long answers took, half of them up to {}, "
        "99 in 100 up to {}, the longest {}\">\n",
        width, height, us_text(latency["p50_us"].as_uint()), us_text(latency["p99_us"].as_uint()),
        us_text(latency["max_us"].as_uint()));
    for (const Bucket& bucket : buckets) {
        const double x = (octaves(bucket.upto_us) - 0.25 - first) * unit;
        const double bar_height =
            std::max(1.0, static_cast<double>(bucket.answers) / static_cast<double>(most) * (baseline - 15));
        svg += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"><title>up to {}: {} "
            "answers</title></rect>\n",
            std::max(0.0, x), baseline - bar_height, std::max(1.0, 0.25 * unit - 0.5), bar_height,
            us_text(bucket.upto_us), format_count(bucket.answers));
    }
    svg += fmt::format("<line x1=\"0\" y1=\"{0}\" x2=\"{1}\" y2=\"{0}\"/>\n", baseline, width);
    svg += fmt::format(
        "<text x=\"0\" y=\"10\">{} answers</text><text x=\"0\" y=\"{}\">{}</text><text x=\"{}\" "
        "y=\"{}\" text-anchor=\"end\">{}</text>\n</svg>\n",
        format_count(most), height - 5, us_text(buckets.front().upto_us), width, height - 5,
        us_text(buckets.back().upto_us));
    return svg;
}

std::string latency_table(const Json& latency) {
    const auto buckets = buckets_of(latency);
    if (buckets.empty()) return "";
    std::string table =
        "<details><summary>as a table</summary><table><tr><th>up to</th><th>answers</th></tr>\n";
    for (const Bucket& bucket : buckets)
        table += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", us_text(bucket.upto_us),
                             format_count(bucket.answers));
    return table + "</table></details>\n";
}

std::string bars_svg(const std::vector<Bar>& bars, std::string_view what) {
    if (bars.empty()) return "";
    constexpr double row = 22, label_width = 330, bar_width = width - label_width - 70;
    std::uint64_t most = 1;
    for (const Bar& bar : bars) most = std::max(most, bar.value);
    std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", width,
                                  row * static_cast<double>(bars.size()), escape_html(what));
    double y = 0;
    for (const Bar& bar : bars) {
        const double length =
            std::max(1.0, static_cast<double>(bar.value) / static_cast<double>(most) * bar_width);
        svg += fmt::format(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"{}\" x=\"{}\" y=\"{}\" "
            "width=\"{:.1f}\" height=\"{}\"><title>{}: {}</title></rect><text x=\"{:.1f}\" "
            "y=\"{}\">{}</text>\n",
            label_width - 8, y + 15, cut_label(bar.label), bar.kind, label_width, y + 3, length, row - 6,
            escape_html(bar.label), format_count(bar.value), label_width + length + 6, y + 15,
            format_count(bar.value));
        y += row;
    }
    return svg + "</svg>\n";
}

}  // namespace tarn::report
