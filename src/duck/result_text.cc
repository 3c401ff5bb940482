#include "duck/result_text.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/base64.h"
#include "codec/json.h"
#include "duck/value_text.h"

namespace tarn::duck {
namespace {

constexpr std::int64_t per_milli = 1'000, per_micro = 1'000'000, per_nano = 1'000'000'000;

template <typename T>
const T& at(const VectorView& view, std::uint64_t row) {
    return static_cast<const T*>(view.data)[row];
}

Int128 read_hugeint(const VectorView& view, std::uint64_t row) {
    const auto& value = at<duckdb_hugeint>(view, row);
    return static_cast<Int128>(static_cast<Uint128>(static_cast<std::uint64_t>(value.upper)) << 64 |
                               value.lower);
}

// An integer of any width below 128 bits, by the type that stores it.
std::int64_t read_stored(const VectorView& view, duckdb_type storage, std::uint64_t row) {
    switch (storage) {
        case DUCKDB_TYPE_TINYINT:
            return at<std::int8_t>(view, row);
        case DUCKDB_TYPE_UTINYINT:
            return at<std::uint8_t>(view, row);
        case DUCKDB_TYPE_SMALLINT:
            return at<std::int16_t>(view, row);
        case DUCKDB_TYPE_USMALLINT:
            return at<std::uint16_t>(view, row);
        case DUCKDB_TYPE_INTEGER:
            return at<std::int32_t>(view, row);
        case DUCKDB_TYPE_UINTEGER:
            return at<std::uint32_t>(view, row);
        default:
            return at<std::int64_t>(view, row);
    }
}

std::string_view read_string(const VectorView& view, std::uint64_t row) {
    const auto& string = at<duckdb_string_t>(view, row);
    const std::uint32_t length = string.value.inlined.length;
    const char* bytes = length <= sizeof string.value.inlined.inlined ? string.value.inlined.inlined
                                                                      : string.value.pointer.ptr;
    return {bytes, length};
}

void append_decimal_at(std::string& out, const VectorView& view, std::uint64_t row) {
    const bool wide = view.type.storage == DUCKDB_TYPE_HUGEINT;
    append_decimal(out, wide ? read_hugeint(view, row) : read_stored(view, view.type.storage, row),
                   view.type.scale);
}

void append_enum(std::string& out, const VectorView& view, std::uint64_t row) {
    const auto index = static_cast<std::size_t>(read_stored(view, view.type.storage, row));
    if (index < view.type.dictionary.size()) out += view.type.dictionary[index];
}

void append_json_line(std::string& out, std::string_view json) {
    const std::size_t begin = out.size();
    out += json;
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

void append_elements(std::string& out, const VectorView& child, std::uint64_t begin, std::uint64_t count) {
    out += '[';
    for (std::uint64_t i = 0; i < count; ++i) {
        if (i != 0) out += ',';
        append_json(out, child, begin + i);
    }
    out += ']';
}

void append_map(std::string& out, const VectorView& view, std::uint64_t row) {
    const auto& entry = at<duckdb_list_entry>(view, row);
    out += '{';
    for (std::uint64_t i = entry.offset; i < entry.offset + entry.length; ++i) {
        if (i != entry.offset) out += ',';
        std::string key;
        append_text(key, view.children[0], i);
        codec::append_quoted(out, key);
        out += ':';
        append_json(out, view.children[1], i);
    }
    out += '}';
}

// row(1, 2) makes a struct without names: an array.
void append_struct(std::string& out, const VectorView& view, std::uint64_t row) {
    const bool named = !view.type.names.empty() && !view.type.names.front().empty();
    out += named ? '{' : '[';
    for (std::size_t i = 0; i < view.children.size(); ++i) {
        if (i != 0) out += ',';
        if (named) {
            codec::append_quoted(out, view.type.names[i]);
            out += ':';
        }
        append_json(out, view.children[i], row);
    }
    out += named ? '}' : ']';
}

void append_union(std::string& out, const VectorView& view, std::uint64_t row) {
    const std::size_t member = at<std::uint8_t>(view.children[0], row) + std::size_t{1};
    if (member < view.children.size()) append_json(out, view.children[member], row);
}

void append_nested(std::string& out, const VectorView& view, std::uint64_t row) {
    switch (view.type.id) {
        case DUCKDB_TYPE_LIST: {
            const auto& entry = at<duckdb_list_entry>(view, row);
            return append_elements(out, view.children[0], entry.offset, entry.length);
        }
        case DUCKDB_TYPE_ARRAY:
            return append_elements(out, view.children[0], row * view.type.array_size, view.type.array_size);
        case DUCKDB_TYPE_MAP:
            return append_map(out, view, row);
        case DUCKDB_TYPE_STRUCT:
            return append_struct(out, view, row);
        case DUCKDB_TYPE_UNION:
            return append_union(out, view, row);
        default:
            return append_json_line(out, read_string(view, row));
    }
}

void append_time_tz_at(std::string& out, const VectorView& view, std::uint64_t row) {
    const duckdb_time_tz_struct value = view.api.from_time_tz(at<duckdb_time_tz>(view, row));
    const auto& time = value.time;
    append_time_tz(out, ((time.hour * 60LL + time.min) * 60 + time.sec) * per_micro + time.micros,
                   value.offset);
}

void append_other(std::string& out, const VectorView& view, std::uint64_t row) {
    switch (view.type.id) {
        case DUCKDB_TYPE_BOOLEAN:
            out += at<bool>(view, row) ? "true" : "false";
            return;
        case DUCKDB_TYPE_DATE:
            return append_date(out, at<std::int32_t>(view, row));
        case DUCKDB_TYPE_TIME:
            return append_time(out, at<std::int64_t>(view, row), per_micro);
        case DUCKDB_TYPE_TIME_NS:
            return append_time(out, at<std::int64_t>(view, row), per_nano);
        case DUCKDB_TYPE_TIME_TZ:
            return append_time_tz_at(out, view, row);
        case DUCKDB_TYPE_TIMESTAMP:
        case DUCKDB_TYPE_TIMESTAMP_TZ:
            return append_timestamp(out, at<std::int64_t>(view, row), per_micro);
        case DUCKDB_TYPE_TIMESTAMP_S:
            return append_timestamp(out, at<std::int64_t>(view, row), 1);
        case DUCKDB_TYPE_TIMESTAMP_MS:
            return append_timestamp(out, at<std::int64_t>(view, row), per_milli);
        case DUCKDB_TYPE_TIMESTAMP_NS:
            return append_timestamp(out, at<std::int64_t>(view, row), per_nano);
        case DUCKDB_TYPE_INTERVAL: {
            const auto& value = at<duckdb_interval>(view, row);
            return append_interval(out, value.months, value.days, value.micros);
        }
        case DUCKDB_TYPE_UUID:  // the top bit is flipped, so that order by signed number is order by text
            return append_uuid(out, static_cast<Uint128>(read_hugeint(view, row)) ^ Uint128{1} << 127);
        case DUCKDB_TYPE_BLOB:
            return codec::append_base64(out, read_string(view, row));
        case DUCKDB_TYPE_ENUM:
            return append_enum(out, view, row);
        default:
            return;
    }
}

bool is_json_number(const VectorView& view, std::uint64_t row) {
    if (view.type.id == DUCKDB_TYPE_DOUBLE) return std::isfinite(at<double>(view, row));
    if (view.type.id == DUCKDB_TYPE_FLOAT) return std::isfinite(at<float>(view, row));
    return view.type.is_number();
}

}  // namespace

VectorView::VectorView(const Api& functions, const Type& of, duckdb_vector vector)
    : api(functions), type(of), data(api.vector_get_data(vector)), validity(api.vector_get_validity(vector)) {
    switch (type.id) {
        case DUCKDB_TYPE_LIST:
            children.emplace_back(api, type.children[0], api.list_vector_get_child(vector));
            return;
        case DUCKDB_TYPE_ARRAY:
            children.emplace_back(api, type.children[0], api.array_vector_get_child(vector));
            return;
        case DUCKDB_TYPE_MAP: {
            const duckdb_vector entries = api.list_vector_get_child(vector);
            for (idx_t i = 0; i < 2; ++i)
                children.emplace_back(api, type.children[i], api.struct_vector_get_child(entries, i));
            return;
        }
        case DUCKDB_TYPE_UNION: {
            static const Type tag{.id = DUCKDB_TYPE_UTINYINT};
            children.emplace_back(api, tag, api.struct_vector_get_child(vector, 0));
            for (idx_t i = 0; i < type.children.size(); ++i)
                children.emplace_back(api, type.children[i], api.struct_vector_get_child(vector, i + 1));
            return;
        }
        case DUCKDB_TYPE_STRUCT:
            for (idx_t i = 0; i < type.children.size(); ++i)
                children.emplace_back(api, type.children[i], api.struct_vector_get_child(vector, i));
            return;
        default:
            return;
    }
}

void append_text(std::string& out, const VectorView& view, std::uint64_t row) {
    if (view.type.is_nested()) return append_nested(out, view, row);
    switch (view.type.id) {
        case DUCKDB_TYPE_VARCHAR:
            out += read_string(view, row);
            return;
        case DUCKDB_TYPE_UBIGINT:
            return append_unsigned(out, at<std::uint64_t>(view, row));
        case DUCKDB_TYPE_HUGEINT:
            return append_integer(out, read_hugeint(view, row));
        case DUCKDB_TYPE_UHUGEINT:
            return append_unsigned(out, static_cast<Uint128>(read_hugeint(view, row)));
        case DUCKDB_TYPE_FLOAT:
            return append_float(out, at<float>(view, row));
        case DUCKDB_TYPE_DOUBLE:
            return append_double(out, at<double>(view, row));
        case DUCKDB_TYPE_DECIMAL:
            return append_decimal_at(out, view, row);
        default:
            break;
    }
    if (view.type.is_number()) return append_integer(out, read_stored(view, view.type.id, row));
    append_other(out, view, row);
}

void append_json(std::string& out, const VectorView& view, std::uint64_t row) {
    if (view.is_null(row) || view.type.id == DUCKDB_TYPE_SQLNULL) {
        out += "null";
    } else if (view.type.is_nested() || view.type.id == DUCKDB_TYPE_BOOLEAN || is_json_number(view, row)) {
        append_text(out, view, row);
    } else {
        std::string text;
        append_text(text, view, row);
        codec::append_quoted(out, text);
    }
}

}  // namespace tarn::duck
