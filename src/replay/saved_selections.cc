#include "replay/saved_selections.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "pattern/pattern.h"
#include "replay/sql_condition.h"

namespace tarn::replay {
namespace {

using codec::Json;

constexpr const char* kind = "selection";

Failure bad(std::string message, std::string next) {
    return fail(Code::bad_selection, std::move(message), {.next = std::move(next)});
}

Status check_name(const std::string& name) {
    const auto is_fine = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-';
    };
    if (!name.empty() && name.size() <= 64 && std::ranges::all_of(name, is_fine)) return {};
    return bad(fmt::format("\"{}\" cannot be the name of a selection", name.substr(0, 64)),
               "1 to 64 letters, digits, _ or -");
}

// The names of saved selections that it is made of.
void collect_names(const SelectionRequest& request, std::vector<std::string>& names) {
    names.insert(names.end(), request.selections.begin(), request.selections.end());
    for (const SelectionRequest& each : request.except) collect_names(each, names);
}

// What can be told without reading events.
Status check_text(catalog::Catalog& catalog, const SelectionRequest& request, Time now) {
    for (const std::string& stream : request.streams()) TARN_TRY(catalog.stream(stream));
    for (const auto* time : {&request.since, &request.until})
        if (*time) TARN_TRY(parse_time(**time, now));
    if (request.pattern) TARN_TRY(pattern::Pattern::compile(*request.pattern));
    if (request.where) TARN_TRY(check_sql_condition(*request.where));
    for (const SelectionRequest& each : request.except) TARN_TRY(check_text(catalog, each, now));
    return {};
}

Status check_does_not_contain(catalog::Catalog& catalog, const std::string& name,
                              const SelectionRequest& request) {
    std::vector<std::string> names;
    collect_names(request, names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name)
            return bad(fmt::format("selection {} would contain itself", name), "give it another name");
        if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
            names.begin() + static_cast<std::ptrdiff_t>(i))
            continue;
        TARN_ASSIGN(const SelectionRequest inner, saved_selection(catalog, names[i]));
        collect_names(inner, names);
    }
    return {};
}

}  // namespace

Result<Json> save_selection(catalog::Catalog& catalog, const std::string& name,
                            const SelectionRequest& request, Time now) {
    TARN_TRY(check_name(name));
    if (!request.selects_anything())
        return fail(Code::no_selection, fmt::format("selection {} would select nothing", name),
                    {.next = "say what it selects, as for a plan: tarn selection save --help"});
    TARN_TRY(check_text(catalog, request, now));
    TARN_TRY(check_does_not_contain(catalog, name, request));
    Json document = Json::object().set("schema_version", 1).set("selection", name);
    document.set("created", format_rfc3339(now)).set("request", request.to_json());
    TARN_TRY(catalog.put_document({kind, name, now, document}));
    return document;
}

Result<Json> show_selection(catalog::Catalog& catalog, std::string_view name) {
    TARN_ASSIGN(const auto document, catalog.document(kind, name));
    if (document) return document->body;
    TARN_ASSIGN(const auto all, catalog.documents(kind));
    std::vector<std::string> names;
    for (const catalog::Document& each : all) names.push_back(each.id);
    const std::string nearest = nearest_word(name, names);
    return fail(Code::unknown_selection, fmt::format("there is no selection {}", name),
                {.next = nearest.empty()
                             ? "what there is: tarn selection list"
                             : fmt::format("did you mean {}? What there is: tarn selection list", nearest)});
}

Result<SelectionRequest> saved_selection(catalog::Catalog& catalog, std::string_view name) {
    TARN_ASSIGN(const Json document, show_selection(catalog, name));
    return SelectionRequest::from_json(document["request"]);
}

Result<std::vector<Json>> saved_selections(catalog::Catalog& catalog) {
    TARN_ASSIGN(const auto documents, catalog.documents(kind));
    std::vector<Json> list;
    for (const catalog::Document& document : documents) list.push_back(document.body);
    return list;
}

Status delete_selection(catalog::Catalog& catalog, std::string_view name) {
    TARN_TRY(show_selection(catalog, name));
    TARN_ASSIGN(const auto all, saved_selections(catalog));
    for (const Json& each : all) {
        TARN_ASSIGN(const SelectionRequest request, SelectionRequest::from_json(each["request"]));
        std::vector<std::string> names;
        collect_names(request, names);
        if (std::ranges::find(names, name) == names.end()) continue;
        const std::string user = each["selection"].as_string();
        return bad(fmt::format("selection {} is used by selection {}", name, user),
                   fmt::format("change that one first: tarn selection show {}", user));
    }
    return catalog.delete_document(kind, name);
}

}  // namespace tarn::replay
