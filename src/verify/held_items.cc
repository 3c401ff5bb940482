#include "verify/held_items.h"

#include <fmt/core.h>

namespace tarn::verify {
namespace {

using codec::Json;

// "bank 0:12 deposit …, key ACC-1"
Json named(const Subject& subject, const replay::ManifestEntry& entry) {
    Json json = Json::object().set("event", subject.event_text(entry));
    const auto found = subject.lake.get({entry.stream, entry.partition, entry.offset});
    event::MetaReader reader;
    const event::Meta* meta = found ? &reader.read(found->event, subject.stream_name(entry.stream)) : nullptr;
    return json.set("key", meta && meta->key ? Json(*meta->key) : Json());
}

Json list_of(const Subject& subject, const std::vector<replay::ManifestEntry>& entries) {
    Json list = Json::array();
    for (const auto& entry : entries) list.push(named(subject, entry));
    return list;
}

Json counts_of(const Subject& subject, const Reconciled& it, const TargetWords& words) {
    Json foreign = Json::array();
    for (const Position& place : it.first_foreign) foreign.push(words.found_at(place));
    return Json::object()
        .set("acknowledged", it.expected)
        .set("found", it.found)
        .set("missing", it.missing)
        .set("repeated", it.repeated)
        .set("foreign", it.foreign)
        .set("keys_with_gaps", it.keys_missing.size())
        .set("keys_with_duplicates", it.keys_repeated.size())
        .set("keys_out_of_order", it.keys_out_of_order)
        .set("exact", it.is_exact)
        .set("first_missing", list_of(subject, it.first_missing))
        .set("first_repeated", list_of(subject, it.first_repeated))
        .set("first_foreign", std::move(foreign));
}

std::string first_of(const Json& list) {
    const Json& first = list.elements().front();
    if (first.is_string()) return first.as_string();
    return first["event"].as_string() +
           (first["key"].is_null() ? "" : fmt::format(", key {}", first["key"].as_string()));
}

std::string what_differs(const Reconciled& it, const Json& counts) {
    std::string text;
    const auto add = [&](std::uint64_t number, std::string_view what, std::size_t keys, const char* first) {
        if (number == 0) return;
        text += fmt::format("{} {} {}", text.empty() ? "" : ";", format_count(number), what);
        if (keys > 0) text += fmt::format(" in {} {}", format_count(keys), keys == 1 ? "key" : "keys");
        text += fmt::format(" (the first: {})", first_of(counts[first]));
    };
    add(it.missing, "missing", it.keys_missing.size(), "first_missing");
    add(it.repeated, "more than once", it.keys_repeated.size(), "first_repeated");
    add(it.foreign, "that nobody sent", 0, "first_foreign");
    return (it.is_exact ? ":" : ": at least") + text;
}

}  // namespace

Check check_of(const Subject& subject, const Reconciled& it, const TargetWords& words) {
    Check check{.name = "target", .ok = false, .detail = {}, .evidence = Evidence::target};
    check.counts = counts_of(subject, it, words);
    check.detail = fmt::format("{} re-read: {} {}", words.place, format_count(it.found), words.items);
    if (!it.is_same)
        check.detail +=
            fmt::format(", {} were acknowledged", format_count(it.expected)) + what_differs(it, check.counts);
    else if (it.keys_out_of_order > 0)
        check.detail += fmt::format(", the ones that were sent, but in {} keys in another order",
                                    format_count(it.keys_out_of_order));
    else {
        check.ok = true;
        check.detail += ", " + words.good;
    }
    return check;
}

}  // namespace tarn::verify
