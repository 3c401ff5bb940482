#include "lake/baseline.h"

namespace tarn::lake {

using codec::Json;

Json answer_json(const log::Appended& answer) {
    Json ranges = Json::array();
    for (const log::Range& range : answer.ranges)
        ranges.push(Json::array({Json(range.partition), Json(range.first), Json(range.last)}));
    Json json = Json::object();
    json.set("first_sequence", answer.first_sequence)
        .set("events", answer.events)
        .set("ingested", answer.ingested.us);
    return json.set("ranges", std::move(ranges));
}

log::Appended answer_of(const catalog::OriginRecord& record) {
    log::Appended answer;
    answer.first_sequence = record.answer["first_sequence"].as_uint();
    answer.events = record.answer["events"].as_uint();
    answer.ingested = Time{record.answer["ingested"].as_int()};
    for (const Json& range : record.answer["ranges"].elements()) {
        if (range.size() != 3) continue;
        const auto& numbers = range.elements();
        answer.ranges.push_back(
            {static_cast<Partition>(numbers[0].as_uint()), numbers[1].as_uint(), numbers[2].as_uint()});
    }
    answer.repeated = true;
    answer.origin_sequence = record.sequence;
    answer.origin_tag = record.tag;
    return answer;
}

Result<log::Baseline> baseline_of(catalog::Catalog& catalog) {
    log::Baseline baseline;
    TARN_ASSIGN(const Sequence highest, catalog.max_sequence());
    baseline.next_sequence = highest + 1;
    TARN_ASSIGN(baseline.next_offsets, catalog.next_offsets());
    TARN_ASSIGN(baseline.has_history, catalog.has_history());
    // An unreadable catalog reads as "unknown" here: the batch is then stored again rather than refused.
    baseline.older_origin = [&catalog](std::string_view producer) -> std::optional<log::Appended> {
        const auto record = catalog.origin(producer);
        if (!record || !*record) return std::nullopt;
        return answer_of(**record);
    };
    return baseline;
}

}  // namespace tarn::lake
