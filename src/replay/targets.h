// The targets that there are, and how a run opens one. One file each: null_target.cc, file_target.cc,
// stream_target.cc, http_target.cc, projection_target.cc, function_target.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/hash.h"
#include "event/shapes.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "replay/replay.h"
#include "replay/selection.h"
#include "replay/target.h"

namespace tarn::replay {

enum class TargetKind : std::uint8_t { null, file, stream, http, projection, function };

// A target's text, understood: "null:", "file:PATH", "stream:NAME", "projection:NAME[,NAME…]",
// "function:NAME[,NAME…]", "http(s)://…".
struct TargetAddress {
    TargetKind kind = TargetKind::null;
    std::string place;  // path, stream name, projections, functions, URL

    // bad_target; not_built for targets of later versions. A file's path becomes absolute.
    static Result<TargetAddress> parse(std::string_view text);
    std::string text() const;
    std::vector<std::string> names() const;  // of projections or functions
};

// What a run tells its target about itself.
struct TargetRun {
    std::string run;  // its uid, which goes out as tarnrun
    event::Shape shape = event::Shape::cloudevents;
    std::optional<std::uint64_t> resume_mark;  // set when the run had opened the target before
};

// Counts, and hashes the payload hashes in order.
class NullTarget final : public Target {
public:
    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override;
    Status flush() override { return {}; }
    std::size_t max_batch() const override { return 1000; }
    std::size_t max_unsettled() const override { return 100'000; }
    bool reads_meta() const override { return false; }
    std::uint64_t events() const { return events_; }
    std::string finish_hash() { return hash_.finish_hex(); }

private:
    std::uint64_t events_ = 0;
    codec::Sha256 hash_;
};

// The line that stands in a file for an event; always one line, whatever the payload is. Verification writes
// it again.
void append_file_line(std::string& out, event::Shape shape, const event::StoredEvent& event,
                      const event::Meta& meta, std::string_view run);

// Before a plan: a run could make the file. bad_target, and denied where this process may not write. Creates
// nothing. `data_directory` is Tarn's own, which no run may write into.
Status check_file_place(os::FileSystem& fs, const std::string& path, const std::string& data_directory);
// bad_target when `path` holds something already. Creates nothing.
Status check_file_is_free(os::FileSystem& fs, const std::string& path);
Result<std::unique_ptr<Target>> open_file_target(os::FileSystem& fs, const std::string& path, TargetRun run);

std::unique_ptr<Target> make_stream_target(StreamAppend append, std::string stream, TargetRun run);

std::unique_ptr<Target> make_http_target(os::Clock& clock, std::string url, TargetRun run);

// One applier a feeder; streams tell which events are whose. An event counts as acknowledged when one applied
// it.
struct FeederTarget {
    std::string name;
    StreamId stream;
    std::unique_ptr<state::Applier> applier;
};
// `copy_begins_before`: the target is a copy whose base holds none of the plan's events, so that one found
// applied was applied by this very run before a crash, and counts as acknowledged.
std::unique_ptr<Target> make_projection_target(std::vector<FeederTarget> feeders, bool copy_begins_before);

// One function at work, for one subscription of it, or for the run as a whole.
struct FunctionRoute {
    FunctionInfo function;
    std::shared_ptr<void> copy_claim;  // ends after the processes that write the copy
    std::shared_ptr<FunctionAtWork> at_work;
    event::Shape shape = event::Shape::cloudevents;
    std::map<StreamId, std::string> streams;
    // Into a copy: the subscription, with what the copy has of it already. It takes events that a run had put
    // into the stream only when it says so, or when that run named it.
    std::optional<Feeder> feeder;
    bool takes_replayed = false;
    std::function<bool(std::string_view run)> is_named_by;
};
std::unique_ptr<ParallelTarget> make_function_target(std::vector<FunctionRoute> routes, TargetRun run);

}  // namespace tarn::replay
