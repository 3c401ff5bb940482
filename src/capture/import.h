// tarn import: source files become events, each record once however often it is run or killed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "capture/capture.h"
#include "capture/streams.h"

namespace tarn::capture {

// bad_usage when parts of the request contradict each other.
Status check_import(const ImportRequest& request);

// Blocks until done. `stream` has the request's name_pattern already. Errors: interrupted (stop), the log's
// own, and after everything else was imported, unreadable_source or truncated_archive naming the files that
// failed. The counts are reported in every case, last.
Result<ImportCounts> run_import(const Capture::Parts& parts, const Stream& stream,
                                const ImportRequest& request, const std::atomic<bool>& stop,
                                const std::function<void(const ImportCounts&)>& on_progress);

}  // namespace tarn::capture
