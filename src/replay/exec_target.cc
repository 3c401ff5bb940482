// Gives events to a program: one line of JSON each on its standard input, one line of answer each on its
// standard output, in the same order. The protocol is in docs/reference/replay-targets.md.
//
// One thread writes and one reads, so that a program which answers while it is being written to is never
// stuck. What was handed over and is not answered when the program ends, hangs or talks nonsense is unknown;
// what was not handed over is still to be sent.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "os/clock.h"
#include "os/confine.h"
#include "os/process.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

constexpr int max_attempts = 5;
constexpr std::int64_t first_pause_us = 100'000;
constexpr std::int64_t look_us = 50'000;  // how often the reader looks at more than output
constexpr std::int64_t grace_us = 5'000'000;
constexpr std::size_t max_answer_bytes = 1u << 20;
constexpr std::size_t max_written_at_once = 64u << 10;

// What a program that a user would start finds; nothing else of ours is handed on.
std::vector<std::string> environment_of(const TargetRun& run) {
    std::vector<std::string> environment;
    for (const char* name : {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"})
        if (const char* const value = std::getenv(name))
            environment.push_back(fmt::format("{}={}", name, value));
    environment.push_back("TARN_RUN=" + run.run);
    environment.push_back(fmt::format("TARN_SHAPE={}", event::shape_name(run.shape)));
    return environment;
}

bool can_be_started(const std::filesystem::path& path) {
    std::error_code problem;
    const auto status = std::filesystem::status(path, problem);
    constexpr auto executable = std::filesystem::perms::owner_exec | std::filesystem::perms::group_exec |
                                std::filesystem::perms::others_exec;
    return !problem && std::filesystem::is_regular_file(status) &&
           (status.permissions() & executable) != std::filesystem::perms::none;
}

// A name without a slash is looked for in PATH, another one below the folder where the program works.
Result<std::string> path_of_program(const std::string& name, const std::string& directory) {
    if (name.find('/') != std::string::npos) {
        const auto path = std::filesystem::path(directory) / name;
        if (can_be_started(path)) return path.string();
    } else {
        const char* const folders = std::getenv("PATH");
        std::string_view rest = folders == nullptr ? "/usr/bin:/bin" : folders;
        while (!rest.empty()) {
            const std::string_view folder = rest.substr(0, rest.find(':'));
            rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
            const auto path = std::filesystem::path(folder) / name;
            if (!folder.empty() && can_be_started(path)) return path.string();
        }
    }
    return fail(Code::bad_target, fmt::format("exec: there is no program {} that can be started", name),
                {.next = "name it by its path, and allow this user to execute it"});
}

std::string last_line_of(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    const std::size_t begin = text.rfind('\n');
    std::string line = begin == std::string::npos ? text : text.substr(begin + 1);
    if (line.size() > 300) line.resize(300);
    while (!line.empty() && !codec::is_valid_utf8(line)) line.pop_back();
    return line;
}

class ExecTarget final : public ParallelTarget {
public:
    ExecTarget(std::unique_ptr<os::Process> process, ProgramSettings settings, TargetRun run)
        : clock_(os::make_real_clock()),
          process_(std::move(process)),
          settings_(std::move(settings)),
          run_(std::move(run)) {
        writer_ = std::thread([this] { write_lines(); });
        reader_ = std::thread([this] { read_answers(); });
    }

    // The program sees the end of its input and has a while to end by itself.
    ~ExecTarget() override {
        {
            const std::scoped_lock lock(mutex_);
            closing_ = true;
            give_up_us_ = clock_->monotonic_us() + std::min(grace_us, settings_.timeout_us);
        }
        came_.notify_all();
        reader_.join();
        writer_.join();
    }
    ExecTarget(const ExecTarget&) = delete;
    ExecTarget& operator=(const ExecTarget&) = delete;

    std::size_t at_once() const override { return settings_.batch; }
    std::size_t max_unsettled() const override { return std::max<std::size_t>(settings_.batch, 100); }

    // Lines wait for each other in it: how long says more about us than about it.
    bool latency_tells() const override { return false; }

    void begin(const Outgoing& outgoing, Done done) override {
        Line line{.text = {}, .attempt = outgoing.attempt, .done = std::move(done)};
        if (run_.shape == event::Shape::payload)
            append_file_line(line.text, run_.shape, outgoing.event, outgoing.meta, run_.run);
        else
            append_document(line.text, outgoing);
        std::optional<Error> ended;
        {
            const std::scoped_lock lock(mutex_);
            ended = ended_;
            if (!ended) to_write_.push_back(std::move(line));
        }
        if (ended) return line.done(fail(*ended));
        came_.notify_all();
    }

    void wind_up() override {
        const std::scoped_lock lock(mutex_);
        give_up_us_ = clock_->monotonic_us() + std::min(grace_us, settings_.timeout_us);
    }

private:
    struct Line {
        std::string text;
        int attempt = 1;
        Done done;
    };

    void append_document(std::string& out, const Outgoing& outgoing) const {
        event::append_shape(out, run_.shape, outgoing.event, outgoing.meta,
                            {.run = run_.run, .attempt = outgoing.attempt, .key = outgoing.idempotency_key});
        out += '\n';
    }

    // ---- the writer

    void write_lines() {
        std::string text;
        while (take_lines(text))
            if (!process_->write_stdin(text)) break;  // the reader sees the end, and says so
        process_->close_stdin();
    }

    // False at the end of the input.
    bool take_lines(std::string& text) {
        text.clear();
        std::unique_lock lock(mutex_);
        came_.wait(lock, [this] { return !to_write_.empty() || closing_ || ended_; });
        if (to_write_.empty() || ended_) return false;
        if (unanswered_.empty()) answered_us_ = clock_->monotonic_us();
        while (!to_write_.empty() && text.size() < max_written_at_once) {
            text += to_write_.front().text;
            to_write_.front().text = {};
            unanswered_.push_back(std::move(to_write_.front()));
            to_write_.pop_front();
        }
        return true;
    }

    // ---- the reader

    void read_answers() {
        std::string buffer;
        std::string problem;
        while (problem.empty()) {
            const auto bytes = process_->read_stdout(look_us);
            if (bytes && bytes->empty()) break;
            if (!bytes && bytes.error().code != Code::query_timeout) break;
            if (!bytes) {
                problem = look_at_the_time();
                continue;
            }
            buffer += *bytes;
            problem = take_answers(buffer);
        }
        end(problem);
    }

    // What is wrong with them, "" when nothing.
    std::string take_answers(std::string& buffer) {
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
            std::string problem = take_answer(std::string_view(buffer).substr(begin, end - begin));
            if (!problem.empty()) return problem;
        }
        buffer.erase(0, begin);
        return buffer.size() > max_answer_bytes ? "it wrote a line longer than 1 MiB" : "";
    }

    std::string take_answer(std::string_view line) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
        const auto said = line == "ok" ? Result<codec::Json>(codec::Json::object({{"ok", true}}))
                                       : codec::Json::parse(line);
        const bool is_answer =
            said && said->is_object() && ((*said)["ok"].as_bool() || (*said)["error"].is_string());
        if (!is_answer)
            return fmt::format("it wrote \"{}\" where an answer was expected: ok, or {{\"error\":\"…\"}}",
                               last_line_of(std::string(line)));
        std::optional<Line> answered;
        {
            const std::scoped_lock lock(mutex_);
            answered_us_ = clock_->monotonic_us();
            if (!unanswered_.empty()) {
                answered = std::move(unanswered_.front());
                unanswered_.pop_front();
            }
        }
        if (!answered) return "it wrote more answers than it had events";
        answered->done(judged(*said, answered->attempt));
        return "";
    }

    static Attempted judged(const codec::Json& said, int attempt) {
        if (said["ok"].as_bool()) return {.sent = {Delivery::acknowledged, "", attempt}, .again_us = {}};
        Attempted attempted{.sent = {Delivery::failed, said["error"].as_string(), attempt}, .again_us = {}};
        if (said["retry"].as_bool() && attempt < max_attempts)
            attempted.again_us = first_pause_us << (attempt - 1);
        return attempted;
    }

    std::string look_at_the_time() {
        const std::scoped_lock lock(mutex_);
        const std::int64_t now = clock_->monotonic_us();
        const bool is_waiting = !unanswered_.empty() || closing_;
        if (give_up_us_ && is_waiting && now > *give_up_us_) return "it was ended with the run";
        if (unanswered_.empty() || now - answered_us_ < settings_.timeout_us) return "";
        return fmt::format("it gave no answer for {}", format_duration(settings_.timeout_us));
    }

    // Nothing more will come. `problem` "": the program has ended by itself.
    void end(const std::string& problem) {
        process_->kill();
        const os::ExitStatus status = process_->wait();
        const std::string said = last_line_of(process_->stderr_tail());
        const std::string why = !problem.empty()     ? problem
                                : status.signal != 0 ? fmt::format("signal {} ended it", status.signal)
                                                     : fmt::format("it ended with exit code {}", status.code);
        const Error error = make_error(
            Code::program_failed,
            fmt::format("{}: {}{}{}", settings_.command.front(), why, said.empty() ? "" : ": ", said),
            {.next = "when it can work again: tarn replay resume RUN"});
        std::deque<Line> unanswered, unwritten;
        {
            const std::scoped_lock lock(mutex_);
            ended_ = error;
            unanswered.swap(unanswered_);
            unwritten.swap(to_write_);
        }
        came_.notify_all();
        for (Line& line : unanswered) {
            // Sent once more by the next session, which a program that knows its keys does not mind.
            if (settings_.is_idempotent) {
                line.done(fail(error));
                continue;
            }
            line.done(Attempted{.sent = {Delivery::unknown, error.message, line.attempt}, .again_us = {}});
        }
        for (Line& line : unwritten) line.done(fail(error));
    }

    const std::unique_ptr<os::Clock> clock_;
    const std::unique_ptr<os::Process> process_;
    const ProgramSettings settings_;
    const TargetRun run_;

    std::mutex mutex_;
    std::condition_variable came_;
    std::deque<Line> to_write_, unanswered_;  // under mutex_
    std::int64_t answered_us_ = 0;            // under mutex_: the last answer, or when there was something to
    std::optional<std::int64_t> give_up_us_;  // under mutex_
    std::optional<Error> ended_;              // under mutex_
    bool closing_ = false;                    // under mutex_

    std::thread writer_, reader_;
};

}  // namespace

Result<std::unique_ptr<ParallelTarget>> open_exec_target(ProgramSettings settings, TargetRun run) {
    os::ProcessOptions options{.arguments = settings.command,
                               .environment = environment_of(run),
                               .working_directory = settings.directory};
    TARN_ASSIGN(options.arguments.front(), path_of_program(settings.command.front(), settings.directory));
    os::ignore_broken_pipes();  // writing to a program that has ended is an error, not our end
    TARN_ASSIGN(auto process, os::spawn(options));
    return std::make_unique<ExecTarget>(std::move(process), std::move(settings), std::move(run));
}

}  // namespace tarn::replay
