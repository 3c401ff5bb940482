// ObjectInfo as a document, for workers in other processes.
#include <fmt/core.h>

#include "catalog/catalog.h"

namespace tarn::catalog {

using codec::Json;

Json ObjectInfo::to_json() const {
    Json json = Json::object();
    json.set("name", name).set("stream", stream.value).set("partition", partition);
    json.set("first", first).set("last", last);
    json.set("first_sequence", first_sequence).set("last_sequence", last_sequence);
    json.set("first_ingested", first_ingested.us).set("last_ingested", last_ingested.us);
    json.set("min_time", min_time.us).set("max_time", max_time.us);
    json.set("events", events).set("bytes", bytes).set("raw_bytes", raw_bytes);
    json.set("sha256", sha256);
    Json type_names = Json::array();
    for (const std::string& type : types) type_names.push(type);
    json.set("types", std::move(type_names)).set("min_key", min_key).set("max_key", max_key);
    return json;
}

Result<ObjectInfo> ObjectInfo::from_json(const Json& json) {
    if (!json["name"].is_string() || !json["first"].is_number() || !json["last"].is_number())
        return fail(Code::internal,
                    fmt::format("not the description of an object: {}", json.dump().substr(0, 200)));
    ObjectInfo info;
    info.name = json["name"].as_string();
    info.stream = StreamId{static_cast<std::uint32_t>(json["stream"].as_uint())};
    info.partition = static_cast<Partition>(json["partition"].as_uint());
    info.first = json["first"].as_uint();
    info.last = json["last"].as_uint();
    info.first_sequence = json["first_sequence"].as_uint();
    info.last_sequence = json["last_sequence"].as_uint();
    info.first_ingested = Time{json["first_ingested"].as_int()};
    info.last_ingested = Time{json["last_ingested"].as_int()};
    info.min_time = Time{json["min_time"].as_int()};
    info.max_time = Time{json["max_time"].as_int()};
    info.events = json["events"].as_uint();
    info.bytes = json["bytes"].as_uint();
    info.raw_bytes = json["raw_bytes"].as_uint();
    info.sha256 = json["sha256"].as_string();
    for (const Json& type : json["types"].elements()) info.types.push_back(type.as_string());
    info.min_key = json["min_key"].as_string();
    info.max_key = json["max_key"].as_string();
    return info;
}

}  // namespace tarn::catalog
