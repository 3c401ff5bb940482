// What of a stream a selection need not read, by the statistics of its objects. The chooser asks the same of
// every event, so that the result does not depend on what was skipped.
#pragma once

#include "replay/selection.h"

namespace tarn::replay {

lake::ScanOptions scan_options(const Selection& selection, const Source& source);

}  // namespace tarn::replay
