// The only file that sees CLI11. Turns the table of commands into a command line.
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>

#include "base/nearest.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/version.h"

namespace tarn::cli {
namespace {

constexpr const char* group_summaries[][2] = {
    {"stream", "streams: create, list, show, roll, delete"},
    {"pattern", "event patterns: check, match, explain"},
    {"replay", "plan, run, resume and watch replays"},
    {"store", "state: list, show, query, restore, diff, promote, discard"},
    {"snapshot", "copies of stores: create, list, show, delete"},
    {"quarantine", "what could not be accepted: list, show"},
    {"job", "long work: list, show, cancel"},
    {"config", "tarn.yaml: validate, explain"},
    {"function", "functions (later)"},
    {"subscription", "subscriptions (later)"},
    {"dlq", "dead letters (later)"},
    {"table", "typed tables (later)"},
    {"archive", "archive and thaw (later)"},
};

// Where CLI11 puts what it reads, one per command.
struct Bound {
    const Command* command = nullptr;
    CLI::App* app = nullptr;
    std::map<std::string, std::string> singles;  // a vector would swallow the positionals after it
    std::map<std::string, std::vector<std::string>> values;  // for what may stand several times
    std::map<std::string, bool> flags;
};

struct GlobalsBound {
    Globals globals;
    std::string format;
    bool no_color = false;
};

void add_globals(CLI::App& app, GlobalsBound& bound) {
    app.add_option("--data", bound.globals.data, "data directory (TARN_DATA)")->group("Common");
    app.add_option("--server", bound.globals.server, "URL of a server (TARN_SERVER)")->group("Common");
    app.add_option("-o,--output", bound.format, "table, json, ndjson or csv; reports: text, json, html")
        ->group("Common");
    app.add_flag("--yes", bound.globals.yes, "do not ask")->group("Common");
    app.add_flag("--quiet", bound.globals.quiet, "no notes and no progress on stderr")->group("Common");
    app.add_flag("--no-color", bound.no_color, "no colours")->group("Common");
}

CLI::App* subcommand_for(CLI::App& root, const std::string& path) {
    CLI::App* app = &root;
    std::size_t at = 0;
    while (at < path.size()) {
        const auto space = std::min(path.find(' ', at), path.size());
        const std::string word = path.substr(at, space - at);
        at = space + 1;
        const auto known =
            app->get_subcommands([&](const CLI::App* each) { return each->get_name() == word; });
        CLI::App* next = known.empty() ? nullptr : known.front();
        if (next == nullptr) {
            next = app->add_subcommand(word);
            for (const auto& [name, summary] : group_summaries)
                if (word == name) next->description(summary);
        }
        app = next;
    }
    return app;
}

void bind(CLI::App& root, GlobalsBound& globals, const Command& command, Bound& bound) {
    bound.command = &command;
    bound.app = subcommand_for(root, command.path);
    bound.app->description(command.summary);
    bound.app->footer(command.details);
    if (command.hidden) bound.app->group("");
    for (const auto& positional : command.positionals) {
        auto* option =
            positional.many
                ? bound.app->add_option(positional.name, bound.values[positional.name], positional.help)
                : bound.app->add_option(positional.name, bound.singles[positional.name], positional.help);
        option->required(positional.required)->type_name("");
        if (positional.many) option->expected(positional.required ? 1 : 0, 1 << 20);
    }
    for (const auto& option : command.options) {
        if (option.value.empty()) {
            bound.app->add_flag(option.name, bound.flags[option.name], option.help);
            continue;
        }
        if (option.many)
            bound.app->add_option(option.name, bound.values[option.name], option.help)
                ->type_name(option.value)
                ->expected(1)
                ->take_all();
        else
            bound.app->add_option(option.name, bound.singles[option.name], option.help)
                ->type_name(option.value)
                ->take_last();
    }
    add_globals(*bound.app, globals);
}

Arguments arguments_of(const Bound& bound) {
    Arguments arguments;
    for (const auto& [name, value] : bound.singles)
        if (bound.app->get_option(name)->count() > 0) arguments.add(name, value);
    for (const auto& [name, values] : bound.values)
        for (const auto& value : values) arguments.add(name, value);
    for (const auto& [name, set] : bound.flags)
        if (set) arguments.add(name, "");
    return arguments;
}

int report(Output& out, const Error& error) {
    out.error(error);
    return exit_code(error.kind);
}

// The -o that this command takes; text and html only where there is something to write so.
Result<Format> format_for(const Command& command, const std::string& name) {
    std::vector<std::string> accepted = {"table", "json", "ndjson", "csv"};
    for (const char* more : {"text", "html"})
        if (command.also.find(more) != std::string_view::npos) accepted.emplace_back(more);
    const auto format = parse_format(name);
    if (format && std::ranges::find(accepted, name) != accepted.end()) return *format;
    const std::string nearest = nearest_word(name, accepted);
    return fail(Code::bad_usage,
                fmt::format("tarn {} has no -o {}: it takes {}", command.path, name.substr(0, 20),
                            fmt::join(accepted, ", ")),
                {.next = format ? "text and html are for reports: tarn report RUN -o html"
                                : fmt::format("-o {}", nearest.empty() ? "json" : nearest)});
}

int run(const Bound& bound, GlobalsBound& globals) {
    if (!globals.format.empty()) {
        const auto format = format_for(*bound.command, globals.format);
        if (!format) {
            Output out(std::nullopt, false, false);
            return report(out, format.error());
        }
        globals.globals.format = *format;
    }
    const char* no_color = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    globals.globals.colour = !globals.no_color && (no_color == nullptr || *no_color == 0) &&
                             !(terminal != nullptr && std::string_view(terminal) == "dumb");
    Output out(globals.globals.format, globals.globals.quiet, globals.globals.colour);
    // An unset shell variable must not make a data directory of the working directory.
    if (globals.globals.data.empty())
        return report(out, make_error(Code::bad_usage, "--data is empty: expected a directory",
                                      {.next = "leave --data out for ./tarn-data"}));
    const Arguments arguments = arguments_of(bound);
    Context context(arguments, globals.globals, "tarn " + bound.command->path, out);
    const auto code = bound.command->run(context);
    if (!code) return report(out, code.error());
    out.end_progress();
    out.flush();
    // A reader that has gone (head) has what it wanted; anything else that stops output is an error.
    if (out.stdout_broken() && errno != EPIPE)
        return report(out, make_errno_error(errno, "write to standard output"));
    return *code;
}

}  // namespace

std::optional<std::string> Arguments::get(std::string_view name) const {
    for (const auto& [known, value] : values_)
        if (known == name) return value;
    return std::nullopt;
}

std::string Arguments::get_or(std::string_view name, std::string_view otherwise) const {
    return get(name).value_or(std::string(otherwise));
}

std::vector<std::string> Arguments::all(std::string_view name) const {
    std::vector<std::string> found;
    for (const auto& [known, value] : values_)
        if (known == name) found.push_back(value);
    return found;
}

Result<Client*> Context::client() {
    if (!client_) {
        TARN_ASSIGN(client_, connect({globals.data, globals.server, command,
                                      [this](std::string_view note) { out.note(note); }}));
    }
    return client_.get();
}

Status Context::confirm(const std::string& question) const {
    if (globals.yes) return {};
    if (::isatty(0) == 0)
        return fail(Code::needs_yes, question + " There is no terminal to ask on",
                    {.next = "repeat with --yes"});
    to_stderr(fmt::format("{} [y/N] ", question));
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "yes") return {};
    return fail(Code::interrupted, "not done: the answer was not yes");
}

