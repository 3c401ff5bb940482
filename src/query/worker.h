// The worker's side of a query, apart from its process: what query_worker_main does between its pipes.
#pragma once

#include <functional>
#include <string_view>

#include "duck/duck.h"
#include "os/file_system.h"
#include "query/wire.h"

namespace tarn::query {

// Where the library stands: TARN_DUCKDB when given, else beside the program.
std::string library_path(std::string_view program);

// Answers `request` with frames through `write`. An error of the query is part of the answer; the status is
// about `write`. `engine` is used up: it gets the request's tables and is locked.
Status serve_query(const WorkerRequest& request, duck::Engine& engine, os::FileSystem& fs,
                   const std::function<Status(std::string_view)>& write);

}  // namespace tarn::query
