// Commands that the contract names and a later version brings. They say so, with exit code 2, instead of
// pretending.
#include <fmt/core.h>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

Result<int> later(Context& context) {
    return fail(Code::not_built, fmt::format("{} is not there yet in this version", context.command),
                {.next = "what there is: tarn --help"});
}

}  // namespace

std::vector<Command> later_commands() {
    std::vector<Command> commands;
    for (const char* path : {"table list", "table show", "table retype", "table compact", "archive list"})
        commands.push_back({path,
                            "(later)",
                            {{"ARGUMENTS", "", false, true}},
                            {},
                            "Not there yet in this version: answers exit code 2. What there is: tarn --help",
                            later});
    return commands;
}

}  // namespace tarn::cli
