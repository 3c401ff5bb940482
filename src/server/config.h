// tarn.yaml: checked as a whole, compared with what is there, applied.
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "server/config_file.h"
#include "server/engine.h"

namespace tarn::server {

// Checks the file by itself: keys, values, patterns, SQL, and that projections name streams and stores which
// it declares. All mistakes are one bad_config error: the first in the file with its place, the others in its
// excerpt, each with line and column. not_built when all that is wrong comes with a later version.
Result<ConfigFile> validate_config(const std::string& text, const std::string& file_name);

// One thing that applying would do or did.
struct Change {
    std::string what;  // "stream", "store", "projection"
    std::string name;
    std::string action;  // "create", "change", "none"
    std::string detail;
    codec::Json to_json() const;
};

// The same checks, with the streams, stores and projections that are there, and against what cannot be
// changed (partitions). Only when all of the file can be done, and with `apply`, anything is. Relative paths
// of the file (code of functions) are below `directory`.
Result<std::vector<Change>> apply_config(Engine& engine, const std::string& text,
                                         const std::string& file_name, bool apply,
                                         const std::string& directory = ".");

}  // namespace tarn::server
