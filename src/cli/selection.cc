// tarn selection: save, list, show, delete.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/selection_flags.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/selections/" + net::percent_encode(context.arguments.get_or("NAME", ""));
}

Result<int> save(Context& context) {
    TARN_ASSIGN(const codec::Json body, selection_given(context.arguments));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const std::string answer, client->send(make_request("PUT", path_of(context), body.dump())));
    TARN_ASSIGN(const codec::Json saved, codec::Json::parse(answer));
    context.out.document(saved);
    return 0;
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json selections, client->get("/v1/selections"));
    context.out.list(selections, {"selection", "created", "request"});
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json selection, client->get(path_of(context)));
    context.out.document(selection);
    return 0;
}

Result<int> remove(Context& context) {
    TARN_TRY(context.confirm(fmt::format("Delete selection {}?", context.arguments.get_or("NAME", ""))));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json done, client->remove(path_of(context)));
    context.out.document(done);
    return 0;
}

}  // namespace

std::vector<Command> selection_commands() {
    const Positional name{"NAME", "letters, digits, _ and -"};
    return {
        {"selection save",
         "keep a selection under a name, for plans",
         {name, {"STREAM", "which streams; none: those that the plan names", false, true}},
         selection_options(),
         "Examples:\n"
         "  tarn selection save big-deposits bank --where \"(data->>'amount')::DECIMAL(18,2) > 1000\"\n"
         "  tarn replay plan --selection big-deposits --since 3d --to null:\n\n"
         "A plan freezes what the selection says when the plan is made: \"3d\" is then three days before "
         "that.\n"
         "Saving under a name that exists replaces it; plans made before stay as they are.\n",
         save},
        {"selection list", "newest first", {}, {}, "Example:\n  tarn selection list\n", list},
        {"selection show",
         "what a selection says",
         {name},
         {},
         "Example:\n  tarn selection show big-deposits\n",
         show},
        {"selection delete",
         "forget a selection; plans made with it stay",
         {name},
         {},
         "Example:\n  tarn selection delete big-deposits --yes\n",
         remove},
    };
}

}  // namespace tarn::cli
