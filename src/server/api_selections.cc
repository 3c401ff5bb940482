// Routes of saved selections.
#include "replay/saved_selections.h"
#include "server/api.h"

namespace tarn::server {
namespace {

Result<net::Response> save(Call& call) {
    const std::string& name = call.arguments[0];
    TARN_ASSIGN(const codec::Json body,
                codec::Json::parse(call.request.body.empty() ? "{}" : call.request.body));
    TARN_ASSIGN(const auto request, replay::SelectionRequest::from_json(body));
    TARN_ASSIGN(codec::Json saved,
                replay::save_selection(call.engine.catalog(), name, request, call.engine.clock().now()));
    TARN_TRY(call.engine.record("selection.saved", name, codec::Json::object({{"selection", name}})));
    return json_response(std::move(saved));
}

Result<net::Response> list(Call& call) {
    TARN_ASSIGN(auto selections, replay::saved_selections(call.engine.catalog()));
    return json_response(list_document(codec::Json::array(std::move(selections))));
}

Result<net::Response> show(Call& call) {
    TARN_ASSIGN(codec::Json selection, replay::show_selection(call.engine.catalog(), call.arguments[0]));
    return json_response(std::move(selection));
}

Result<net::Response> remove(Call& call) {
    const std::string& name = call.arguments[0];
    TARN_TRY(replay::delete_selection(call.engine.catalog(), name));
    TARN_TRY(call.engine.record("selection.deleted", name, codec::Json::object({{"selection", name}})));
    return json_response(
        codec::Json::object({{"schema_version", 1}, {"selection", name}, {"deleted", true}}));
}

}  // namespace

void Api::add_selection_routes() {
    add("GET", "/v1/selections", "read", list);
    add("PUT", "/v1/selections/{}", "plan", save);
    add("GET", "/v1/selections/{}", "read", show);
    add("DELETE", "/v1/selections/{}", "plan", remove);
}

}  // namespace tarn::server
