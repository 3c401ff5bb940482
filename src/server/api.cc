#include "server/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/nearest.h"

namespace tarn::server {
namespace {

constexpr int worker_threads =
    16;  // routes that wait (queries, runs being watched) must not starve the others

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> parts;
    while (!path.empty()) {
        if (path.front() == '/') {
            path.remove_prefix(1);
            continue;
        }
        const auto slash = path.find('/');
        parts.emplace_back(path.substr(0, slash));
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
    }
    return parts;
}

bool is_local_name(std::string_view host) {
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        return end != std::string_view::npos && host.substr(0, end + 1) == "[::1]";
    }
    host = host.substr(0, host.find(':'));
    return host == "localhost" || host == "127.0.0.1";
}

}  // namespace

Status authorize(const Principal& principal, std::string_view, std::string_view) {
    // On loopback without credentials all is allowed; check_origin has kept strangers out. Roles will decide
    // here.
    if (principal.name.empty())
        return fail(Code::not_allowed_here, "nobody is signed in", {.next = "sign in"});
    return {};
}

Status check_origin(const net::Request& request) {
    if (request.local) return {};
    if (const auto host = request.header("host"); host && !is_local_name(*host))
        return fail(Code::foreign_host, fmt::format("Host {} is not a local name", host->substr(0, 200)),
                    {.next = "ask http://127.0.0.1 or http://localhost"});
    const auto origin = request.header("origin");
    if (!origin) return {};
    const auto scheme = origin->find("://");
    if (scheme != std::string_view::npos && is_local_name(origin->substr(scheme + 3))) return {};
    return fail(Code::foreign_host, fmt::format("Origin {} is not a local one", origin->substr(0, 200)),
                {.next = "ask from a page of this machine, or without a browser"});
}

namespace {

Status check_known(std::string_view what, const std::string& name, const std::vector<std::string>& known) {
    if (std::ranges::find(known, name) != known.end()) return {};
    const std::string nearest = nearest_word(name, known);
    return fail(Code::bad_usage, fmt::format("unknown {} \"{}\"", what, name.substr(0, 64)),
                {.next = nearest.empty()
                             ? fmt::format("known here: {}",
                                           known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")))
                             : fmt::format("did you mean {}?", nearest)});
}

}  // namespace

Result<codec::Json> Call::json(const std::vector<std::string>& known) const {
    if (request.body.empty()) return codec::Json::object();
    TARN_ASSIGN(codec::Json json, codec::Json::parse(request.body));
    if (!json.is_object())
        return fail(Code::bad_usage, "the request's body must be a JSON object",
                    {.next = fmt::format("members: {}", fmt::join(known, ", "))});
    for (const auto& [name, value] : json.members()) TARN_TRY(check_known("member", name, known));
    return json;
}

Status Call::parameters(const std::vector<std::string>& known) const {
    for (const auto& [name, value] : request.query) TARN_TRY(check_known("parameter", name, known));
    return {};
}

Result<std::uint64_t> Call::number(std::string_view name, std::uint64_t otherwise) const {
    const auto text = request.parameter(name);
    if (!text) return otherwise;
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (status != std::errc() || end != text->data() + text->size())
        return fail(Code::bad_usage,
                    fmt::format("parameter {}: \"{}\" is not a number", name, text->substr(0, 64)),
                    {.next = fmt::format("give {}=100, for example", name)});
    return value;
}

net::Response json_response(codec::Json body, int status) {
    net::Response response;
    response.status = status;
    response.body = body.dump();
    response.body += '\n';
    return response;
}

codec::Json versioned_document(const codec::Json& json) {
    codec::Json out = codec::Json::object({{"schema_version", 1}});
    for (const auto& [name, value] : json.members()) out.set(name, value);
    return out;
}

codec::Json list_document(codec::Json items) {
    if (items.is_null()) items = codec::Json::array();
    codec::Json out;
    out.set("schema_version", 1).set("items", std::move(items)).set("complete", true);
    return out;
}

Api::Api(Engine& engine) : engine_(engine), workers_(os::make_thread_executor(worker_threads)) {
    add_stream_routes();
    add_query_routes();
    add_state_routes();
    add_replay_routes();
    add_selection_routes();
    add_verify_routes();
    add_function_routes();
    add_process_routes();
    add_dead_letter_routes();
    add_operation_routes();
}

Api::~Api() { stop(); }

void Api::stop() { workers_->stop(); }

void Api::add(std::string method, std::string_view path, std::string action, Route route) {
    routes_.push_back({std::move(method), split_path(path), std::move(action), std::move(route)});
}

namespace {

// Whether a route's parts are those of a path; what stands for the variable ones goes to `arguments`.
bool fits(const std::vector<std::string>& route, const std::vector<std::string>& path,
          std::vector<std::string>& arguments) {
    arguments.clear();
    if (route.size() != path.size()) return false;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (route[i] == "{}")
            arguments.push_back(path[i]);
        else if (route[i] != path[i])
            return false;
    }
    return true;
}

}  // namespace