namespace {

// The first example of each of a group's commands: what can be typed stands in the group's help too.
std::string examples_of(const std::string& group) {
    std::string examples;
    for (const auto& command : all_commands()) {
        if (!command.path.starts_with(group + " ")) continue;
        const auto begin = command.details.find("  tarn " + command.path);
        if (begin == std::string::npos) continue;
        examples += "\n" + command.details.substr(begin, command.details.find('\n', begin) - begin);
    }
    return examples.empty() ? "Not there yet in this version: its commands answer exit code 2."
                            : "Examples:" + examples;
}

std::vector<std::string> names_below(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* each : app.get_subcommands([](const CLI::App*) { return true; }))
        if (!each->get_name().starts_with("__")) names.push_back(each->get_name());
    return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const auto* option : app.get_options())
        for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

const CLI::App& deepest_of(const CLI::App& root) {
    const CLI::App* app = &root;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return *app;
}

std::string path_of(const CLI::App& app) {
    std::string path;
    for (const CLI::App* each = &app; each != nullptr; each = each->get_parent())
        path = each->get_name() + (path.empty() ? "" : " " + path);
    return path;
}

// What CLI11 could make nothing of: a misspelt option if there is one, else the first word.
std::string unexpected_word(const CLI::App& app) {
    const auto words = app.remaining();
    const auto option = std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-'); });
    const std::string word = option != words.end() ? *option : words.empty() ? "" : words.front();
    return word.substr(0, word.find('='));
}

