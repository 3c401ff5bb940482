// The targets that there are, and how a run opens one. One file each: null_target.cc, file_target.cc,
// stream_target.cc, http_target.cc, exec_target.cc, projection_target.cc, function_target.cc,
// via_target.cc.
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
#include "net/address_rule.h"
#include "net/http.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "replay/replay.h"
#include "replay/selection.h"
#include "replay/target.h"
#include "replay/target_spec.h"

namespace tarn::replay {

// declared: a service or a program that tarn.yaml names (target_spec.h).
enum class TargetKind : std::uint8_t { null, file, stream, http, projection, function, exec, declared };

// A target's text, understood: "null:", "file:PATH", "stream:NAME", "projection:NAME[,NAME…]",
// "function:NAME[,NAME…]", "http(s)://…", "exec:PROGRAM ARGS", "target:NAME".
struct TargetAddress {
    TargetKind kind = TargetKind::null;
    std::string place;  // path, stream name, projections, functions, URL, command line, name

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

// How a service is spoken to. The secrets are the bytes themselves.
struct HttpSettings {
    std::string url;
    HttpMode mode = HttpMode::automatic;
    std::size_t batch = 100;
    std::size_t connections = 16;
    std::int64_t timeout_us = 30'000'000;
    std::string secret;  // requests are signed with it; "" = not
    net::Headers headers;
    net::AddressRule addresses = net::AddressRule::no_private_networks;
    bool is_idempotent = false;
};
// Of a declaration, with its secrets read.
Result<HttpSettings> http_settings(os::FileSystem& fs, const TargetSpec& spec);
// Mode automatic becomes batched when the service says with `Accept-Post`, asked by OPTIONS, that it takes
// application/cloudevents-batch+json; else, also when it does not answer, structured.
HttpMode ask_for_mode(const HttpSettings& settings);
std::unique_ptr<ParallelTarget> make_http_target(os::Clock& clock, HttpSettings settings, TargetRun run);
// As a bare URL is spoken to.
inline std::unique_ptr<ParallelTarget> make_http_target(os::Clock& clock, std::string url, TargetRun run) {
    return make_http_target(clock, HttpSettings{.url = std::move(url), .secret = {}, .headers = {}},
                            std::move(run));
}

struct ProgramSettings {
    std::vector<std::string> command;
    std::string directory;  // "" = ours
    std::size_t batch = 100;
    std::int64_t timeout_us = 30'000'000;
    bool is_idempotent = false;
};
Result<std::unique_ptr<ParallelTarget>> open_exec_target(ProgramSettings settings, TargetRun run);

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

// A function on the way to another target: that one gets what the function makes of an event, with the
// event's own attributes and idempotency key.
struct Via {
    FunctionInfo function;
    std::shared_ptr<FunctionAtWork> at_work;
    std::map<StreamId, std::string> streams;
};
std::unique_ptr<Target> make_via_target(os::Clock& clock, Via via, std::unique_ptr<Target> end,
                                        const TargetRun& run);

}  // namespace tarn::replay
