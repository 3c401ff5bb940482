// Tarn's own small runtimes, as text: handler(event, context) in plain Python 3 and Node. The files are
// bootstrap.py and bootstrap.mjs beside this one; the build makes them part of the binary.
#pragma once

#include <string_view>

namespace tarn::functions {

extern const std::string_view python_bootstrap;
extern const std::string_view node_bootstrap;

}  // namespace tarn::functions