Error usage_error(const CLI::App& root, const std::string& problem) {
    const CLI::App& app = deepest_of(root);
    const std::string path = path_of(app), help = path + " --help";
    const std::vector<std::string> commands = names_below(app);
    const std::string word = unexpected_word(app);
    if (word.empty() || (commands.empty() && !word.starts_with('-')))
        return make_error(Code::bad_usage, problem, {.next = help});
    const bool option = word.starts_with('-');
    const std::string nearest = nearest_word(word, option ? options_of(app) : commands);
    return make_error(Code::bad_usage,
                      fmt::format("{} has no {} {}", path, option ? "option" : "command", word.substr(0, 64)),
                      {.next = nearest.empty() ? help
                               : option        ? fmt::format("did you mean {}?    {}", nearest, help)
                                        : fmt::format("did you mean {} {}?    {}", path, nearest, help)});
}

}  // namespace

int run_command_line(int argc, char** argv) {
    catch_interrupts();
    CLI::App root(
        "Tarn: an event lake you can replay.\nCapture events durably, ask them in SQL, replay any part of "
        "history, prove the result right.");
    root.name("tarn");
    root.require_subcommand(1);
    root.fallthrough(false);
    root.set_version_flag("--version", std::string("tarn ") + version);
    root.get_formatter()->column_width(34);
    root.footer(
        "Start:  tarn up    then    tarn stream create orders    and    tarn put orders events.ndjson\n"
        "Exit codes: 0 ok, 1 error, 2 usage, 3 finished with failed, held or unknown events, 4 verify found "
        "differences,\n"
        "5 plan stale, 10 not found or nothing selected, 11 locked or conflict, 12 not allowed, 78 bad "
        "config, 130 interrupted");
    GlobalsBound globals;
    if (const char* data = std::getenv("TARN_DATA"); data != nullptr && *data != 0)
        globals.globals.data = data;
    if (const char* server = std::getenv("TARN_SERVER"); server != nullptr) globals.globals.server = server;
    add_globals(root, globals);

    const auto& commands = all_commands();
    std::vector<Bound> bound(commands.size());
    for (std::size_t i = 0; i < commands.size(); ++i) bind(root, globals, commands[i], bound[i]);
    for (auto* group : root.get_subcommands([](CLI::App*) { return true; })) {
        const bool is_command = std::ranges::any_of(
            commands, [&](const Command& command) { return command.path == group->get_name(); });
        if (is_command) continue;
        group->require_subcommand(1);
        group->footer(examples_of(group->get_name()));
    }
    try {
        root.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        // Help and version are "errors" with code 0; everything else is wrong usage.
        if (problem.get_exit_code() == 0) return root.exit(problem);
        Output out(std::nullopt, false, false);
        return report(out, usage_error(root, problem.what()));
    }
    for (const auto& each : bound)
        if (each.app->parsed() && each.app->get_subcommands().empty()) return run(each, globals);
    return 2;
}

}  // namespace tarn::cli
