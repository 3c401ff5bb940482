#include "pattern/pattern.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "codec/decimal.h"
#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::pattern {
namespace {

using codec::Json;
using codec::JsonType;

// One value that a field may have.
struct Value {
    JsonType type = JsonType::null;
    std::string text;  // of a string; a number, true or false as written
};

// A field: either the values it may have (any of them), or the fields below it (all of them).
struct Field {
    std::string name;
    std::vector<Value> values;
    std::vector<Field> fields;
};

std::string joined(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

Failure bad(std::string message) { return fail(Code::bad_pattern, "bad pattern: " + std::move(message)); }

Failure not_built(std::string_view operation, const std::string& path) {
    return fail(
        Code::not_built,
        fmt::format("pattern operator \"{}\" (in {}) is not built yet: this version matches exact values",
                    operation, path));
}

Result<Value> compile_value(const Json& json, const std::string& path) {
    switch (json.type()) {
        case JsonType::object:
            if (json.size() == 0) return bad(fmt::format("{} has an empty object among its values", path));
            return not_built(json.members().front().first, path);
        case JsonType::array:
            return bad(fmt::format(
                "{} has an array among its values: expected strings, numbers, true, false or null", path));
        default:
            break;
    }
    return Value{json.type(), json.is_string() || json.is_number() ? json.as_string() : json.dump()};
}

Result<std::vector<Field>> compile_fields(const Json& object, const std::string& path);

Result<Field> compile_field(const std::string& name, const Json& json, const std::string& path) {
    Field field{.name = name};
    if (json.is_object()) {
        TARN_ASSIGN(field.fields, compile_fields(json, path));
        return field;
    }
    if (!json.is_array())
        return bad(fmt::format("{} must be a list of values such as [\"a\"], or an object", path));
    if (json.size() == 0) return bad(fmt::format("{} has an empty list, which nothing can match", path));
    for (const Json& element : json.elements()) {
        TARN_ASSIGN(Value value, compile_value(element, path));
        field.values.push_back(std::move(value));
    }
    return field;
}

Result<std::vector<Field>> compile_fields(const Json& object, const std::string& path) {
    if (object.size() == 0)
        return bad(fmt::format("{} is an empty object", path.empty() ? "the pattern" : path));
    std::vector<Field> fields;
    for (const auto& [name, json] : object.members()) {
        const std::string here = joined(path, name);
        if (name.starts_with('$')) return not_built(name, here);
        if (std::ranges::any_of(fields, [&](const Field& field) { return field.name == name; }))
            return bad(fmt::format("{} stands twice", here));
        TARN_ASSIGN(Field field, compile_field(name, json, here));
        fields.push_back(std::move(field));
    }
    return fields;
}

// Numbers are equal by value, however they are written. Decimal texts are compared exactly, others as
// doubles.
bool numbers_equal(std::string_view a, std::string_view b) {
    if (a == b) return true;
    if (const auto order = codec::decimal_cmp(a, b)) return *order == 0;
    double left = 0, right = 0;
    const auto left_status = std::from_chars(a.data(), a.data() + a.size(), left);
    const auto right_status = std::from_chars(b.data(), b.data() + b.size(), right);
    return left_status.ec == std::errc() && right_status.ec == std::errc() && left == right;
}

bool equals(const Value& value, std::string_view raw) {
    const JsonType type = codec::type_of(raw);
    if (type != value.type) return false;
    switch (type) {
        case JsonType::null:
            return true;
        case JsonType::string:
            break;
        case JsonType::number:
            return numbers_equal(value.text, raw);
        default:
            return raw == value.text;
    }
    const std::string_view inner = raw.size() >= 2 ? raw.substr(1, raw.size() - 2) : std::string_view();
    return inner.find('\\') == std::string_view::npos ? inner == value.text
                                                      : codec::unescape(raw) == value.text;
}

bool any_equals(const std::vector<Value>& values, std::string_view raw) {
    return std::ranges::any_of(values, [&](const Value& value) { return equals(value, raw); });
}

bool field_matches(const Field& field, std::string_view raw);

bool fields_match(const std::vector<Field>& fields, std::string_view object) {
    return std::ranges::all_of(fields, [&](const Field& field) {
        const auto raw = codec::find_member(object, field.name);
        return raw && field_matches(field, *raw);
    });
}

// An array in the event stands for each of its elements: one that fits is enough, at any depth.
bool field_matches(const Field& field, std::string_view raw) {
    const JsonType type = codec::type_of(raw);
    if (type == JsonType::array) {
        std::string_view element;
        for (codec::scan::Elements elements(raw); elements.next(element);)
            if (field_matches(field, element)) return true;
        return false;
    }
    if (!field.fields.empty()) return type == JsonType::object && fields_match(field.fields, raw);
    return any_equals(field.values, raw);
}

// The strings of top-level `type`. Other values in the list can never be an event's type, but do no harm to
// pruning.
std::optional<std::vector<std::string>> types_of(const std::vector<Field>& fields) {
    const auto type = std::ranges::find(fields, "type", &Field::name);
    if (type == fields.end() || type->values.empty()) return std::nullopt;
    std::vector<std::string> types;
    for (const Value& value : type->values)
        if (value.type == JsonType::string) types.push_back(value.text);
    return types;
}

}  // namespace

struct Pattern::Parts {
    std::string text;
    std::vector<Field> fields;
    std::optional<std::vector<std::string>> types;
};

Result<Pattern> Pattern::compile(std::string_view json) {
    auto document = Json::parse(json);
    if (!document) {
        Error error = std::move(document.error());
        return fail(Code::bad_pattern, "bad pattern: " + error.message,
                    {.place = std::move(error.place), .excerpt = std::move(error.excerpt)});
    }
    if (!document->is_object()) return bad("expected an object such as {\"type\":[\"a\"]}");
    auto parts = std::make_shared<Parts>();
    TARN_ASSIGN(parts->fields, compile_fields(*document, ""));
    parts->text = json;
    parts->types = types_of(parts->fields);
    Pattern pattern;
    pattern.parts_ = std::move(parts);
    return pattern;
}

bool Pattern::matches(std::string_view document) const {
    return codec::type_of(document) == JsonType::object && fields_match(parts_->fields, document);
}

const std::vector<std::string>* Pattern::types() const { return parts_->types ? &*parts_->types : nullptr; }

const std::string& Pattern::text() const { return parts_->text; }

}  // namespace tarn::pattern
