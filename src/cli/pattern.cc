// tarn pattern: check and match; explain has its own file.
#include <fmt/core.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/pattern_explain.h"
#include "cli/text_argument.h"
#include "pattern/compile.h"
#include "pattern/pattern.h"

namespace tarn::cli {
namespace {

Result<std::string> pattern_text(Context& context) {
    auto text = text_argument(context.arguments.get_or("PATTERN", ""));
    if (!text) text.error().kind = ErrorKind::usage;  // the contract: 2 for a bad pattern or unreadable input
    return text;
}

Result<pattern::Pattern> compiled(Context& context) {
    TARN_ASSIGN(const std::string text, pattern_text(context));
    return pattern::Pattern::compile(text);
}

void set_place(codec::Json& to, const Place& place) {
    if (place.line == 0) return;
    to.set("line", place.line).set("column", place.column).set("byte", place.byte.value_or(0));
}

codec::Json finding_document(const pattern::Finding& finding) {
    codec::Json item;
    item.set("kind", pattern::finding_name(finding.kind))
        .set("path", finding.path)
        .set("message", finding.message);
    set_place(item, finding.place);
    return item;
}

codec::Json refusal_document(const Error& error) {
    codec::Json refusal;
    refusal.set("code", error.code_text()).set("message", error.message).set("next", error.next);
    set_place(refusal, error.place);
    codec::Json document;
    document.set("schema_version", 1).set("valid", false).set("aws_accepts", false).set("error", refusal);
    return document;
}

void print_findings(Output& out, const std::vector<pattern::Finding>& findings) {
    for (const pattern::Finding& finding : findings)
        out.line(fmt::format("  {}:{}  {}  {}{}", finding.place.line, finding.place.column,
                             pattern::finding_name(finding.kind), printable(finding.path),
                             (finding.path.empty() ? "" : ": ") + finding.message));
}

Result<int> check(Context& context) {
    constexpr int kBad = 2;
    TARN_ASSIGN(const std::string text, pattern_text(context));
    const auto findings = pattern::lint(text, {.strict = context.arguments.flag("--strict")});
    if (!findings) {
        if (!context.wants_document()) return fail(findings.error());
        context.out.document(refusal_document(findings.error()));
        return kBad;
    }
    const bool aws_accepts = std::ranges::find(*findings, pattern::Finding::Kind::service_limit,
                                               &pattern::Finding::kind) == findings->end();
    if (context.wants_document()) {
        codec::Json items = codec::Json::array();
        for (const pattern::Finding& finding : *findings) items.push(finding_document(finding));
        codec::Json document;
        document.set("schema_version", 1)
            .set("valid", true)
            .set("aws_accepts", aws_accepts)
            .set("findings", items);
        context.out.document(document);
        return 0;
    }
    context.out.line(aws_accepts ? "the pattern is valid" : "the pattern is valid here; AWS would refuse it");
    print_findings(context.out, *findings);
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

}  // namespace

std::vector<Command> pattern_commands() {
    const Positional pattern{"PATTERN", "JSON, a file with it, or -"};
    return {
        {"pattern check",
         "whether a pattern is valid, and means what it seems to",
         {pattern},
         {{"--strict", "", "refuse a field that is given twice"}},
         "Examples:\n  tarn pattern check '{\"type\":[\"cash_deposit\"]}'\n  tarn pattern check rule.json -o "
         "json\n\n"
         "A refusal has AWS's words, the place, and what would be accepted. A valid pattern may still have "
         "findings:\n"
         "values that always or never match, fields given twice, wildcards near the limit, and what AWS "
         "would refuse.\n"
         "The language: docs/reference/patterns.md\n\nExit codes: 0 valid (also with findings), 2 not",
         check},
        {"pattern match",
         "print the documents (one a line) that match",
         {pattern, {"FILE", "default standard input", false}},
         {},
         "Example:\n  tarn tail bank | tarn pattern match '{\"type\":[\"cash_deposit\"]}'\n\nExit codes: 0 "
         "some match, 1 none, 2 bad pattern or unreadable input",
         match},
        pattern_explain_command(),
    };
}

}  // namespace tarn::cli
