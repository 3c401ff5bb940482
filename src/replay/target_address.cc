#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include "base/nearest.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

constexpr std::string_view known_targets =
    "null:, file:PATH, stream:NAME, projection:NAME, function:NAME, http://… or https://…, exec:PROGRAM, "
    "target:NAME";

Failure bad_target(std::string message) {
    return fail(Code::bad_target, std::move(message), {.next = fmt::format("targets: {}", known_targets)});
}

bool is_of_a_later_version(std::string_view kind) {
    for (const std::string_view later : {"kafka", "eventbridge", "lambda", "sqs", "sns", "kinesis",
                                         "dynamodb", "postgresql", "redshift", "opensearch", "s3"})
        if (kind == later) return true;
    return false;
}

Result<TargetAddress> parse_file(std::string_view path) {
    if (path.empty()) return bad_target("target file: names no file");
    std::error_code problem;
    if (path.ends_with('/'))
        return bad_target(fmt::format("target file:{} is a directory: name a file in it", path));
    const auto absolute = std::filesystem::absolute(std::filesystem::path(path), problem);
    if (problem) return bad_target(fmt::format("target file:{}: {}", path, problem.message()));
    return TargetAddress{TargetKind::file, absolute.lexically_normal().string()};
}

Failure bad_url(std::string_view url, std::string_view why) {
    return fail(Code::bad_target, fmt::format("target {}: {}", url, why),
                {.next = "give a URL such as http://127.0.0.1:8080/events"});
}

bool is_host(std::string_view host) {
    if (host.starts_with('['))
        return host.size() > 3 && host.ends_with(']') &&
               host.find_first_not_of("0123456789abcdefABCDEF:.", 1) == host.size() - 1;
    return !host.empty() && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
    });
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), port);
    return status == std::errc() && end == text.data() + text.size() && port > 0 && port <= 65535;
}

bool has_bad_escape(std::string_view url) {
    for (std::size_t at = url.find('%'); at != std::string_view::npos; at = url.find('%', at + 1))
        if (url.size() < at + 3 || !std::isxdigit(static_cast<unsigned char>(url[at + 1])) ||
            !std::isxdigit(static_cast<unsigned char>(url[at + 2])))
            return true;
    return false;
}

Result<TargetAddress> parse_http(std::string_view url) {
    for (const char c : url)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F)
            return fail(Code::bad_target, "the target's URL has blanks or control characters",
                        {.next = "write a blank as %20"});
    if (url.find('#') != std::string_view::npos)
        return bad_url(url, "what stands behind # is never sent: leave it out");
    if (has_bad_escape(url)) return bad_url(url, "% must be followed by two hex digits");
    std::string_view authority = url.substr(url.find("://") + 3);
    authority = authority.substr(0, authority.find_first_of("/?"));
    // Plans and reports are shown to people.
    if (authority.find('@') != std::string_view::npos)
        return bad_url("http(s)://…@…", "a user and password would stand in the plan and the report");
    const std::size_t colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    const std::string_view host = authority.substr(0, colon);
    if (host.empty()) return bad_url(url, "it names no host");
    if (!is_host(host)) return bad_url(url, fmt::format("\"{}\" is not a host", host));
    if (colon != std::string_view::npos && !is_port(authority.substr(colon + 1)))
        return bad_url(url, fmt::format("\"{}\" is not a port: 1 to 65535", authority.substr(colon + 1)));
    return TargetAddress{TargetKind::http, std::string(url)};
}

Result<TargetAddress> parse_named(TargetKind kind, std::string_view text, std::string_view name) {
    if (name.empty()) return bad_target(fmt::format("target \"{}\" names nothing behind the colon", text));
    return TargetAddress{kind, std::string(name)};
}

}  // namespace

Result<TargetAddress> TargetAddress::parse(std::string_view text) {
    if (text.empty()) return bad_target("no target was given: say where to with --to");
    if (text.starts_with("http://") || text.starts_with("https://")) return parse_http(text);
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        return bad_target(fmt::format("target \"{}\" has no kind and colon", text));
    const std::string_view kind = text.substr(0, colon);
    const std::string_view name = text.substr(colon + 1);
    if (kind == "null") {
        if (!name.empty())
            return bad_target(
                fmt::format("target null: takes nothing behind the colon, there is \"{}\"", name));
        return TargetAddress{TargetKind::null, ""};
    }
    if (kind == "file") return parse_file(name);
    if (kind == "stream") return parse_named(TargetKind::stream, text, name);
    if (kind == "projection") return parse_named(TargetKind::projection, text, name);
    if (kind == "function") return parse_named(TargetKind::function, text, name);
    if (kind == "target") return parse_named(TargetKind::declared, text, name);
    if (kind == "exec") {
        TARN_TRY(command_of(name));
        return TargetAddress{TargetKind::exec, std::string(name)};
    }
    if (is_of_a_later_version(kind))
        return fail(Code::not_built, fmt::format("target {}: is not built yet", kind),
                    {.next = fmt::format("targets: {}", known_targets)});
    const std::string nearest = nearest_word(
        kind, {"null", "file", "stream", "projection", "function", "http", "https", "exec", "target"});
    return bad_target(fmt::format("target \"{}\" is of unknown kind \"{}\"{}", text, kind,
                                  nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest)));
}

std::string TargetAddress::text() const {
    switch (kind) {
        case TargetKind::null:
            return "null:";
        case TargetKind::file:
            return "file:" + place;
        case TargetKind::stream:
            return "stream:" + place;
        case TargetKind::projection:
            return "projection:" + place;
        case TargetKind::function:
            return "function:" + place;
        case TargetKind::http:
            return place;
        case TargetKind::exec:
            return "exec:" + place;
        case TargetKind::declared:
            return "target:" + place;
    }
    return {};
}

std::vector<std::string> TargetAddress::names() const {
    std::vector<std::string> names;
    for (std::size_t begin = 0; begin <= place.size();) {
        const std::size_t end = std::min(place.find(',', begin), place.size());
        if (end > begin) names.push_back(place.substr(begin, end - begin));
        begin = end + 1;
    }
    return names;
}

}  // namespace tarn::replay
