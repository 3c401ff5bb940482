// How commands reach Tarn: over HTTP to a server, or the same API in process. Both speak net::Request and
// net::Response, so that a command is written once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "net/http.h"

namespace tarn::cli {

// One a command; used by one thread.
class Client {
public:
    virtual ~Client() = default;
    // Sends and gives the body of a 2xx answer; other answers become the error they carry.
    virtual Result<std::string> send(net::Request request) = 0;
    // As send, but hands the body over in pieces as it comes; `sink` returns false to stop.
    virtual Status stream(net::Request request, const std::function<bool(std::string_view)>& sink) = 0;
    // True when the work is done in this process: Ctrl-C then means "checkpoint", not "detach".
    virtual bool in_process() const = 0;
    // "http://127.0.0.1:8470" or the data directory.
    virtual std::string where() const = 0;

    Result<codec::Json> get(std::string_view path_and_query);
    Result<codec::Json> post(std::string_view path, const codec::Json& body);
    Result<codec::Json> remove(std::string_view path);
};

// The error in the last line of a streamed answer that failed under way; nullopt when it holds none.
std::optional<Error> error_in(const codec::Json& line);

// "/v1/streams/a%20b?x=1" as a request.
net::Request make_request(std::string_view method, std::string_view path_and_query, std::string body = "");

// As the host of the data directory must be told it; unchanged when it is empty or there is no working
// directory.
std::string absolute_path(const std::string& path);

struct ClientOptions {
    std::string data;                                 // directory
    std::string server;                               // URL; "" = find out
    std::string command;                              // for the owner record
    std::function<void(std::string_view)> note = {};  // told what opening the directory found
};
// The URL of the server named, else of the one that serves the directory; "" when there is none.
std::string server_for(const ClientOptions& options);
// The server named, else the one that serves the directory, else the API in this process.
Result<std::unique_ptr<Client>> connect(const ClientOptions& options);

}  // namespace tarn::cli
