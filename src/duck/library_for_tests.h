// Where tests find libduckdb.so: TARN_DUCKDB, beside the test, or in .deps of the checkout that the test was
// built in.
#pragma once

#include <cstdlib>
#include <string>

#include "os/file_system.h"
#include "os/process.h"
#include "os/real_file_system.h"

namespace tarn::duck {

inline std::string library_for_tests() {
    if (const char* given = std::getenv("TARN_DUCKDB")) return given;
    const auto fs = os::make_real_file_system();
    for (std::string directory = os::parent_of(os::self_path()); directory.size() > 1;
         directory = os::parent_of(directory))
        for (const char* place : {"libduckdb.so", ".deps/duckdb/libduckdb.so"}) {
            std::string path = os::join(directory, place);
            if (const auto found = fs->stat(path); found && *found) return path;
        }
    return "libduckdb.so";
}

}  // namespace tarn::duck
