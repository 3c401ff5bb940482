// StreamView as a document, for a worker process on the same machine.
#include <fmt/core.h>

#include "lake/scan.h"

namespace tarn::lake {

using codec::Json;

namespace {

Json objects_json(const std::vector<catalog::ObjectInfo>& objects) {
    Json list = Json::array();
    for (const catalog::ObjectInfo& info : objects) list.push(info.to_json());
    return list;
}

Result<std::vector<catalog::ObjectInfo>> objects_of(const Json& list) {
    std::vector<catalog::ObjectInfo> objects;
    for (const Json& entry : list.elements()) {
        TARN_ASSIGN(catalog::ObjectInfo info, catalog::ObjectInfo::from_json(entry));
        objects.push_back(std::move(info));
    }
    return objects;
}

}  // namespace

Json StreamView::to_json() const {
    Json extents = Json::array();
    for (const log::Extent& extent : tail.extents)
        extents.push(
            Json::object().set("path", extent.path).set("begin", extent.begin).set("end", extent.end));
    Json json = Json::object();
    json.set("stream", stream.value).set("name", name).set("partitions", partitions);
    json.set("objects", objects_json(objects)).set("quarantine_objects", objects_json(quarantine_objects));
    json.set("rolled_sequence", rolled_sequence);
    json.set("extents", std::move(extents)).set("end_sequence", tail.end_sequence);
    return json;
}

Result<StreamView> StreamView::from_json(const Json& json) {
    if (!json["stream"].is_number() || !json["name"].is_string())
        return fail(Code::internal, fmt::format("not a view of a stream: {}", json.dump().substr(0, 200)));
    StreamView view;
    view.stream = StreamId{static_cast<std::uint32_t>(json["stream"].as_uint())};
    view.name = json["name"].as_string();
    view.partitions = static_cast<std::uint32_t>(json["partitions"].as_uint(1));
    TARN_ASSIGN(view.objects, objects_of(json["objects"]));
    TARN_ASSIGN(view.quarantine_objects, objects_of(json["quarantine_objects"]));
    view.rolled_sequence = json["rolled_sequence"].as_uint(1);
    for (const Json& extent : json["extents"].elements())
        view.tail.extents.push_back(
            {extent["path"].as_string(), extent["begin"].as_uint(), extent["end"].as_uint()});
    view.tail.end_sequence = json["end_sequence"].as_uint();
    return view;
}

}  // namespace tarn::lake
