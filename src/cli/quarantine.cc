// tarn quarantine: what could not be accepted.
#include <fmt/core.h>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    std::string path = "/v1/quarantine?limit=" + context.arguments.get_or("--limit", "1000");
    if (const auto stream = context.arguments.get("STREAM"))
        path += "&stream=" + net::percent_encode(*stream);
    TARN_ASSIGN(const codec::Json entries, client->get(path));
    context.out.list(entries, {"id", "stream", "at", "reason", "place", "message"});
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    std::string path = "/v1/quarantine/" + net::percent_encode(context.arguments.get_or("ID", ""));
    if (context.arguments.flag("--bytes")) {
        TARN_ASSIGN(const std::string bytes, client->send(make_request("GET", path + "?bytes=true")));
        context.out.data(bytes);
        return 0;
    }
    TARN_ASSIGN(const codec::Json entry, client->get(path));
    context.out.document(entry);
    return 0;
}

Result<int> later(Context& context) {
    return fail(
        Code::not_built, fmt::format("{} is not there yet in this version", context.command),
        {.next = "write the bytes with: tarn quarantine show ID --bytes, correct them, and tarn put them"});
}

}  // namespace

std::vector<Command> quarantine_commands() {
    const Positional id{"ID", "such as qr-88"};
    return {
        {"quarantine list",
         "what could not be accepted, newest first",
         {{"STREAM", "only of this stream", false}},
         {{"--limit", "N", "default 1000"}},
         "Example:\n  tarn quarantine list bank\n",
         list},
        {"quarantine show",
         "one entry: reason, place, text",
         {id},
         {{"--bytes", "", "write its bytes and nothing else"}},
         "Example:\n  tarn quarantine show qr-88 --bytes > bad.json\n",
         show},
        {"quarantine retry",
         "capture it again (later)",
         {id},
         {},
         "Not there yet: answers exit code 2. Until then, correct the bytes and put them:\n  tarn quarantine "
         "show "
         "qr-88 --bytes > fixed.json\n  tarn put bank fixed.json\n",
         later},
        {"quarantine discard",
         "forget it (later)",
         {id},
         {},
         "Not there yet: answers exit code 2. What is there stays listed:\n  tarn quarantine list bank\n",
         later},
    };
}

}  // namespace tarn::cli
