// POST events: a body becomes one log batch, or is refused as a whole.
#pragma once

#include <functional>
#include <memory>

#include "capture/streams.h"
#include "log/log.h"
#include "net/http.h"
#include "os/clock.h"

namespace tarn::capture {

// More events in one request are refused (413): an event costs memory besides its bytes.
inline constexpr std::size_t max_events_per_request = 250'000;

// Cuts and derives on the calling thread, then hands over to the log; `respond` runs once, on the log's
// writer thread or at once. Thread-safe.
void post_events(log::Log& log, os::Clock& clock, const std::shared_ptr<const Stream>& stream,
                 net::Request request, std::function<void(net::Response)> respond);

}  // namespace tarn::capture
