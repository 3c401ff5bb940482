// A test as JSON, the way it would stand in a pattern. Compiling it again gives the same test (the spelling
// of addresses and escapes may differ).
#pragma once

#include <string>

#include "pattern/rule.h"

namespace tarn::pattern {

std::string test_text(const Test& test);
std::string address_text(const Address& address);

}  // namespace tarn::pattern
