// What an object may be called. Shared by all stores, so that a lake can move from one to another.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tarn::objects {

// Relative, parts separated by single slashes, none of them empty, "." or "..", made of [A-Za-z0-9._=~%+@-],
// at most 1024 bytes.
bool is_valid_object_name(std::string_view name);
Status check_object_name(std::string_view name);  // bad_object_name

}  // namespace tarn::objects
