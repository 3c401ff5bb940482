// tarn put: capture from files or standard input.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "capture/post.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/line_batches.h"
#include "os/byte_source.h"
#include "os/clock.h"

namespace tarn::cli {
namespace {

constexpr std::size_t max_request_bytes = 4u << 20;
constexpr std::size_t max_line_bytes = 64u << 20;  // the server takes no larger body
constexpr std::size_t read_bytes = 1u << 20;
// For so long lines wait for company. What somebody types, or a program writes now and then, is there soon
// after; what comes fast is sent in large requests.
constexpr std::int64_t patience_us = 150'000;

// What all requests of one put add up to.
struct Total {
    std::uint64_t accepted = 0, quarantined = 0;
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> positions;
    std::vector<codec::Json> errors;

    void add(const codec::Json& answer) {
        accepted += answer["accepted"].as_uint();
        quarantined += answer["quarantined"].as_uint();
        for (const auto& range : answer["positions"].elements()) {
            const std::uint64_t partition = range["partition"].as_uint();
            const auto [found, fresh] =
                positions.try_emplace(partition, range["first"].as_uint(), range["last"].as_uint());
            if (!fresh) found->second.second = range["last"].as_uint();
        }
        for (const auto& error : answer["errors"].elements())
            if (errors.size() < 20) errors.push_back(error);
    }

    codec::Json to_json() const {
        codec::Json ranges = codec::Json::array();
        for (const auto& [partition, range] : positions) {
            codec::Json one;
            one.set("partition", partition).set("first", range.first).set("last", range.second);
            ranges.push(std::move(one));
        }
        codec::Json json;
        json.set("accepted", accepted).set("quarantined", quarantined).set("positions", std::move(ranges));
        if (!errors.empty()) json.set("errors", codec::Json::array(errors));
        return json;
    }
};

class Putter {
public:
    Putter(Context& context, Client& client) : context_(context), client_(client) {
        stream_ = context.arguments.get_or("STREAM", "");
    }

    Status put_lines(os::ByteSource& input, const std::string& name) {
        // One key a put, one part of it a request: the same input must give the same requests.
        const bool fixed_requests = context_.arguments.flag("--idempotency-key");
        LineBatches lines({max_request_bytes, capture::max_events_per_request});
        Lines progress{name};
        std::string block(read_bytes, '\0');
        std::int64_t oldest_us = 0;  // when the oldest line that waits came
        while (true) {
            const std::int64_t waited_us = lines.has_line() ? clock_->monotonic_us() - oldest_us : 0;
            TARN_ASSIGN(const auto piece,
                        input.read(block, std::max<std::int64_t>(patience_us - waited_us, 0)));
            const bool had_line = lines.has_line();
            lines.add(std::string_view(block).substr(0, piece.bytes));
            if (!had_line) oldest_us = clock_->monotonic_us();
            if (lines.unfinished_bytes() > max_line_bytes) return too_long(progress);

            const bool stop = interrupted();
            const bool due = clock_->monotonic_us() - oldest_us >= patience_us;
            const bool all = piece.ended || ((stop || due) && !fixed_requests);
            while (lines.has_full_batch() || (all && lines.has_line()))
                TARN_TRY(post_lines(lines.take(), progress));
            if (piece.ended) return post_lines(lines.take_unfinished(), progress);
            if (stop) return stopped(lines.unfinished_bytes());
        }
    }

    Status put_whole(os::ByteSource& input, const std::string& name) {
        std::string body;
        std::string block(read_bytes, '\0');
        while (true) {
            TARN_ASSIGN(const auto piece, input.read(block, patience_us));
            body.append(block, 0, piece.bytes);
            if (piece.ended) break;
            if (interrupted()) return stopped(body.size());
            if (body.size() > max_line_bytes) return too_long({name});
        }
        return post(std::move(body), context_.arguments.get_or("--content-type", "application/json"), {name});
    }

    // A misspelt stream must not look like success only because there was nothing to send.
    Status check_stream() {
        if (requests_ > 0) return {};
        TARN_TRY(client_.get("/v1/streams/" + net::percent_encode(stream_)));
        return {};
    }

    const Total& total() const { return total_; }

private:
    // How far a file is: places in answers are places in requests.
    struct Lines {
        std::string name;
        std::uint64_t before = 0;
        std::string shown_name() const { return name == "-" ? "standard input" : name; }
    };

    Status post_lines(LineBatches::Batch batch, Lines& progress) {
        TARN_TRY(post(std::move(batch.body), "application/x-ndjson", progress));
        progress.before += batch.lines;
        return {};
    }

    Failure stopped(std::size_t unsent_bytes) const {
        std::string message = fmt::format("stopped by a signal: {} events were accepted", total_.accepted);
        if (unsent_bytes > 0)
            message += fmt::format("; {} bytes that were not whole yet were not sent", unsent_bytes);
        return fail(Code::interrupted, std::move(message), {.next = "put the rest of the input"});
    }

