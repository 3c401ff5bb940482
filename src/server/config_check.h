// What is wrong with a tarn.yaml, each mistake with its place in the file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/config_file.h"
#include "state/state.h"

namespace tarn::server {

// What a file may name without declaring it.
struct KnownThings {
    std::vector<std::string> streams, stores, functions;
    std::vector<std::string> targets, programs;  // declared targets; those of them that are programs
    std::map<std::string, state::ProjectionSpec> projections;
    std::map<std::string, std::string> fed_by_functions;  // store → one of its functions
};

// All mistakes in the values of the file. Its keys were checked when it was read.
std::vector<Error> config_mistakes(const ConfigFile& file, const KnownThings& known);

// The error of several: the first in the file's order, with the others listed in its excerpt. There must be
// one.
Error as_one_error(std::vector<Error> mistakes, const std::string& file_name);

// A stream's block may be nothing at all.
codec::Json stream_block(const codec::Json& block);

}  // namespace tarn::server
