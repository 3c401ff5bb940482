// Dead letters with the same cause belong together: same subscription, error type, place in the code and
// version; ids, numbers and quoted values in the message do not make a cause of their own.
#pragma once

#include <string>
#include <string_view>

#include "process/lanes.h"

namespace tarn::process {

// The message with what differs from event to event replaced by `*`.
std::string without_particulars(std::string_view message);
// "dg-" and eight hexadecimal digits.
std::string cause_of(std::string_view subscription, const Attempt& attempt);

}  // namespace tarn::process
