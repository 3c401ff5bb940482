// The HTTP API (contract, "HTTP"): one table of routes over an Engine. The server calls it from its epoll
// thread; commands without a server call it in process. Every route passes authorize() first.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "os/executor.h"
#include "server/engine.h"

namespace tarn::server {

// Who asks. Without credentials there is one principal; users and roles come with theirs.
struct Principal {
    std::string name = "local";
};

// What is asked for, decided before any route runs.
Status authorize(const Principal& principal, std::string_view action, std::string_view resource);
// On loopback without credentials a foreign Host or Origin is refused, so that a web page cannot reach a
// local Tarn.
Status check_origin(const net::Request& request);

// A request on its way through a route: the path's variable parts, in order.
struct Call {
    Engine& engine;
    net::Request request;
    std::vector<std::string> arguments;

    // The body as a JSON object with these members at most; an empty body is an empty object. A misspelt
    // member must not be dropped: what it was meant to limit would then be done without the limit.
    Result<codec::Json> json(const std::vector<std::string>& known) const;
    // bad_usage when a query parameter is none of these.
    Status parameters(const std::vector<std::string>& known) const;
    Result<std::uint64_t> number(std::string_view parameter, std::uint64_t otherwise) const;
};

using Route = std::function<Result<net::Response>(Call&)>;

class Api final : public net::Handler {
public:
    explicit Api(Engine& engine);
    ~Api() override;
    void handle(net::Request request, Respond respond) override;
    // Called by a route when /v1/shutdown-like things are wanted; none yet. Waits for running routes.
    void stop();

private:
    struct Entry {
        std::string method;
        std::vector<std::string> parts;  // "{}" stands for a variable part
        std::string action;              // for authorize
        Route route;
    };
    void add(std::string method, std::string_view path, std::string action, Route route);
    const Entry* find(const net::Request& request, std::vector<std::string>& arguments) const;
    // 404, or 405 with the methods that the path has.
    net::Response no_such_route(const net::Request& request) const;
    void run(const Entry& entry, net::Request request, std::vector<std::string> arguments, Respond respond);

    void add_stream_routes();
    void add_query_routes();
    void add_state_routes();
    void add_replay_routes();
    void add_selection_routes();
    void add_verify_routes();
    void add_function_routes();
    void add_process_routes();
    void add_dead_letter_routes();
    void add_operation_routes();

    Engine& engine_;
    std::vector<Entry> routes_;
    std::unique_ptr<os::Executor> workers_;
};

// ---- helpers shared by the route files
// --------------------------------------------------------------------------------

net::Response json_response(codec::Json body, int status = 200);
// {"schema_version":1,"items":[…],"complete":true}
codec::Json list_document(codec::Json items);
// The same object with "schema_version" in front.
codec::Json versioned_document(const codec::Json& json);

}  // namespace tarn::server
