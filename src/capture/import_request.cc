// The JSON form of an import: the body of POST /v1/jobs and what the job keeps of it.
#include <fmt/core.h>

#include "capture/capture.h"

namespace tarn::capture {
namespace {

Failure wrong(std::string_view member, std::string_view expected) {
    return fail(Code::bad_usage, fmt::format("import: member \"{}\": expected {}", member, expected));
}

Status read_sources(const codec::Json& value, std::vector<std::string>& sources) {
    if (!value.is_array()) return wrong("sources", "an array of paths");
    for (const codec::Json& source : value.elements()) {
        if (!source.is_string()) return wrong("sources", "an array of paths");
        sources.push_back(source.as_string());
    }
    return {};
}

Status read_text(std::string_view member, const codec::Json& value, std::string& text) {
    if (!value.is_string()) return wrong(member, "a string");
    text = value.as_string();
    return {};
}

Status read_member(const std::string& name, const codec::Json& value, ImportRequest& request) {
    if (name == "sources") return read_sources(value, request.sources);
    if (name == "stream") return read_text(name, value, request.stream);
    if (name == "format") return read_text(name, value, request.format);
    if (name == "records") return read_text(name, value, request.records);
    if (name == "name_pattern") return read_text(name, value, request.name_pattern);
    if (name == "key") return read_text(name, value, request.key);
    if (name != "again")
        return fail(Code::bad_usage,
                    fmt::format("import: unknown member \"{}\": expected stream, sources, format, "
                                "records, name_pattern or again",
                                name));
    if (value.type() != codec::JsonType::boolean) return wrong("again", "true or false");
    request.again = value.as_bool();
    return {};
}

}  // namespace

Result<ImportRequest> ImportRequest::from_json(const codec::Json& json) {
    if (!json.is_object()) return fail(Code::bad_usage, "import: expected a JSON object");
    ImportRequest request;
    for (const auto& [name, value] : json.members()) TARN_TRY(read_member(name, value, request));
    if (request.stream.empty()) return wrong("stream", "the name of a stream");
    if (request.sources.empty()) return wrong("sources", "at least one path");
    return request;
}

codec::Json ImportRequest::to_json() const {
    codec::Json paths = codec::Json::array();
    for (const std::string& source : sources) paths.push(source);
    codec::Json json = codec::Json::object();
    json.set("stream", stream).set("sources", std::move(paths)).set("format", format);
    if (!records.empty()) json.set("records", records);
    if (!name_pattern.empty()) json.set("name_pattern", name_pattern);
    if (!key.empty()) json.set("key", key);
    if (again) json.set("again", true);
    return json;
}

}  // namespace tarn::capture
