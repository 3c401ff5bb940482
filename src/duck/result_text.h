// Reads results of the engine: chunks as views, values as exact texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "duck/result_type.h"

namespace tarn::duck {

// The memory of one vector and of those below it. Dies with its chunk.
struct VectorView {
    VectorView(const Api& api, const Type& type, duckdb_vector vector);
    bool is_null(std::uint64_t row) const {
        return validity != nullptr && (validity[row / 64] >> (row % 64) & 1) == 0;
    }

    const Api& api;
    const Type& type;
    void* data;
    const std::uint64_t* validity;
    std::vector<VectorView> children;  // MAP: key, value; UNION: its tag before the members
};

// Appends the text of a value that is not NULL. JSON is written on one line: its line ends, which can only
// stand between tokens, become spaces.
void append_text(std::string& out, const VectorView& view, std::uint64_t row);
// The same as a JSON value, NULL included.
void append_json(std::string& out, const VectorView& view, std::uint64_t row);

}  // namespace tarn::duck
