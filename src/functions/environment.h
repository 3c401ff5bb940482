// The environment of a function's process: as Lambda sets it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "functions/function_spec.h"

namespace tarn::functions {

// NAME=value, complete. What the declaration names comes last and wins.
std::vector<std::string> environment_of(const FunctionSpec& spec, const std::string& version,
                                        const std::string& instance, std::uint16_t port);

// True for names that are Tarn's to set: another value would cut the function off from its host.
bool is_reserved_variable(std::string_view name);

}  // namespace tarn::functions
