// tarn pattern: check and match.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/text_argument.h"
#include "pattern/pattern.h"

namespace tarn::cli {
namespace {

Result<pattern::Pattern> compiled(Context& context) {
    auto text = text_argument(context.arguments.get_or("PATTERN", ""));
    if (!text) {
        text.error().kind = ErrorKind::usage;  // the contract: 2 for a bad pattern or unreadable input
        return fail(std::move(text.error()));
    }
    return pattern::Pattern::compile(*text);
}

Result<int> check(Context& context) {
    TARN_TRY(compiled(context));
    context.out.line("the pattern is valid");
    return 0;
}

Result<int> match(Context& context) {
    TARN_ASSIGN(const pattern::Pattern wanted, compiled(context));
    auto input = text_argument(context.arguments.get_or("FILE", "-"));
    if (!input) {
        input.error().kind = ErrorKind::usage;
        return fail(std::move(input.error()));
    }
    std::uint64_t line_number = 0, matched = 0;
    std::string_view rest = *input;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        const std::string_view line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        ++line_number;
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        const auto valid = codec::validate_json(line, {.max_bytes = 64u << 20});
        if (!valid) {
            Error error = valid.error();
            error.kind = ErrorKind::usage;
            error.place.source = context.arguments.get_or("FILE", "standard input");
            error.place.line = line_number;
            return fail(std::move(error));
        }
        if (!wanted.matches(line)) continue;
        ++matched;
        context.out.line(line);
    }
    return matched > 0 ? 0 : 1;
}

Result<int> explain(Context&) {
    return fail(Code::not_built, "tarn pattern explain is not there yet in this version",
                {.next = "tarn pattern match"});
}

}  // namespace

std::vector<Command> pattern_commands() {
    const Positional pattern{"PATTERN", "JSON, a file with it, or -"};
    return {
        {"pattern check",
         "is this a valid pattern?",
         {pattern},
         {},
         "Example:\n  tarn pattern check '{\"type\":[\"cash_deposit\"]}'\n\nThis version knows exact values.",
         check},
        {"pattern match",
         "print the documents (one a line) that match",
         {pattern, {"FILE", "default standard input", false}},
         {},
         "Example:\n  tarn tail bank | tarn pattern match '{\"type\":[\"cash_deposit\"]}'\n\nExit codes: 0 "
         "some match, 1 none, 2 bad pattern or unreadable input",
         match},
        {"pattern explain",
         "why does it not match? (later)",
         {pattern, {"EVENT", "file or -", false}},
         {},
         "",
         explain},
    };
}

}  // namespace tarn::cli
