#include "duck/result_type.h"

#include <fmt/core.h>

namespace tarn::duck {
namespace {

class LogicalType {
public:
    LogicalType(const Api& api, duckdb_logical_type type) : api_(api), type_(type) {}
    ~LogicalType() { api_.destroy_logical_type(&type_); }
    LogicalType(const LogicalType&) = delete;
    LogicalType& operator=(const LogicalType&) = delete;
    duckdb_logical_type get() const { return type_; }

private:
    const Api& api_;
    duckdb_logical_type type_;
};

std::string take_text(const Api& api, char* text) {
    std::string out = text != nullptr ? text : "";
    if (text != nullptr) api.free(text);
    return out;
}

// Names of the types without parameters; nullptr for those whose values cannot be shown.
const char* simple_name(duckdb_type id) {
    switch (id) {
        case DUCKDB_TYPE_BOOLEAN:
            return "BOOLEAN";
        case DUCKDB_TYPE_TINYINT:
            return "TINYINT";
        case DUCKDB_TYPE_SMALLINT:
            return "SMALLINT";
        case DUCKDB_TYPE_INTEGER:
            return "INTEGER";
        case DUCKDB_TYPE_BIGINT:
            return "BIGINT";
        case DUCKDB_TYPE_HUGEINT:
            return "HUGEINT";
        case DUCKDB_TYPE_UTINYINT:
            return "UTINYINT";
        case DUCKDB_TYPE_USMALLINT:
            return "USMALLINT";
        case DUCKDB_TYPE_UINTEGER:
            return "UINTEGER";
        case DUCKDB_TYPE_UBIGINT:
            return "UBIGINT";
        case DUCKDB_TYPE_UHUGEINT:
            return "UHUGEINT";
        case DUCKDB_TYPE_FLOAT:
            return "FLOAT";
        case DUCKDB_TYPE_DOUBLE:
            return "DOUBLE";
        case DUCKDB_TYPE_DATE:
            return "DATE";
        case DUCKDB_TYPE_TIME:
            return "TIME";
        case DUCKDB_TYPE_TIME_NS:
            return "TIME_NS";
        case DUCKDB_TYPE_TIME_TZ:
            return "TIME WITH TIME ZONE";
        case DUCKDB_TYPE_TIMESTAMP:
            return "TIMESTAMP";
        case DUCKDB_TYPE_TIMESTAMP_S:
            return "TIMESTAMP_S";
        case DUCKDB_TYPE_TIMESTAMP_MS:
            return "TIMESTAMP_MS";
        case DUCKDB_TYPE_TIMESTAMP_NS:
            return "TIMESTAMP_NS";
        case DUCKDB_TYPE_TIMESTAMP_TZ:
            return "TIMESTAMP WITH TIME ZONE";
        case DUCKDB_TYPE_INTERVAL:
            return "INTERVAL";
        case DUCKDB_TYPE_UUID:
            return "UUID";
        case DUCKDB_TYPE_VARCHAR:
            return "VARCHAR";
        case DUCKDB_TYPE_BLOB:
            return "BLOB";
        case DUCKDB_TYPE_SQLNULL:
            return "NULL";
        default:
            return nullptr;
    }
}

Status add_child(const Api& api, Type& out, duckdb_logical_type child) {
    const LogicalType owned(api, child);
    TARN_ASSIGN(Type read, read_type(api, owned.get()));
    out.children.push_back(std::move(read));
    return {};
}

void read_decimal(const Api& api, duckdb_logical_type type, Type& out) {
    out.scale = api.decimal_scale(type);
    out.storage = api.decimal_internal_type(type);
    out.name = fmt::format("DECIMAL({},{})", api.decimal_width(type), out.scale);
}

void read_enum(const Api& api, duckdb_logical_type type, Type& out) {
    out.storage = api.enum_internal_type(type);
    for (std::uint32_t i = 0; i < api.enum_dictionary_size(type); ++i)
        out.dictionary.push_back(take_text(api, api.enum_dictionary_value(type, i)));
    out.name = "ENUM";
}

Status read_members(const Api& api, duckdb_logical_type type, Type& out) {
    const bool is_union = out.id == DUCKDB_TYPE_UNION;
    const idx_t count = is_union ? api.union_type_member_count(type) : api.struct_type_child_count(type);
    std::string list;
    for (idx_t i = 0; i < count; ++i) {
        out.names.push_back(take_text(
            api, is_union ? api.union_type_member_name(type, i) : api.struct_type_child_name(type, i)));
        TARN_TRY(add_child(
            api, out, is_union ? api.union_type_member_type(type, i) : api.struct_type_child_type(type, i)));
        list += fmt::format("{}{} {}", i == 0 ? "" : ", ", out.names.back(), out.children.back().name);
    }
    out.name = fmt::format("{}({})", is_union ? "UNION" : "STRUCT", list);
    return {};
}

Status read_parts(const Api& api, duckdb_logical_type type, Type& out) {
    switch (out.id) {
        case DUCKDB_TYPE_DECIMAL:
            read_decimal(api, type, out);
            return {};
        case DUCKDB_TYPE_ENUM:
            read_enum(api, type, out);
            return {};
        case DUCKDB_TYPE_LIST:
            TARN_TRY(add_child(api, out, api.list_type_child_type(type)));
            out.name = out.children[0].name + "[]";
            return {};
        case DUCKDB_TYPE_ARRAY:
            TARN_TRY(add_child(api, out, api.array_type_child_type(type)));
            out.array_size = api.array_type_array_size(type);
            out.name = fmt::format("{}[{}]", out.children[0].name, out.array_size);
            return {};
        case DUCKDB_TYPE_MAP:
            TARN_TRY(add_child(api, out, api.map_type_key_type(type)));
            TARN_TRY(add_child(api, out, api.map_type_value_type(type)));
            out.name = fmt::format("MAP({}, {})", out.children[0].name, out.children[1].name);
            return {};
        case DUCKDB_TYPE_STRUCT:
        case DUCKDB_TYPE_UNION:
            return read_members(api, type, out);
        default:
            break;
    }
    const char* name = simple_name(out.id);
    if (name == nullptr)
        return fail(Code::sql_invalid, "a result column has a type whose values cannot be shown",
                    {.next = "cast it, for example x::VARCHAR"});
    out.name = name;
    return {};
}

}  // namespace

bool Type::is_number() const {
    switch (id) {
        case DUCKDB_TYPE_TINYINT:
        case DUCKDB_TYPE_SMALLINT:
        case DUCKDB_TYPE_INTEGER:
        case DUCKDB_TYPE_BIGINT:
        case DUCKDB_TYPE_HUGEINT:
        case DUCKDB_TYPE_UTINYINT:
        case DUCKDB_TYPE_USMALLINT:
        case DUCKDB_TYPE_UINTEGER:
        case DUCKDB_TYPE_UBIGINT:
        case DUCKDB_TYPE_UHUGEINT:
        case DUCKDB_TYPE_FLOAT:
        case DUCKDB_TYPE_DOUBLE:
        case DUCKDB_TYPE_DECIMAL:
            return true;
        default:
            return false;
    }
}

bool Type::is_nested() const {
    return json || id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_ARRAY || id == DUCKDB_TYPE_MAP ||
           id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_UNION;
}

Result<Type> read_type(const Api& api, duckdb_logical_type type) {
    Type out;
    out.id = api.get_type_id(type);
    const std::string alias = take_text(api, api.logical_type_get_alias(type));
    out.json = out.id == DUCKDB_TYPE_VARCHAR && alias == "JSON";
    TARN_TRY(read_parts(api, type, out));
    if (out.json) out.name = alias;
    return out;
}

}  // namespace tarn::duck
