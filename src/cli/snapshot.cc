// tarn snapshot: create, list, show, delete.
#include <fmt/core.h>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

Result<int> create(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("store", context.arguments.get_or("STORE", ""));
    TARN_ASSIGN(const codec::Json snapshot, client->post("/v1/snapshots", body));
    if (context.out.format() != Format::table) {
        context.out.document(snapshot);
        return 0;
    }
    std::string up_to;
    for (const auto& position : snapshot["positions"].elements()) {
        up_to += fmt::format(" · up to {}", position["stream"].as_string());
        for (const auto& [partition, next] : position["next"].members())
            up_to += fmt::format(" {}:{}", partition, next.as_int() - 1);
    }
    context.out.line(fmt::format("{} of {} · {}{}", snapshot["snapshot"].as_string(),
                                 snapshot["store"].as_string(), format_bytes(snapshot["bytes"].as_uint()),
                                 up_to));
    return 0;
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    std::string path = "/v1/snapshots";
    if (const auto store = context.arguments.get("STORE")) path += "?store=" + net::percent_encode(*store);
    TARN_ASSIGN(const codec::Json snapshots, client->get(path));
    context.out.list(snapshots, {"snapshot", "store", "created", "bytes"});
    return 0;
}

std::string path_of(Context& context) {
    return "/v1/snapshots/" + net::percent_encode(context.arguments.get_or("SNAPSHOT", ""));
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json snapshot, client->get(path_of(context)));
    context.out.document(snapshot);
    return 0;
}

Result<int> remove(Context& context) {
    TARN_TRY(context.confirm(fmt::format("Delete snapshot {}?", context.arguments.get_or("SNAPSHOT", ""))));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json done, client->remove(path_of(context)));
    context.out.document(done);
    return 0;
}

}  // namespace

std::vector<Command> snapshot_commands() {
    const Positional snapshot{"SNAPSHOT", "such as sn-0031"};
    return {
        {"snapshot create",
         "a copy of a store, stamped with exactly what it contains",
         {{"STORE", "which"}},
         {},
         "Example:\n  tarn snapshot create accounts\n",
         create},
        {"snapshot list",
         "newest first",
         {{"STORE", "only of this store", false}},
         {},
         "Example:\n  tarn snapshot list accounts\n",
         list},
        {"snapshot show",
         "one snapshot: hash and positions",
         {snapshot},
         {},
         "Example:\n  tarn snapshot show sn-0031\n",
         show},
        {"snapshot delete",
         "remove a snapshot",
         {snapshot},
         {},
         "Example:\n  tarn snapshot delete sn-0031 --yes\n",
         remove},
    };
}

}  // namespace tarn::cli
