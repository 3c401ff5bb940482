#include "cli/watch.h"

#include <fmt/core.h>

#include "cli/interrupt.h"
#include "os/clock.h"

namespace tarn::cli {
namespace {

Error error_of(const codec::Json& json) {
    codec::Json body;
    body.set("error", json);
    return net::parse_error_response(500, body.dump());
}

}  // namespace

std::string bar(std::uint64_t done, std::uint64_t total) {
    constexpr std::uint64_t width = 30;
    const std::uint64_t filled = total == 0 ? 0 : std::min(width, done * width / total);
    std::string out;
    for (std::uint64_t i = 0; i < width; ++i) out += i < filled ? "━" : (i == filled ? "╸" : "─");
    return out;
}

Result<codec::Json> watch_job(Context& context, const std::string& job,
                              const std::function<std::string(const codec::Json&)>& describe,
                              const std::string& how_to_continue, codec::Json* last_progress) {
    constexpr std::int64_t shortest_us = 2'000, longest_us = 100'000, off_terminal_line_us = 30'000'000;
    TARN_ASSIGN(Client * client, context.client());
    const auto clock = os::make_real_clock();
    std::int64_t wait = shortest_us;
    std::int64_t last_line = clock->monotonic_us();
    bool asked = false;
    while (true) {
        TARN_ASSIGN(const codec::Json state, client->get("/v1/jobs/" + job));
        const std::string& word = state["state"].as_string();
        if (word == "finished" || word == "stopped") {
            context.out.end_progress();
            return state["result"];
        }
        if (word == "failed" || word == "interrupted") {
            context.out.end_progress();
            if (last_progress != nullptr) *last_progress = state["progress"];
            if (state["error"].is_object()) return fail(error_of(state["error"]));
            return fail(Code::interrupted, fmt::format("job {} was interrupted", job),
                        {.next = how_to_continue});
        }
        const codec::Json& progress = state["progress"];
        if (progress.is_object()) {
            context.out.progress(describe(progress));
            if (!context.out.stderr_is_terminal() &&
                clock->monotonic_us() - last_line > off_terminal_line_us) {
                context.out.note(describe(progress));
                last_line = clock->monotonic_us();
            }
        }
        if (interrupted() && !asked) {
            asked = true;
            if (!client->in_process())
                return fail(
                    Code::interrupted, fmt::format("detached; job {} goes on in {}", job, client->where()),
                    {.next = fmt::format("tarn job show {}    or stop it: tarn job cancel {}", job, job)});
            TARN_TRY(client->post("/v1/jobs/" + job + "/cancel", codec::Json::object()));
        }
        clock->sleep_us(wait);
        wait = std::min(longest_us, wait * 2);
    }
}

}  // namespace tarn::cli
