#include "cli/watch.h"

#include <fmt/core.h>

#include "cli/interrupt.h"
#include "cli/terminal_keys.h"
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

namespace {

constexpr std::int64_t shortest_us = 2'000, longest_us = 100'000;
constexpr std::int64_t line_every_us = 30'000'000, document_every_us = 1'000'000;

class Watching {
public:
    Watching(Context& context, Client& client, const std::string& job, const Watch& watch)
        : context_(context), client_(client), job_(job), watch_(watch), clock_(os::make_real_clock()) {
        if (watch.on_key && !context.out.quiet()) keys_.emplace();
    }

    Result<codec::Json> to_the_end() {
        told_us_ = clock_->monotonic_us();
        for (std::int64_t wait = shortest_us;; wait = std::min(longest_us, wait * 2)) {
            TARN_ASSIGN(const codec::Json state, client_.get("/v1/jobs/" + job_));
            if (is_over(state)) return end_of(state);
            tell(state["progress"]);
            TARN_ASSIGN(const bool leaves, heed_keys(state["progress"]));
            if ((leaves || interrupted()) && !asked_) {
                asked_ = true;
                if (!client_.in_process()) return detached();
                TARN_TRY(client_.post("/v1/jobs/" + job_ + "/cancel", codec::Json::object()));
            }
            clock_->sleep_us(wait);
        }
    }

private:
    static bool is_over(const codec::Json& state) {
        const std::string& word = state["state"].as_string();
        return word == "finished" || word == "stopped" || word == "failed" || word == "interrupted";
    }

    Result<codec::Json> end_of(const codec::Json& state) {
        context_.out.end_progress();
        if (watch_.as_ndjson && state["progress"].is_object()) to_stderr(state["progress"].dump() + "\n");
        const std::string& word = state["state"].as_string();
        if (word == "finished" || word == "stopped") return state["result"];
        if (watch_.last_progress != nullptr) *watch_.last_progress = state["progress"];
        if (state["error"].is_object()) return fail(error_of(state["error"]));
        return fail(Code::interrupted, fmt::format("job {} was interrupted", job_),
                    {.next = watch_.how_to_continue});
    }

    void tell(const codec::Json& progress) {
        if (!progress.is_object()) return;
        const std::int64_t now = clock_->monotonic_us();
        const bool is_asked = was_asked_for_state();
        if (watch_.as_ndjson) {
            if (has_told_ && !is_asked && now - told_us_ < document_every_us) return;
            to_stderr(progress.dump() + "\n");
        } else {
            const std::string text = watch_.describe(progress);
            if (!is_asked) context_.out.progress(keys_ && keys_->are_heard() ? text + watch_.key_hint : text);
            if (!is_asked && (context_.out.stderr_is_terminal() || now - told_us_ < line_every_us)) return;
            context_.out.note(text);
        }
        has_told_ = true;
        told_us_ = now;
    }

    Result<bool> heed_keys(const codec::Json& progress) {
        if (!keys_) return false;
        while (const auto key = keys_->next()) {
            auto leaves = watch_.on_key(*key, progress);
            // A key too many, a run that ends just now: no reason to stop watching.
            if (!leaves) context_.out.error(leaves.error());
            if (leaves && *leaves) return true;
        }
        return false;
    }

    Result<codec::Json> detached() {
        context_.out.end_progress();
        const std::string next =
            fmt::format("tarn job show {}    or stop it: tarn job cancel {}", job_, job_);
        return fail(Code::interrupted,
                    fmt::format("detached; {} goes on in {}",
                                watch_.detached.empty() ? "job " + job_ : watch_.detached, client_.where()),
                    {.next = watch_.detached_next.empty() ? next : watch_.detached_next});
    }

    Context& context_;
    Client& client_;
    const std::string& job_;
    const Watch& watch_;
    const std::unique_ptr<os::Clock> clock_;
    std::optional<TerminalKeys> keys_;  // only where keys mean something
    std::int64_t told_us_ = 0;
    bool has_told_ = false, asked_ = false;
};

}  // namespace

Result<codec::Json> watch_job(Context& context, const std::string& job, const Watch& watch) {
    TARN_ASSIGN(Client * client, context.client());
    return Watching(context, *client, job, watch).to_the_end();
}

Result<codec::Json> watch_job(Context& context, const std::string& job,
                              const std::function<std::string(const codec::Json&)>& describe,
                              const std::string& how_to_continue, codec::Json* last_progress) {
    Watch watch;
    watch.describe = describe;
    watch.how_to_continue = how_to_continue;
    watch.last_progress = last_progress;
    return watch_job(context, job, watch);
}

}  // namespace tarn::cli
