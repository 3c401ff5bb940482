// Routes of subscriptions.
#include <fmt/core.h>

#include "event/event.h"
#include "server/api.h"

namespace tarn::server {
namespace {

Result<net::Response> list_subscriptions(Call& call) {
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto all, processes->list());
    codec::Json items = codec::Json::array();
    for (const auto& each : all) items.push(each.to_json());
    return json_response(list_document(std::move(items)));
}

Result<net::Response> show_subscription(Call& call) {
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto status, processes->find(call.arguments[0]));
    return json_response(versioned_document(status.to_json()));
}

Route set_paused(bool paused) {
    return [paused](Call& call) -> Result<net::Response> {
        TARN_ASSIGN(auto* processes, call.engine.processing().processes());
        TARN_TRY(processes->set_paused(call.arguments[0], paused));
        TARN_TRY(call.engine.record(paused ? "subscription.paused" : "subscription.resumed",
                                    call.arguments[0],
                                    codec::Json::object({{"subscription", call.arguments[0]}})));
        return show_subscription(call);
    };
}

}  // namespace

void Api::add_process_routes() {
    add("GET", "/v1/subscriptions", "read", list_subscriptions);
    add("GET", "/v1/subscriptions/{}", "read", show_subscription);
    add("POST", "/v1/subscriptions/{}/pause", "operate", set_paused(true));
    add("POST", "/v1/subscriptions/{}/resume", "operate", set_paused(false));
}

}  // namespace tarn::server
