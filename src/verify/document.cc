#include "verify/document.h"

#include <algorithm>

namespace tarn::verify {

using codec::Json;

Json document_of(const std::vector<Check>& checks, const Differences& differences) {
    Json list = Json::array(), failed = Json::array(), shown = Json::array();
    for (const Check& check : checks) {
        list.push(check.to_json());
        const auto& known = failed.elements();
        if (!check.ok && std::ranges::find(known, Json(check.name)) == known.end()) failed.push(check.name);
    }
    for (const state::Difference& difference : differences.list()) shown.push(difference.to_json());
    const bool equal = differences.total() == 0 && std::ranges::all_of(checks, &Check::ok);
    const bool proved =
        std::ranges::none_of(checks, [](const Check& check) { return check.evidence == Evidence::sender; });
    Json document = Json::object();
    document.set("checked", true)
        .set("checks", std::move(list))
        .set("failed_checks", std::move(failed))
        .set("differences", std::move(shown))
        .set("differences_total", differences.total())
        .set("complete", differences.list().size() == differences.total())
        .set("target_read", proved)
        .set("equal", equal);
    return document;
}

}  // namespace tarn::verify
