// The pages of docs/reference that the program writes about itself; a journey keeps them equal to what it
// says.
#include <fmt/core.h>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

std::string usage_of(const Command& command) {
    std::string usage = "tarn " + command.path;
    for (const auto& positional : command.positionals) {
        const std::string name = positional.many ? positional.name + "…" : positional.name;
        usage += positional.required ? " " + name : " [" + name + "]";
    }
    return command.options.empty() ? usage : usage + " [options]";
}

// The examples and exit codes of a command's help, as a block of code.
void print_details(Output& out, const std::string& details) {
    if (details.empty()) return;
    std::string_view text = details;
    while (text.ends_with('\n')) text.remove_suffix(1);
    out.line(fmt::format("\n```\n{}\n```", text));
}

void print_command(Output& out, const Command& command) {
    out.line(fmt::format("\n## `{}`\n\n{}.", usage_of(command), command.summary));
    std::string rows;
    for (const auto& positional : command.positionals)
        if (!positional.help.empty())
            rows += fmt::format("| `{}` | {} |\n", positional.name, positional.help);
    for (const auto& option : command.options)
        rows += fmt::format("| `{}{}{}` | {} |\n", option.name, option.value.empty() ? "" : " ", option.value,
                            option.help);
    if (!rows.empty()) out.data("\n| | |\n|---|---|\n" + rows);
    print_details(out, command.details);
}

void print_commands(Output& out) {
    out.line(
        "# Commands\n\nWritten by `tarn __reference commands`. Common options: `--data DIR` (`TARN_DATA`), "
        "`--server URL` "
        "(`TARN_SERVER`),\n`-o table|json|ndjson|csv` (table on a terminal, else ndjson), `--yes`, "
        "`--quiet`, `--no-color`, `--help`.");
    for (const auto& command : all_commands())
        if (!command.hidden && command.summary != "(later)") print_command(out, command);
}

void print_errors(Output& out) {
    out.line(
        "# Error codes\n\nWritten by `tarn __reference errors`; `tarn explain CODE` says the same.\n\n| Code "
        "| Kind | Exit | HTTP | What | What to do |\n|---|---|---|---|---|---|");
    for (int number = 1000; number < 10000; ++number)
        if (const CodeInfo* code = find_code(number))
            out.line(fmt::format("| TARN-{:04} | {} | {} | {} | {} | {} |", number, kind_name(code->kind),
                                 exit_code(code->kind), http_status(code->kind), code->title,
                                 code->explanation));
}

Result<int> reference(Context& context) {
    const std::string page = context.arguments.get_or("PAGE", "");
    if (page == "commands")
        print_commands(context.out);
    else if (page == "errors")
        print_errors(context.out);
    else
        return fail(Code::bad_usage, "there are two pages: commands and errors",
                    {.next = "tarn __reference commands"});
    return 0;
}

}  // namespace

std::vector<Command> reference_commands() {
    return {{"__reference",
             "internal: writes a page of docs/reference",
             {{"PAGE", "commands or errors"}},
             {},
             "",
             reference,
             true}};
}

}  // namespace tarn::cli