    static Failure too_long(const Lines& progress) {
        return fail(Code::too_large,
                    fmt::format("an event of more than {} bytes", format_count(max_line_bytes)),
                    {.place = {.source = progress.shown_name(), .line = progress.before + 1},
                     .next = "what came before it was sent; put one event a line"});
    }

    Status post(std::string body, const std::string& content_type, const Lines& progress) {
        if (body.empty()) return {};
        net::Request request =
            make_request("POST", "/v1/streams/" + net::percent_encode(stream_) + "/events", std::move(body));
        request.headers.emplace_back("content-type", content_type);
        for (const char* option : {"--key", "--type"})
            if (const auto value = context_.arguments.get(option))
                request.query.emplace_back(option + 2, *value);
        if (const auto on_error = context_.arguments.get("--on-error"))
            request.query.emplace_back("on_error", *on_error);
        if (const auto key = context_.arguments.get("--idempotency-key")) {
            // One key a put: each request of a large put gets its own from it.
            request.headers.emplace_back("idempotency-key",
                                         requests_ == 0 ? *key : fmt::format("{}/{}", *key, requests_));
        }
        ++requests_;
        auto answer = client_.send(std::move(request));
        if (!answer) {
            Error error = answer.error();
            if (error.place.source.empty()) error.place.source = progress.shown_name();
            if (error.place.line != 0) error.place.line += progress.before;
            return fail(std::move(error));
        }
        TARN_ASSIGN(codec::Json json, codec::Json::parse(*answer));
        total_.add(json);
        for (const auto& error : json["errors"].elements()) note(error, progress);
        return {};
    }

    void note(const codec::Json& error, const Lines& progress) {
        if (++noted_ > 10) return;
        context_.out.note(fmt::format("quarantined {}:{}:{}: {}  ({})", progress.shown_name(),
                                      error["line"].as_uint() + progress.before, error["column"].as_uint(),
                                      printable(error["message"].as_string()),
                                      error["quarantine"].as_string()));
    }

    Context& context_;
    Client& client_;
    const std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::string stream_;
    Total total_;
    std::uint64_t requests_ = 0, noted_ = 0;
};

Status create_if_asked(Context& context, Client& client) {
    if (!context.arguments.flag("--create")) return {};
    codec::Json body;
    body.set("name", context.arguments.get_or("STREAM", ""));
    const auto made = client.post("/v1/streams", body);
    if (!made && made.error().code != Code::stream_exists) return fail(made.error());
    return {};
}

Result<int> put(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_TRY(create_if_asked(context, *client));
    Putter putter(context, *client);
    std::vector<std::string> files = context.arguments.all("FILE");
    if (files.empty()) files.push_back("-");
    // All are opened first, so that a misspelt name does not leave half of the work done.
    std::vector<std::unique_ptr<os::ByteSource>> inputs;
    for (const auto& file : files) {
        TARN_ASSIGN(inputs.emplace_back(), os::open_byte_source(file));
    }
    Status status;
    for (std::size_t i = 0; status && i < files.size(); ++i)
        status = context.arguments.flag("--whole") ? putter.put_whole(*inputs[i], files[i])
                                                   : putter.put_lines(*inputs[i], files[i]);
    if (status) status = putter.check_stream();
    // What was accepted before a failure is said too: it is on disk.
    const Total& total = putter.total();
    const bool was_stopped = !status && status.error().kind == ErrorKind::interrupted;
    if (status || was_stopped || total.accepted + total.quarantined > 0)
        context.out.line(total.to_json().dump());
    TARN_TRY(status);
    return 0;
}

}  // namespace

std::vector<Command> put_commands() {
    return {
        {"put",
         "capture events: one a line, or whole files",
         {{"STREAM", "where to"}, {"FILE", "files; - or none: standard input", false, true}},
         {{"--whole", "", "each file is one event"},
          {"--create", "", "make the stream if it is not there"},
          {"--key", "KEY", "the key of all these events"},
          {"--type", "TYPE", "the type of all these events"},
          {"--content-type", "TYPE", "with --whole; default application/json"},
          {"--on-error", "WHAT", "quarantine (default) or reject: all or nothing of each request"},
          {"--idempotency-key", "KEY", "the same put again stores nothing"}},
         "Examples:\n  echo '{\"amount\":\"12.50\"}' | tarn put orders --create\n  tarn put orders "
         "events.ndjson\n"
         "  tarn put images photo.png --whole --content-type image/png\n\n"
         "Prints {\"accepted\":…,\"quarantined\":…,\"positions\":…} when all of it is on disk. From a pipe, "
         "whole lines are sent at the\nlatest 150 ms after they came. Ctrl-C: what was read in whole lines "
         "is sent, the counts are printed, exit 130.",
         put}};
}

}  // namespace tarn::cli
