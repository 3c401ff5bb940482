// tarn doctor, fsck, explain, completion.
#include <fmt/core.h>

#include <set>

#include "cli/commands.h"
#include "server/check.h"

namespace tarn::cli {
namespace {

std::string subscription_words(const codec::Json& status) {
    std::string words = fmt::format(
        "subscription {}: {} matched {} {} delivered + {} pending + {} held + {} dead + {} discarded",
        status["name"].as_string(), status["matched"].as_uint(), status["adds_up"].as_bool() ? "=" : "IS NOT",
        status["delivered"].as_uint(), status["pending"].as_uint(), status["held"].as_uint(),
        status["dead"].as_uint(), status["discarded"].as_uint());
    if (!status["trouble"].as_string().empty()) words += "\n  " + status["trouble"].as_string();
    if (status["dead"].as_uint() > 0) words += "\n  next: tarn dlq list";
    return words;
}

Result<int> doctor(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(codec::Json status, client->get("/v1/status"));
    const bool poisoned = !status["log"]["poisoned"].is_null();
    context.out.document(status);
    if (poisoned)
        context.out.note("the log has stopped after a failed write or sync: look at the disk, then restart");
    const bool damaged = !status["log"]["damaged"].is_null();
    if (damaged) context.out.note("the log is damaged: what verifies is served for reading. See: tarn fsck");
    for (const auto& [store, trouble] : status["snapshots_failing"].members())
        context.out.note(fmt::format("store {} gets no snapshots: {}", store, trouble.as_string()));
    const bool unkept = !status["snapshots_failing"].is_null();
    bool odd = false;
    for (const codec::Json& each : status["subscriptions"].elements()) {
        odd = odd || !each["adds_up"].as_bool();
        context.out.note(subscription_words(each));
    }
    return poisoned || damaged || unkept || odd ? 1 : 0;
}

// Without a server the directory is not opened but read under its lock: damage may keep it from opening.
Result<codec::Json> stored_findings(Context& context) {
    const Globals& globals = context.globals;
    if (server_for({globals.data, globals.server, context.command}).empty())
        return server::check_stored(globals.data, context.command);
    TARN_ASSIGN(Client * client, context.client());
    return client->post("/v1/check", codec::Json::object());
}

Result<int> fsck(Context& context) {
    if (context.arguments.flag("--repair"))
        return fail(Code::not_built, "tarn fsck --repair is not there yet in this version",
                    {.next = "tarn fsck lists what is damaged"});
    TARN_ASSIGN(const codec::Json findings, stored_findings(context));
    context.out.list(findings, {"place", "what", "next"});
    const std::size_t count = findings["items"].size();
    context.out.note(count == 0 ? "everything that is stored was read and fits its checksums"
                                : fmt::format("{} findings", count));
    return count == 0 ? 0 : 1;
}

Result<int> explain(Context& context) {
    std::string text = context.arguments.get_or("CODE", "");
    if (text.starts_with("TARN-") || text.starts_with("tarn-")) text.erase(0, 5);
    const bool digits =
        !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos;
    const CodeInfo* code = digits ? find_code(std::stoi(text)) : nullptr;
    if (code == nullptr)
        return fail(Code::bad_usage, fmt::format("there is no error code {}", text.substr(0, 40)),
                    {.next = "codes look like TARN-1203"});
    if (context.wants_document()) {
        codec::Json document;
        document.set("schema_version", 1)
            .set("code", fmt::format("TARN-{:04}", static_cast<int>(code->code)))
            .set("kind", kind_name(code->kind));
        document.set("exit_code", exit_code(code->kind)).set("http_status", http_status(code->kind));
        document.set("title", code->title).set("explanation", code->explanation);
        context.out.document(document);
        return 0;
    }
    context.out.line(fmt::format("TARN-{:04} {} ({}, exit code {})", static_cast<int>(code->code),
                                 code->title, kind_name(code->kind), exit_code(code->kind)));
    context.out.line(fmt::format("  {}", code->explanation));
    return 0;
}

std::string words_after(const std::string& prefix) {
    std::set<std::string> words;
    for (const auto& command : all_commands()) {
        if (command.hidden) continue;
        const std::string start = prefix.empty() ? "" : prefix + " ";
        if (!command.path.starts_with(start)) continue;
        const std::string rest = command.path.substr(start.size());
        words.insert(rest.substr(0, rest.find(' ')));
    }
    std::string joined;
    for (const auto& word : words) joined += (joined.empty() ? "" : " ") + word;
    return joined;
}

Result<int> completion(Context& context) {
    const std::string shell = context.arguments.get_or("SHELL", "");
    std::set<std::string> groups;
    for (const auto& command : all_commands())
        if (const auto space = command.path.find(' '); space != std::string::npos)
            groups.insert(command.path.substr(0, space));
    if (shell == "fish") {
        context.out.line(
            fmt::format("complete -c tarn -f -n __fish_use_subcommand -a '{}'", words_after("")));
        for (const auto& group : groups)
            context.out.line(fmt::format("complete -c tarn -f -n '__fish_seen_subcommand_from {}' -a '{}'",
                                         group, words_after(group)));
        return 0;
    }
    if (shell != "bash" && shell != "zsh")
        return fail(Code::bad_usage, fmt::format("no completion for {}", shell.substr(0, 40)),
                    {.next = "tarn completion bash|zsh|fish"});
    if (shell == "zsh") context.out.line("autoload -U +X bashcompinit && bashcompinit");
    context.out.line("_tarn() {\n  local word=${COMP_WORDS[COMP_CWORD]}\n  case ${COMP_WORDS[1]} in");
    for (const auto& group : groups)
        context.out.line(fmt::format(
            "    {}) [ $COMP_CWORD -eq 2 ] && COMPREPLY=($(compgen -W '{}' -- \"$word\")) && return ;;",
            group, words_after(group)));
    context.out.line("  esac");
    context.out.line(
        fmt::format("  [ $COMP_CWORD -eq 1 ] && COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n}}\ncomplete -o "
                    "default -F _tarn tarn",
                    words_after("")));
    return 0;
}

}  // namespace

std::vector<Command> operate_commands() {
    return {
        {"doctor", "is this Tarn well?", {}, {}, "Example:\n  tarn doctor\n", doctor},
        {"fsck",
         "read everything that is stored and compare with its checksums",
         {},
         {{"--repair", "", "(later)"}},
         "Example:\n  tarn fsck\n\nExit codes: 0 all fits, 1 findings (each with place and next step)",
         fsck},
        {"explain",
         "what an error code means and what to do",
         {{"CODE", "such as TARN-1203"}},
         {},
         "Example:\n  tarn explain TARN-1203\n",
         explain},
        {"completion",
         "a completion script",
         {{"SHELL", "bash, zsh or fish"}},
         {},
         "Example:\n  source <(tarn completion bash)\n",
         completion},
    };
}

}  // namespace tarn::cli
