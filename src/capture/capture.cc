#include "capture/capture.h"

#include <fmt/core.h>

#include <chrono>
#include <map>
#include <mutex>

#include "capture/batch_builder.h"
#include "capture/import.h"
#include "capture/post.h"
#include "capture/streams.h"

namespace tarn::capture {
namespace {

constexpr std::string_view system_stream = "_tarn";

class FrontDoors final : public Capture {
public:
    explicit FrontDoors(Parts parts) : parts_(parts), streams_(parts.catalog) {}

    void post_events(const std::string& stream, net::Request request,
                     std::function<void(net::Response)> respond) override {
        const auto found = writable_stream(stream);
        if (!found) return respond(net::error_response(found.error()));
        capture::post_events(parts_.log, parts_.clock, *found, std::move(request), std::move(respond));
    }

    Result<ImportCounts> import(const ImportRequest& request, const std::atomic<bool>& stop,
                                const std::function<void(const ImportCounts&)>& on_progress) override {
        TARN_TRY(check_import(request));
        TARN_ASSIGN(auto stream, writable_stream(request.stream));
        if (!request.name_pattern.empty()) {
            catalog::StreamInfo info = stream->info;
            info.settings.name_pattern = request.name_pattern;
            TARN_ASSIGN(stream, make_stream(std::move(info)));
        }
        // Two imports that read the same file at once would each not know what the other has under way.
        const auto mutex = import_mutex(stream->info.id);
        std::unique_lock turn(*mutex, std::defer_lock);
        while (!turn.try_lock_for(std::chrono::milliseconds(100)))
            if (stop)
                return fail(Code::interrupted, "stopped while another import into the stream was running");
        return run_import(parts_, *stream, request, stop, on_progress);
    }

    Result<log::Appended> append_replayed(const std::string& stream,
                                          const std::vector<event::Incoming>& events,
                                          const log::Origin& origin) override {
        TARN_ASSIGN(const auto found, writable_stream(stream));
        if (events.empty())
            return fail(Code::empty_body, fmt::format("nothing to replay into stream {}", stream));
        BatchBuilder builder(BatchBuilder::Payloads::viewed);
        const Partition keyless = found->keyless_partition();
        for (std::size_t i = 0; i < events.size(); ++i) {
            auto derived = found->deriver->derive(events[i]);
            if (!derived) return not_replayable(std::move(derived.error()), i, events.size());
            builder.add(*found, std::move(*derived), events[i].payload, keyless);
        }
        return parts_.log.append(builder.finish(found->info.id, origin));
    }

    void append_derived(const std::string& stream, const event::Incoming& event, const log::Origin& origin,
                        std::function<void(Status)> done) override {
        const auto found = writable_stream(stream);
        if (!found) return done(fail(found.error()));
        auto derived = (*found)->deriver->derive(event);
        if (!derived) return done(fail(derived.error()));
        BatchBuilder builder(BatchBuilder::Payloads::viewed);
        builder.add(**found, std::move(*derived), event.payload, (*found)->keyless_partition());
        parts_.log.submit(builder.finish((*found)->info.id, origin),
                          [done = std::move(done)](const Result<log::Appended>& appended) {
                              done(appended ? Status() : fail(appended.error()));
                          });
    }

    Status record(std::string_view type, std::string_view subject, const codec::Json& data) override {
        TARN_TRY(record_once(type, subject, data, {}));
        return {};
    }

    Result<log::Appended> record_once(std::string_view type, std::string_view subject,
                                      const codec::Json& data, const log::Origin& origin) override {
        TARN_ASSIGN(const auto stream, streams_.find(std::string(system_stream)));
        const Time now = parts_.clock.now();
        codec::Json event = codec::Json::object();
        event.set("specversion", "1.0")
            .set("id", fmt::format("{}-{}-{}", type, now.us, recorded_.fetch_add(1)))
            .set("source", "/tarn")
            .set("type", type);
        if (!subject.empty()) event.set("subject", subject);
        event.set("time", format_rfc3339(now)).set("datacontenttype", "application/json").set("data", data);
        const std::string payload = event.dump();

        event::Incoming incoming;
        incoming.payload = payload;
        incoming.structured = true;
        TARN_ASSIGN(auto derived, stream->deriver->derive(incoming));
        BatchBuilder builder(BatchBuilder::Payloads::viewed);
        builder.add(*stream, std::move(derived), payload, 0);
        log::Batch batch = builder.finish(stream->info.id, origin);
        batch.essential = true;
        return parts_.log.append(batch);
    }

    void forget_stream(std::string_view name) override { streams_.forget(name); }

private:
    Result<std::shared_ptr<const Stream>> writable_stream(const std::string& name) {
        TARN_TRY(refuse_system_stream(name));
        return streams_.find(name);
    }

    static Failure not_replayable(Error error, std::size_t index, std::size_t count) {
        error.message =
            fmt::format("event {} of {} is not accepted by the stream: {}", index + 1, count, error.message);
        return fail(std::move(error));
    }

    std::shared_ptr<std::timed_mutex> import_mutex(StreamId stream) {
        const std::lock_guard lock(imports_mutex_);
        auto& mutex = imports_[stream];
        if (mutex == nullptr) mutex = std::make_shared<std::timed_mutex>();
        return mutex;
    }

    Parts parts_;
    StreamCache streams_;
    std::atomic<std::uint64_t> recorded_{0};
    std::mutex imports_mutex_;
    std::map<StreamId, std::shared_ptr<std::timed_mutex>> imports_;
};

}  // namespace

std::unique_ptr<Capture> Capture::make(Parts parts) { return std::make_unique<FrontDoors>(parts); }

}  // namespace tarn::capture
