// Gives a stream's events from the log's tail.
#pragma once

#include "lake/event_filter.h"
#include "lake/scan.h"
#include "log/reader.h"

namespace tarn::lake {

// Everything given must outlive it, and the view's pin must be held.
class TailCursor {
public:
    TailCursor(os::FileSystem& fs, const StreamView& view, const ScanOptions& options,
               const EventFilter& filter, ScanCounts& counts)
        : fs_(fs), view_(view), options_(options), filter_(filter), counts_(counts) {}

    Result<const event::StoredEvent*> next();

private:
    bool takes(const event::StoredEvent& event) const;
    Result<bool> next_record();
    Status damaged(Error error);
    Status report_gaps();
    std::optional<Error> missing_in(const log::Gap& gap) const;

    os::FileSystem& fs_;
    const StreamView& view_;
    const ScanOptions& options_;
    const EventFilter& filter_;
    ScanCounts& counts_;

    std::size_t next_extent_ = 0;
    std::size_t next_gap_ = 0;
    std::unique_ptr<log::Reader> reader_;
    log::RecordView record_;
    std::size_t next_event_ = 0;
};

}  // namespace tarn::lake
