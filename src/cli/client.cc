#include "cli/client.h"

#include <fmt/core.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "cli/interrupt.h"
#include "net/http_client.h"
#include "os/process.h"
#include "os/real_file_system.h"
#include "server/api.h"

namespace tarn::cli {
namespace {

// The body of a stream answered in process goes straight to the command.
class DirectWriter final : public net::BodyWriter {
public:
    explicit DirectWriter(const std::function<bool(std::string_view)>& sink) : sink_(sink) {}
    Status write(std::string_view bytes) override {
        if (gone_ || !sink_(bytes)) {
            gone_ = true;
            return fail(Code::interrupted, "the receiver has gone");
        }
        return {};
    }
    // Asked by what waits: Ctrl-C ends it as a closed connection would.
    bool receiver_gone() const override {
        interrupted_ = interrupted_ || interrupted();
        return gone_ || interrupted_;
    }
    bool was_interrupted() const { return interrupted_; }

private:
    const std::function<bool(std::string_view)>& sink_;
    bool gone_ = false;
    mutable bool interrupted_ = false;
};

class LocalClient final : public Client {
public:
    explicit LocalClient(std::unique_ptr<server::Engine> engine)
        : engine_(std::move(engine)), api_(*engine_) {}
    ~LocalClient() override {
        engine_->jobs().stop_all();
        // A command that only ever puts must not let the log grow for ever.
        (void)engine_->lake().roll_due();
    }

    Result<std::string> send(net::Request request) override {
        std::string body;
        TARN_TRY(stream(std::move(request), [&](std::string_view piece) {
            body.append(piece);
            return true;
        }));
        return body;
    }

    Status stream(net::Request request, const std::function<bool(std::string_view)>& sink) override {
        net::Response response = call(std::move(request));
        if (response.status >= 300) return fail(net::parse_error_response(response.status, response.body));
        if (response.stream) {
            DirectWriter writer(sink);
            response.stream(writer);
            if (writer.was_interrupted()) return fail(Code::interrupted, "interrupted by a signal");
        } else if (!response.body.empty()) {
            sink(response.body);
        }
        return {};
    }

    bool in_process() const override { return true; }
    std::string where() const override { return engine_->directory().path(); }

private:
    // Capture answers from the log's thread: wait for it.
    net::Response call(net::Request request) {
        request.local = true;
        std::mutex mutex;
        std::condition_variable ready;
        std::optional<net::Response> answer;
        api_.handle(std::move(request), [&](net::Response response) {
            const std::lock_guard lock(mutex);
            answer = std::move(response);
            ready.notify_one();
        });
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return answer.has_value(); });
        return std::move(*answer);
    }

    std::unique_ptr<server::Engine> engine_;
    server::Api api_;
};

class RemoteClient final : public Client {
public:
    explicit RemoteClient(std::string url) : url_(std::move(url)) {
        while (url_.ends_with('/')) url_.pop_back();
    }

    Result<std::string> send(net::Request request) override {
        const bool reads = only_reads(request);
        auto answer = http_.send(outgoing(std::move(request), 0));
        if (!answer) return fail(told(std::move(answer.error()), reads));
        net::ClientResponse& response = *answer;
        if (response.status >= 300) return fail(net::parse_error_response(response.status, response.body));
        return std::move(response.body);
    }

    Status stream(net::Request request, const std::function<bool(std::string_view)>& sink) override {
        bool stopped = false;
        const auto take = [&](std::string_view piece) {
            stopped = !sink(piece);
            return !stopped;
        };
        const bool reads = only_reads(request);
        auto response = http_.stream(outgoing(std::move(request), 0), take, interrupted);
        if (stopped) return {};
        if (!response) return fail(told(std::move(response.error()), reads));
        if (response->status >= 300) return fail(net::parse_error_response(response->status, response->body));
        return {};
    }

    bool in_process() const override { return false; }
    std::string where() const override { return url_; }

private:
    static bool only_reads(const net::Request& request) {
        return request.method == "GET" || request.path == "/v1/query" || request.path == "/v1/diff" ||
               request.path == "/v1/check" ||
               (request.path.starts_with("/v1/stores/") && request.path.ends_with("/query"));
    }

