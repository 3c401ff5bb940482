#include "report/throughput_svg.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/time.h"

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

}  // namespace tarn::report
