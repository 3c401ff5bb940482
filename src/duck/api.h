// DuckDB's C API as a table of function pointers, filled by dlopen. Only files of this folder include it.
//
// The names and types are those of the vendored header (1.5.6). 2.0 changes none of them and removes nothing,
// so either library fits; a library that lacks one of them is refused by name.
#pragma once

#include <string>

#include "base/result.h"
#include "duckdb/duckdb.h"

// clang-format off
#define TARN_DUCK_FUNCTIONS(X)                                                                             \
    /* database */                                                                                         \
    X(library_version) X(create_config) X(set_config) X(destroy_config) X(open_ext) X(close)               \
    X(connect) X(disconnect) X(free) X(query) X(destroy_result)                                            \
    /* statements and results */                                                                           \
    X(extract_statements) X(extract_statements_error) X(destroy_extracted) X(prepare_extracted_statement)  \
    X(prepare_error) X(prepared_statement_type) X(nparams) X(destroy_prepare)                              \
    X(execute_prepared_streaming) X(fetch_chunk) X(result_error) X(result_error_type)                      \
    X(column_count) X(column_name) X(column_logical_type)                                                  \
    /* types */                                                                                            \
    X(create_logical_type) X(destroy_logical_type) X(logical_type_set_alias) X(logical_type_get_alias)     \
    X(get_type_id) X(decimal_width) X(decimal_scale) X(decimal_internal_type)                              \
    X(enum_internal_type) X(enum_dictionary_size) X(enum_dictionary_value)                                 \
    X(list_type_child_type) X(array_type_child_type) X(array_type_array_size)                              \
    X(map_type_key_type) X(map_type_value_type)                                                            \
    X(struct_type_child_count) X(struct_type_child_name) X(struct_type_child_type)                         \
    X(union_type_member_count) X(union_type_member_name) X(union_type_member_type)                         \
    /* chunks and vectors */                                                                               \
    X(vector_size) X(data_chunk_get_size) X(data_chunk_set_size) X(data_chunk_get_vector)                  \
    X(destroy_data_chunk) X(vector_get_data) X(vector_get_validity) X(vector_ensure_validity_writable)     \
    X(vector_assign_string_element_len) X(validity_set_row_invalid)                                        \
    X(list_vector_get_child) X(array_vector_get_child) X(struct_vector_get_child) X(from_time_tz)          \
    /* table functions */                                                                                  \
    X(create_table_function) X(destroy_table_function) X(register_table_function)                          \
    X(table_function_set_name) X(table_function_set_extra_info) X(table_function_set_bind)                 \
    X(table_function_set_init) X(table_function_set_function)                                              \
    X(table_function_supports_projection_pushdown)                                                         \
    X(bind_get_extra_info) X(bind_add_result_column) X(bind_set_error)                                     \
    X(init_get_extra_info) X(init_set_init_data) X(init_get_column_count) X(init_get_column_index)         \
    X(init_set_max_threads) X(init_set_error)                                                              \
    X(function_get_init_data) X(function_set_error)
// clang-format on

namespace tarn::duck {

struct Api {
#define TARN_DUCK_MEMBER(name) decltype(&::duckdb_##name) name = nullptr;
    TARN_DUCK_FUNCTIONS(TARN_DUCK_MEMBER)
#undef TARN_DUCK_MEMBER
};

// Loads each path once; a process uses one. A library is never unloaded, because its threads may outlive any
// database. query_engine when it is absent, no DuckDB, or of an unknown major version.
Result<const Api*> load_api(const std::string& library_path);

}  // namespace tarn::duck
