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

// Only what concerns the stream goes along.
Json gaps_json(const std::vector<log::Gap>& gaps, StreamId stream) {
    Json list = Json::array();
    for (const log::Gap& gap : gaps) {
        Json lost = Json::array();
        for (const log::Gap::Lost& range : gap.lost) {
            if (range.stream != stream) continue;
            Json numbers = Json::array();
            lost.push(numbers.push(range.partition).push(range.first).push(range.last));
        }
        if (lost.size() == 0 && !gap.others) continue;
        Json entry = Json::object();
        entry.set("path", gap.path).set("begin", gap.begin).set("end", gap.end).set("what", gap.what);
        entry.set("first", gap.first).set("until", gap.until).set("extent", std::uint64_t{gap.extent});
        list.push(entry.set("others", gap.others).set("lost", std::move(lost)));
    }
    return list;
}

std::vector<log::Gap> gaps_of(const Json& list, StreamId stream) {
    std::vector<log::Gap> gaps;
    for (const Json& entry : list.elements()) {
        log::Gap& gap = gaps.emplace_back();
        gap.path = entry["path"].as_string();
        gap.begin = entry["begin"].as_uint();
        gap.end = entry["end"].as_uint();
        gap.what = entry["what"].as_string();
        gap.first = entry["first"].as_uint();
        gap.until = entry["until"].as_uint();
        gap.extent = entry["extent"].as_uint();
        gap.others = entry["others"].as_bool();
        for (const Json& range : entry["lost"].elements()) {
            const auto& numbers = range.elements();
            if (numbers.size() == 3)
                gap.lost.push_back({stream, static_cast<Partition>(numbers[0].as_uint()),
                                    numbers[1].as_uint(), numbers[2].as_uint()});
        }
    }
    return gaps;
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
    if (!tail.gaps.empty()) json.set("gaps", gaps_json(tail.gaps, stream));
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
    view.tail.gaps = gaps_of(json["gaps"], view.stream);
    view.tail.end_sequence = json["end_sequence"].as_uint();
    return view;
}

}  // namespace tarn::lake