const Api::Entry* Api::find(const net::Request& request, std::vector<std::string>& arguments) const {
    const std::vector<std::string> parts = split_path(request.path);
    for (const Entry& entry : routes_) {
        if (!fits(entry.parts, parts, arguments)) continue;
        if (entry.method == request.method || (request.method == "HEAD" && entry.method == "GET"))
            return &entry;
    }
    return nullptr;
}

net::Response Api::no_such_route(const net::Request& request) const {
    const std::vector<std::string> parts = split_path(request.path);
    std::vector<std::string> arguments, methods;
    for (const Entry& entry : routes_) {
        if (!fits(entry.parts, parts, arguments)) continue;
        if (std::ranges::find(methods, entry.method) == methods.end()) methods.push_back(entry.method);
    }
    const std::string what = fmt::format("{} {}", request.method, request.path.substr(0, 200));
    if (methods.empty())
        return net::error_response(
            make_error(Code::unknown_route, what, {.next = "the routes are in docs/reference/openapi.yaml"}));
    if (std::ranges::find(methods, "GET") != methods.end()) methods.emplace_back("HEAD");
    std::ranges::sort(methods);
    const std::string allowed = fmt::format("{}", fmt::join(methods, ", "));
    net::Response response = net::error_response(
        make_error(Code::method_not_allowed, fmt::format("{} is not allowed here", what),
                   {.next = fmt::format("use {}; see docs/reference/openapi.yaml", allowed)}));
    response.status = 405;
    response.headers.emplace_back("allow", allowed);
    return response;
}

namespace {

// What cannot be done, or not be recorded, without a log to write to.
bool needs_log(std::string_view action) {
    return action == "capture" || action == "configure" || action == "operate";
}

}  // namespace

void Api::handle(net::Request request, Respond respond) {
    if (const auto local = check_origin(request); !local) return respond(net::error_response(local.error()));
    std::vector<std::string> arguments;
    const Entry* entry = find(request, arguments);
    if (entry == nullptr) return respond(no_such_route(request));
    if (const auto allowed = authorize({}, entry->action, arguments.empty() ? "" : arguments[0]); !allowed)
        return respond(net::error_response(allowed.error()));
    if (const auto damage = engine_.log().damage(); damage && needs_log(entry->action))
        return respond(net::error_response(*damage));
    // The hot path: capture answers by itself when the log has synced, on no thread of ours.
    if (!entry->route)
        return engine_.capture().post_events(arguments[0], std::move(request), std::move(respond));
    if (request.local) return run(*entry, std::move(request), std::move(arguments), std::move(respond));
    workers_->post([this, entry, request = std::move(request), arguments = std::move(arguments),
                    respond = std::move(respond)]() mutable {
        run(*entry, std::move(request), std::move(arguments), std::move(respond));
    });
}

void Api::run(const Entry& entry, net::Request request, std::vector<std::string> arguments, Respond respond) {
    Call call{engine_, std::move(request), std::move(arguments)};
    auto response = entry.route(call);
    respond(response ? std::move(*response) : net::error_response(response.error()));
}

}  // namespace tarn::server
