// Gathers the events of one request, or of one stretch of an import, into a log batch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "capture/streams.h"
#include "log/log.h"

namespace tarn::capture {

// A quarantined payload is kept in full up to here; beyond, its beginning is kept and the reason says how
// long it was.
inline constexpr std::size_t max_quarantined_bytes = 64u << 20;

// Single-threaded. Reusable: clear() keeps the memory.
class BatchBuilder {
public:
    // `viewed`: payloads must live until the batch was submitted. `copied`: they are copied at once.
    enum class Payloads { viewed, copied };
    explicit BatchBuilder(Payloads payloads) : payloads_(payloads) {}

    // `keyless` is the partition of events without a key.
    void add(const Stream& stream, event::Derived&& derived, std::string_view payload, Partition keyless);
    void add_quarantined(const Error& error, std::string_view payload, std::string_view source_name, Time at);

    // The batch with everything added so far; its views die with the next call that changes the builder.
    const log::Batch& finish(StreamId stream, log::Origin origin);
    void clear();

    std::size_t size() const { return batch_.entries.size(); }
    std::size_t quarantined() const { return quarantined_; }
    std::size_t payload_bytes() const { return payload_bytes_; }

private:
    void append(log::Entry entry, std::string meta);

    Payloads payloads_;
    log::Batch batch_;
    std::vector<std::string> metas_;  // one an entry; entries point here only after finish
    std::string copies_;              // payloads one after the other
    std::size_t payload_bytes_ = 0;
    std::size_t quarantined_ = 0;
};

}  // namespace tarn::capture
