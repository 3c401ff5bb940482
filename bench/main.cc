// tarn_bench [NAME…]: runs the named benchmarks (all without names) and prints a JSON object a line.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "bench/bench.h"

namespace tarn::bench {
namespace {

double load_average() {
    double load = 0;
    return ::getloadavg(&load, 1) == 1 ? load : -1;
}

// By its name, or by that of its group: `state` for state_apply, state_diff …
bool is_asked(const Bench& bench, const std::vector<std::string>& names) {
    return names.empty() || std::ranges::any_of(names, [&](const std::string& name) {
               return bench.name == name || bench.name.starts_with(name + "_");
           });
}

int run(int argc, char** argv) {
    const std::vector<std::string> names(argv + 1, argv + argc);
    int failed = 0, ran = 0;
    for (const auto& bench : all_benches()) {
        if (!is_asked(bench, names)) continue;
        ++ran;
        const double load = load_average();
        const auto measured = bench.run();
        codec::Json line;
        line.set("bench", bench.name).set("what", bench.what);
        if (measured) {
            for (const auto& [name, value] : measured->members()) line.set(name, value);
        } else {
            ++failed;
            line.set("error", measured.error().text());
        }
        line.set("load_before", load);
        fmt::print("{}\n", line.dump());
        std::fflush(stdout);
    }
    if (ran == 0) {
        fmt::print(stderr, "tarn_bench: no such benchmark; there are:\n");
        for (const auto& bench : all_benches()) fmt::print(stderr, "  {:<18} {}\n", bench.name, bench.what);
        return 2;
    }
    return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tarn::bench

int main(int argc, char** argv) { return tarn::bench::run(argc, argv); }
