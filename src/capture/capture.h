// The front doors: bodies over HTTP and sources from disk become events in the log. What cannot be accepted
// goes to the stream's quarantine with its reason; nothing is lost and nothing is changed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/derive.h"
#include "log/log.h"
#include "net/http.h"
#include "os/clock.h"
#include "os/file_system.h"

namespace tarn::capture {

struct ImportRequest {
    std::string stream;
    std::vector<std::string> sources;  // files, directories, globs
    std::string format = "auto";       // auto | ndjson | json-array | file-per-event
    std::string records;               // dotted path of the array inside each document
    std::string name_pattern;          // overrides the stream's
    std::string key;                   // of all events; "": what the stream's mapping says
    bool again = false;                // import also what was imported before
    static Result<ImportRequest> from_json(const codec::Json& json);
    codec::Json to_json() const;
};

struct ImportCounts {
    std::uint64_t read = 0, accepted = 0, quarantined = 0, skipped = 0;  // read = the sum of the others
    std::uint64_t files = 0, files_total = 0, bytes = 0;
    std::uint64_t empty_lines = 0;
    std::uint64_t failed = 0;           // sources that could not be read, or not whole
    std::vector<Error> named_failures;  // the first of them, each with its source
};

// Thread-safe.
class Capture {
public:
    struct Parts {
        catalog::Catalog& catalog;
        log::Log& log;
        os::FileSystem& fs;
        os::Clock& clock;
    };
    static std::unique_ptr<Capture> make(Parts parts);
    virtual ~Capture() = default;

    // POST /v1/streams/{stream}/events with everything the contract says; answers when durable. Never blocks.
    virtual void post_events(const std::string& stream, net::Request request,
                             std::function<void(net::Response)> respond) = 0;

    // Reads the sources in name order; each record once however often it is run or killed, unless `again`.
    // Blocks; stops at a checkpoint when `stop` becomes true (error interrupted). Progress is called a few
    // times a second, and with the final counts before it returns, whatever it returns.
    virtual Result<ImportCounts> import(const ImportRequest& request, const std::atomic<bool>& stop,
                                        const std::function<void(const ImportCounts&)>& on_progress) = 0;

    // Events that a run sends into a stream: recognised by origin, marked tarnrun.
    virtual Result<log::Appended> append_replayed(const std::string& stream,
                                                  const std::vector<event::Incoming>& events,
                                                  const log::Origin& origin) = 0;
    // An event that a subscription derives from another: recognised by origin. Never blocks.
    virtual void append_derived(const std::string& stream, const event::Incoming& event,
                                const log::Origin& origin, std::function<void(Status)> done) = 0;
    // Tarn's own events into the system stream: type such as "stream.created", data as JSON.
    virtual Status record(std::string_view type, std::string_view subject, const codec::Json& data) = 0;
    // The same, once: an event of that origin which is there already is recognised.
    virtual Result<log::Appended> record_once(std::string_view type, std::string_view subject,
                                              const codec::Json& data, const log::Origin& origin) = 0;
    // Call when a stream was created, changed or deleted.
    virtual void forget_stream(std::string_view name) = 0;
};

}  // namespace tarn::capture