    // What the transport says, with what to do. A question that was not answered changed nothing.
    Error told(Error error, bool reads) const {
        if (error.kind == ErrorKind::outcome_unknown && reads) error.kind = ErrorKind::unavailable;
        if (!error.next.empty()) return error;
        if (error.code == Code::cannot_connect)
            error.next = fmt::format(
                "is a server running at {}? start one: tarn up    or leave --server and TARN_SERVER out",
                url_);
        else if (error.kind == ErrorKind::outcome_unknown)
            error.next =
                fmt::format("look whether it took effect before doing it again; is {} still there?", url_);
        else
            error.next = fmt::format("ask again; is {} still there?", url_);
        return error;
    }

    net::ClientRequest outgoing(net::Request request, std::int64_t timeout_us) const {
        net::ClientRequest out;
        out.method = std::move(request.method);
        out.url = url_;
        // Path parts are encoded one by one: a slash inside a name must not become a separator.
        std::string_view path = request.path;
        while (!path.empty()) {
            path.remove_prefix(1);
            const auto slash = path.find('/');
            out.url += '/' + net::percent_encode(path.substr(0, slash));
            path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
        }
        char separator = '?';
        for (const auto& [name, value] : request.query) {
            out.url += separator + net::percent_encode(name) + '=' + net::percent_encode(value);
            separator = '&';
        }
        out.headers = std::move(request.headers);
        out.body = std::move(request.body);
        out.timeout_us = timeout_us;
        return out;
    }

    std::string url_;
    net::HttpClient http_;
};

Result<codec::Json> parsed(Result<std::string> body) {
    if (!body) return fail(std::move(body.error()));
    return codec::Json::parse(*body);
}

}  // namespace

std::optional<Error> error_in(const codec::Json& line) {
    if (!line["error"].is_object()) return std::nullopt;
    codec::Json body;
    body.set("error", line["error"]);
    Error error = net::parse_error_response(500, body.dump());
    // The server was stopped, not this command.
    if (error.kind == ErrorKind::interrupted) error.kind = ErrorKind::unavailable;
    return error;
}

std::string absolute_path(const std::string& path) {
    std::error_code problem;
    const auto absolute = std::filesystem::absolute(path, problem);
    return problem || path.empty() ? path : absolute.lexically_normal().string();
}

net::Request make_request(std::string_view method, std::string_view path_and_query, std::string body) {
    net::Request request;
    request.method = method;
    request.body = std::move(body);
    const auto question = path_and_query.find('?');
    request.path = net::percent_decode(path_and_query.substr(0, question), false).value_or("");
    if (question == std::string_view::npos) return request;
    std::string_view query = path_and_query.substr(question + 1);
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        const auto equals = pair.find('=');
        const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
        request.query.emplace_back(net::percent_decode(pair.substr(0, equals), true).value_or(""),
                                   net::percent_decode(value, true).value_or(""));
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    }
    return request;
}

Result<codec::Json> Client::get(std::string_view path_and_query) {
    return parsed(send(make_request("GET", path_and_query)));
}

Result<codec::Json> Client::post(std::string_view path, const codec::Json& body) {
    net::Request request = make_request("POST", path, body.dump());
    request.headers.emplace_back("content-type", "application/json");
    return parsed(send(std::move(request)));
}

Result<codec::Json> Client::remove(std::string_view path) {
    return parsed(send(make_request("DELETE", path)));
}

std::string server_for(const ClientOptions& options) {
    if (!options.server.empty()) return options.server;
    const auto owner = server::live_owner(*os::make_real_file_system(), options.data);
    return owner ? owner->url : "";
}

Result<std::unique_ptr<Client>> connect(const ClientOptions& options) {
    if (const std::string url = server_for(options); !url.empty()) return std::make_unique<RemoteClient>(url);
    TARN_ASSIGN(auto engine, server::Engine::open({.directory = options.data,
                                                   .command = options.command,
                                                   .program = os::self_path(),
                                                   .serving = false}));
    if (const std::string note = engine->opening_note(); !note.empty() && options.note) options.note(note);
    return std::make_unique<LocalClient>(std::move(engine));
}

}  // namespace tarn::cli
