// tarn put: capture from files or standard input.
#include <fmt/core.h>

#include <cstdio>
#include <map>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "os/real_file_system.h"

namespace tarn::cli {
namespace {

constexpr std::size_t block_bytes = 4u << 20;

// Reads standard input or a file in pieces.
class Input {
public:
    static Result<std::unique_ptr<Input>> open(os::FileSystem& fs, const std::string& path) {
        auto input = std::unique_ptr<Input>(new Input());
        if (path == "-") return input;
        TARN_ASSIGN(input->file_, fs.open(path, os::OpenMode::read));
        return input;
    }
    Result<std::string> read(std::size_t bytes) {
        std::string out(bytes, '\0');
        if (file_) {
            TARN_ASSIGN(const std::size_t n, file_->read_at(offset_, out));
            offset_ += n;
            out.resize(n);
        } else {
            out.resize(std::fread(out.data(), 1, bytes, stdin));
        }
        return out;
    }

private:
    Input() = default;
    std::unique_ptr<os::File> file_;
    std::uint64_t offset_ = 0;
};

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

    Status put_lines(Input& input, const std::string& name) {
        std::string pending;
        std::uint64_t lines = 0;
        while (true) {
            TARN_ASSIGN(const std::string piece, input.read(block_bytes));
            const bool last = piece.empty();
            pending += piece;
            const auto end = last ? pending.size() : pending.rfind('\n') + 1;
            if (end > 0) {
                TARN_TRY(post(pending.substr(0, end), "application/x-ndjson", name, lines));
                lines += static_cast<std::uint64_t>(
                    std::count(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
                pending.erase(0, end);
            }
            if (last) return {};
            if (interrupted())
                return fail(Code::interrupted,
                            fmt::format("stopped: {} events were accepted", total_.accepted));
        }
    }

    Status put_whole(Input& input, const std::string& name) {
        std::string body;
        while (true) {
            TARN_ASSIGN(const std::string piece, input.read(block_bytes));
            if (piece.empty()) break;
            body += piece;
        }
        return post(std::move(body), context_.arguments.get_or("--content-type", "application/json"), name,
                    0);
    }

    const Total& total() const { return total_; }

private:
    Status post(std::string body, const std::string& content_type, const std::string& name,
                std::uint64_t lines_before) {
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
            if (error.place.source.empty()) error.place.source = name == "-" ? "standard input" : name;
            if (error.place.line != 0) error.place.line += lines_before;
            return fail(std::move(error));
        }
        TARN_ASSIGN(codec::Json json, codec::Json::parse(*answer));
        total_.add(json);
        for (const auto& error : json["errors"].elements()) note(error, name, lines_before);
        return {};
    }

    void note(const codec::Json& error, const std::string& name, std::uint64_t lines_before) {
        if (++noted_ > 10) return;
        context_.out.note(fmt::format("quarantined {}:{}:{}: {}  ({})", name == "-" ? "standard input" : name,
                                      error["line"].as_uint() + lines_before, error["column"].as_uint(),
                                      printable(error["message"].as_string()),
                                      error["quarantine"].as_string()));
    }

    Context& context_;
    Client& client_;
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
    const auto fs = os::make_real_file_system();
    Putter putter(context, *client);
    std::vector<std::string> files = context.arguments.all("FILE");
    if (files.empty()) files.push_back("-");
    // All are opened first, so that a misspelt name does not leave half of the work done.
    std::vector<std::unique_ptr<Input>> inputs;
    for (const auto& file : files) {
        TARN_ASSIGN(inputs.emplace_back(), Input::open(*fs, file));
    }
    Status status;
    for (std::size_t i = 0; status && i < files.size(); ++i)
        status = context.arguments.flag("--whole") ? putter.put_whole(*inputs[i], files[i])
                                                   : putter.put_lines(*inputs[i], files[i]);
    // What was accepted before a failure is said too: it is on disk.
    const Total& total = putter.total();
    if (status || total.accepted + total.quarantined > 0) context.out.line(total.to_json().dump());
    TARN_TRY(status);
    return 0;
}

}  // namespace

std::vector<Command> put_commands() {
    return {{"put",
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
             "Prints {\"accepted\":…,\"quarantined\":…,\"positions\":…} when all of it is on disk.",
             put}};
}

}  // namespace tarn::cli
