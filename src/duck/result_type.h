// The types of a result as trees, named as SQL names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/api.h"

namespace tarn::duck {

// A logical type, taken apart once per result column.
struct Type {
    duckdb_type id = DUCKDB_TYPE_INVALID;
    duckdb_type storage = DUCKDB_TYPE_INVALID;  // of DECIMAL and ENUM: the integer that holds it
    std::string name;                           // as SQL writes it
    bool json = false;                          // a VARCHAR that carries the alias JSON
    int scale = 0;
    std::uint64_t array_size = 0;
    std::vector<Type> children;           // LIST, ARRAY: 1; MAP: key, value; STRUCT, UNION: members
    std::vector<std::string> names;       // of STRUCT and UNION members
    std::vector<std::string> dictionary;  // of ENUM

    bool is_number() const;
    bool is_nested() const;  // shown as JSON
};

// Does not take ownership of `type`. sql_invalid for a type whose values cannot be shown (BIT, BIGNUM,
// VARIANT …).
Result<Type> read_type(const Api& api, duckdb_logical_type type);

}  // namespace tarn::duck
