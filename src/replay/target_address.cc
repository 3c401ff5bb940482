#include <fmt/core.h>

#include <filesystem>

#include "base/nearest.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

constexpr std::string_view known_targets =
    "null:, file:PATH, stream:NAME, projection:NAME, http://… or https://…";

Failure bad_target(std::string message) {
    return fail(Code::bad_target, std::move(message), {.next = fmt::format("targets: {}", known_targets)});
}

bool is_of_a_later_version(std::string_view kind) {
    for (const std::string_view later : {"function", "kafka", "eventbridge", "lambda", "sqs", "sns",
                                         "kinesis", "dynamodb", "postgresql", "redshift", "opensearch", "s3"})
        if (kind == later) return true;
    return false;
}

Result<TargetAddress> parse_file(std::string_view path) {
    if (path.empty()) return bad_target("target file: names no file");
    std::error_code problem;
    const auto absolute = std::filesystem::absolute(std::filesystem::path(path), problem);
    if (problem) return bad_target(fmt::format("target file:{}: {}", path, problem.message()));
    return TargetAddress{TargetKind::file, absolute.lexically_normal().string()};
}

Result<TargetAddress> parse_http(std::string_view url) {
    const std::string_view rest = url.substr(url.find("://") + 3);
    if (rest.empty() || rest.front() == '/') return bad_target(fmt::format("target {} names no host", url));
    for (const char c : url)
        if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F)
            return bad_target("the target's URL has blanks or control characters");
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
    if (is_of_a_later_version(kind))
        return fail(Code::not_built, fmt::format("target {}: is not built yet", kind),
                    {.next = fmt::format("targets: {}", known_targets)});
    const std::string nearest = nearest_word(kind, {"null", "file", "stream", "projection", "http", "https"});
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
        case TargetKind::http:
            return place;
    }
    return {};
}

std::vector<std::string> TargetAddress::projections() const {
    std::vector<std::string> names;
    for (std::size_t begin = 0; begin <= place.size();) {
        const std::size_t end = std::min(place.find(',', begin), place.size());
        if (end > begin) names.push_back(place.substr(begin, end - begin));
        begin = end + 1;
    }
    return names;
}

}  // namespace tarn::replay
