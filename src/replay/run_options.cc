#include <fmt/core.h>

#include <cmath>

#include "replay/replay.h"

namespace tarn::replay {
namespace {

using codec::Json;

Failure bad(std::string message) {
    return fail(Code::bad_usage, std::move(message), {.next = "tarn replay run --help"});
}

Status read_number(const Json& json, std::string_view key, std::uint64_t least,
                   std::optional<std::uint64_t>& into) {
    const Json& value = json[key];
    if (value.is_null()) return {};
    if (value.type() != codec::JsonType::number || value.as_double() < static_cast<double>(least) ||
        value.as_double() != std::floor(value.as_double()))
        return bad(fmt::format("\"{}\" must be a whole number from {} on", key, least));
    into = value.as_uint();
    return {};
}

}  // namespace

Result<RunOptions> RunOptions::from_json(const Json& json) {
    RunOptions options;
    for (const Json& name : json["allow"].elements()) options.allow.push_back(name.as_string());
    TARN_TRY(read_number(json, "first", 1, options.first));
    TARN_TRY(read_number(json, "max_failures", 0, options.max_failures));
    const Json& on_unknown = json["on_unknown"];
    if (on_unknown.is_null()) return options;
    options.on_unknown = on_unknown.as_string();
    if (*options.on_unknown != "redo" && *options.on_unknown != "hold")
        return bad(fmt::format("--on-unknown \"{}\": expected redo or hold", *options.on_unknown));
    return options;
}

}  // namespace tarn::replay
