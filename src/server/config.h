// tarn.yaml: read with line and column, checked against the keys that exist, compared with what is there,
// applied.
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "server/engine.h"

namespace tarn::server {

// The file as JSON. Unknown keys are bad_config errors with line, column and the nearest known key; so are
// duplicate keys. Scalars that YAML would read as numbers or booleans stay what JSON calls them; everything
// else is text.
Result<codec::Json> parse_config(const std::string& text, const std::string& file_name);

// One thing that applying would do or did.
struct Change {
    std::string what;  // "stream", "store", "projection"
    std::string name;
    std::string action;  // "create", "change", "none"
    std::string detail;
    codec::Json to_json() const;
};

// Compares with what is there; with `apply` also carries it out. Refuses what cannot be changed (partitions).
Result<std::vector<Change>> apply_config(Engine& engine, const codec::Json& config, bool apply);

}  // namespace tarn::server
