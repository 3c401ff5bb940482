#include "server/engine.h"

#include <fmt/core.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>

#include "lake/baseline.h"
#include "os/real_file_system.h"
#include "server/refused_events.h"

namespace tarn::server {

// Three loops: one rolls what is due, one feeds projections when something new is durable, one takes
// snapshots.
class Engine::Background {
public:
    explicit Background(Engine& engine) : engine_(engine) {
        roller_ = std::thread([this] { roll(); });
        feeder_ = std::thread([this] { feed(); });
        keeper_ = std::thread([this] { keep_snapshots(); });
    }
    ~Background() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        roller_.join();
        feeder_.join();
        keeper_.join();
    }
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

private:
    static constexpr std::int64_t longest_wait_us = 1'000'000;
    static constexpr std::int64_t feed_wait_us = 100'000;

    // False when it is time to end.
    bool wait_us(std::int64_t us) {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, std::chrono::microseconds(us), [this] { return stopping_; });
        return !stopping_;
    }

    void roll() {
        std::int64_t wait = longest_wait_us;
        while (wait_us(std::clamp<std::int64_t>(wait, 10'000, longest_wait_us))) {
            const auto due = engine_.lake().roll_due();
            if (!due) complain("rolling the log", due.error());
            wait = due ? *due : longest_wait_us;
        }
    }

    void feed() {
        Sequence fed = 0;
        do {  // the first time at once: what is wrong with a store is said by every server that starts
            const Sequence end = engine_.log().durable_end();
            if (end == fed) continue;
            const auto done = engine_.state().catch_up();
            if (!done) complain("feeding projections", done.error());
            if (done || done.error().code == Code::store_damaged) fed = end;
        } while (wait_us(feed_wait_us));
    }

    void keep_snapshots() {
        std::int64_t wait = 0;
        while (wait_us(std::clamp<std::int64_t>(wait, 10'000, longest_wait_us))) {
            auto round = engine_.state().take_due_snapshots();
            wait = round ? round->wait_us : longest_wait_us;
            const Status kept = round ? record_round(*round) : fail(std::move(round.error()));
            if (!kept) complain("taking snapshots", kept.error());
        }
    }

    Status record_round(const state::ScheduledRound& round) {
        for (const auto& info : round.taken)
            TARN_TRY(engine_.record("snapshot.created", info.id, info.to_json()));
        for (const auto& id : round.deleted)
            TARN_TRY(engine_.record("snapshot.deleted", id, codec::Json::object({{"snapshot", id}})));
        for (const auto& [store, error] : round.failed) {
            complain(fmt::format("snapshot of {}", store).c_str(), error);
            const auto data = codec::Json::object({{"store", store}, {"error", error.text()}});
            TARN_TRY(engine_.record("snapshot.failed", store, data));
        }
        return {};
    }

    // Says each new trouble once, so that a full disk does not fill the terminal too.
    void complain(const char* during, const Error& error) {
        const std::string text = fmt::format("tarn: {}: {}", during, error.text());
        const std::lock_guard lock(mutex_);
        if (text == last_complaint_) return;
        last_complaint_ = text;
        (void)std::fwrite((text + "\n").c_str(), 1, text.size() + 1, stderr);  // fmt::print would throw
    }

    Engine& engine_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::string last_complaint_;
    std::thread roller_, feeder_, keeper_;
};

Result<std::unique_ptr<Engine>> Engine::open(EngineOptions options) {
    std::unique_ptr<Engine> engine(new Engine());
    engine->options_ = std::move(options);
    TARN_TRY(engine->open_parts());
    return engine;
}

namespace {

std::string absolute(const std::string& path) {
    std::error_code problem;
    const auto whole = std::filesystem::absolute(path, problem);
    return problem ? path : whole.lexically_normal().string();
}

}  // namespace

Status Engine::open_parts() {
    fs_ = os::make_real_file_system();
    clock_ = os::make_real_clock();
    rng_ = os::make_real_rng();
    TARN_ASSIGN(directory_, DataDirectory::take(*fs_, *clock_, *rng_, options_.directory, options_.command));
    TARN_TRY(require_catalog(*fs_, *directory_));
    TARN_ASSIGN(catalog_, catalog::Catalog::open(directory_->file("catalog.db")));
    TARN_TRY(open_log());
    store_ = objects::make_local_object_store(*fs_, directory_->file("lake"));
    TARN_ASSIGN(lake_, lake::Lake::open(*catalog_, *log_, *store_, *fs_, *clock_));
    capture_ = capture::Capture::make({*catalog_, *log_, *fs_, *clock_});
    TARN_ASSIGN(const std::string sender, directory_->id());
    processing_ = std::make_unique<Processing>(Processing::Parts{
        *catalog_, *lake_, *log_, *fs_, *clock_, *rng_, options_.program, absolute(directory_->path()), bell_,
        [this](const process::DerivedEvent& event, std::function<void(Status)> done) {
            append_derived(event, std::move(done));
        },
        sender,
        [this](std::string_view run, const auto& name) { return replay_ && replay_->run_names(run, name); }});
    // What projections refused has groups too, which the stores know.
    run_functions_ = std::make_unique<RunFunctions>(
        *processing_, [this](const std::string& group) -> Result<std::vector<Position>> {
            TARN_ASSIGN(const auto refused, refused_groups(*this, RefusedSelection{.group = group}));
            std::vector<Position> positions;
            for (const RefusedGroup& each : refused)
                for (const state::FailedEvent& event : each.events) positions.push_back(event.position);
            return positions;
        });
    feeders_ = std::make_unique<StoreFeeders>(*processing_);
    TARN_ASSIGN(state_, state::State::open(
                            {*catalog_, *lake_, *clock_, *fs_, directory_->file("stores"), feeders_.get()}));
    query_ = query::QueryService::make(*lake_, *catalog_, options_.program, options_.serving);
    TARN_ASSIGN(replay_,
                replay::Replay::open(
                    {*catalog_, *lake_, *query_, *state_, *fs_, *clock_, *rng_, directory_->file("jobs"),
                     [this](const std::string& stream, const auto& batch, const auto& origin,
                            const std::string& run) { return append_replayed(stream, batch, origin, run); },
                     run_functions_.get(), !options_.serving}));
    jobs_ = std::make_unique<Jobs>(*catalog_, *clock_);
    TARN_TRY(finish_corrections());
    return state_->finish_replacements();
}

// The catalog is made before the log and the lake: where these are, one without content was not.
Status require_catalog(os::FileSystem& fs, const DataDirectory& directory) {
    TARN_ASSIGN(const auto catalog, fs.stat(directory.file("catalog.db")));
    if (catalog && catalog->size > 0) return {};
    for (const char* name : {"wal", "lake", "stores", "jobs"}) {
        TARN_ASSIGN(const auto there, fs.stat(directory.file(name)));
        if (!there) continue;
        return fail(
            Code::data_missing,
            fmt::format("{} is {}, but {}/ is there; nothing was changed", directory.file("catalog.db"),
                        catalog ? "empty" : "missing", name),
            {.next = "put catalog.db, and catalog.db-wal where there was one, back from a copy of the "
                     "data directory, then start again"});
    }
    return {};
}

// Damage must not hide what is still good: it is served for reading.
Status Engine::open_log() {
    TARN_ASSIGN(const log::Baseline baseline, lake::baseline_of(*catalog_));
    auto opened = log::Log::open(*fs_, *clock_, directory_->file("wal"), baseline);
    if (!opened && opened.error().code == Code::log_corrupt)
        opened = log::Log::open_damaged(*fs_, directory_->file("wal"), baseline, opened.error());
    if (!opened) return fail(std::move(opened.error()));
    log_ = std::move(*opened);
    log_->on_durable([bell = bell_](Sequence) { bell->ring(); });
    return {};
}

std::string Engine::opening_note() const {
    if (const auto damage = log_->damage())
        return fmt::format(
            "tarn: {}\n  projections are not fed and the audit trail is not written\n  next: {}",
            damage->text(), damage->next);
    const log::Recovery& recovery = log_->recovery();
    if (recovery.torn_bytes == 0) return "";
    return fmt::format(
        "recovered: {} events in the log; an unfinished write of {} at {} was cut off (nothing acknowledged "
        "was "
        "in it)",
        format_count(recovery.events), format_bytes(recovery.torn_bytes), recovery.torn_at);
}

Engine::~Engine() {
    if (jobs_) jobs_->stop_all();
    stop_background();
}

void Engine::start_background() {
    if (!log_->damage()) background_ = std::make_unique<Background>(*this);
}
void Engine::stop_background() { background_.reset(); }

Status Engine::catch_up() {
    if (log_->damage()) return {};
    auto fed = state_->catch_up();
    if (fed || fed.error().code == Code::store_damaged) return {};
    return fail(std::move(fed.error()));
}

Status Engine::record(std::string_view type, std::string_view subject, const codec::Json& data) {
    if (log_->damage()) return {};
    return capture_->record(type, subject, data);
}

// It has the original's identity, time and key, and says in tarnorigin what that was.
void Engine::append_derived(const process::DerivedEvent& derived, std::function<void(Status)> done) {
    const auto to = catalog_->stream(derived.to);
    if (!to) return done(fail(to.error()));
    event::StoredEvent original;
    original.position = derived.original;
    original.sequence = derived.sequence;
    original.ingested = Time{derived.ingested_us};
    original.meta = derived.meta;
    event::MetaReader reader;
    const event::Meta& meta = reader.read(original, derived.from);
    event::Incoming incoming;
    incoming.payload = derived.payload;
    incoming.binary_attributes = {{"specversion", "1.0"},
                                  {"id", std::string(meta.id)},
                                  {"source", std::string(meta.source)},
                                  {"type", std::string(meta.type)},
                                  {"time", std::string(meta.time_text)},
                                  {"tarnorigin", fmt::format("{} {}", derived.from,
                                                             event::position_text(derived.original.partition,
                                                                                  derived.original.offset))}};
    if (meta.subject) incoming.binary_attributes.emplace_back("subject", *meta.subject);
    if (meta.key) incoming.key = std::string(*meta.key);
    const log::Origin origin{.producer = fmt::format("derived:{}:{}:{}{:x}", derived.subscription,
                                                     to->id.value, derived.keyed ? "k" : "s", derived.lane),
                             .sequence = derived.sequence};
    capture_->append_derived(derived.to, incoming, origin, std::move(done));
}

// First the intent, then the event, then where it stands: after a crash in between, opening goes on.
Status Engine::correct(const process::DeadLetter& letter) {
    auto correction = lake::Correction::make(letter.position, *letter.edited);
    TARN_ASSIGN(const auto known, catalog_->document(lake::correction_kind, correction.id()));
    const codec::Json body = correction.to_json();
    if (known && known->body["payload_base64"] == body["payload_base64"])
        return known->body["event"].as_string().empty() ? write_correction(*known) : Status();
    catalog::Document document{lake::correction_kind, correction.id(), clock_->now(), body};
    document.body.set("number", known ? known->body["number"].as_uint() + 1 : 1);
    document.body.set("subscription", letter.subscription).set("group", letter.group);
    TARN_TRY(catalog_->put_document(document));
    return write_correction(document);
}

Status Engine::write_correction(const catalog::Document& document) {
    if (const auto damage = log_->damage()) return fail(*damage);
    TARN_ASSIGN(auto correction, lake::Correction::from_json(document.body));
    TARN_ASSIGN(const auto info, catalog_->stream(correction.original.stream));
    TARN_ASSIGN(const auto original, lake_->get(correction.original));
    const std::string place = fmt::format("{} {}", info.name, document.body["position"].as_string());
    codec::Json data = codec::Json::object({{"replaces", place},
                                            {"stream_id", std::uint64_t{info.id.value}},
                                            {"sequence", original.event.sequence},
                                            {"original_hash", original.event.hash.hex()},
                                            {"hash", correction.hash.hex()},
                                            {"subscription", document.body["subscription"]},
                                            {"group", document.body["group"]}});
    if (codec::is_valid_utf8(correction.payload))
        data.set("payload", correction.payload);
    else
        data.set("payload_base64", document.body["payload_base64"]);
    const log::Origin origin{.producer = "correction:" + document.id,
                             .sequence = document.body["number"].as_uint()};
    TARN_ASSIGN(const auto appended, capture_->record_once("dead_letter.corrected", place, data, origin));
    if (appended.ranges.empty()) return fail(Code::internal, "the log did not say where the event stands");
    catalog::Document done = document;
    correction.event = event::position_text(appended.ranges[0].partition, appended.ranges[0].first);
    done.body.set("event", correction.event);
    TARN_TRY(catalog_->put_document(done));
    lake_->corrections().put(std::move(correction));
    return {};
}

Status Engine::finish_corrections() {
    if (log_->damage()) return {};
    TARN_ASSIGN(const auto documents, catalog_->documents(lake::correction_kind));
    for (const auto& document : documents) {
        if (!document.body["event"].as_string().empty()) continue;
        const Status written = write_correction(document);
        // Its stream is gone, or the disk is full: it is not in effect, and nothing else waits for it.
        if (!written && written.error().kind == ErrorKind::corrupt) return fail(written.error());
    }
    return {};
}

namespace {

using AttributeTexts = std::vector<std::pair<std::string, std::string>>;

// Extensions that came with it, as headers or otherwise.
void add_extensions(const event::Meta& meta, AttributeTexts& attributes) {
    const auto all = codec::Json::parse(meta.attributes);
    if (!all) return;
    for (const auto& [name, value] : all->members()) {
        const bool is_there =
            std::ranges::any_of(attributes, [&](const auto& one) { return one.first == name; });
        if (!is_there && name != "datacontenttype" && !name.starts_with("tarn"))
            attributes.emplace_back(name, value.is_string() ? value.as_string() : value.dump());
    }
}

// The event as it goes into another stream: the same payload bytes; its attributes, unless the payload holds
// them, beside them, and the run that sent it.
event::Incoming replayed(const replay::Outgoing& out, const std::string& run) {
    event::Incoming incoming;
    incoming.payload = out.event.payload;
    if (out.meta.format == event::Format::json || out.meta.format == event::Format::bytes) {
        incoming.binary_attributes = {{"specversion", "1.0"},
                                      {"id", std::string(out.meta.id)},
                                      {"source", std::string(out.meta.source)},
                                      {"type", std::string(out.meta.type)},
                                      {"time", std::string(out.meta.time_text)}};
        if (out.meta.subject) incoming.binary_attributes.emplace_back("subject", *out.meta.subject);
        add_extensions(out.meta, incoming.binary_attributes);
        if (out.meta.content_type) incoming.content_type = *out.meta.content_type;
        incoming.opaque = out.meta.format == event::Format::bytes;
    }
    incoming.extensions = {{"tarnrun", run}, {"tarnattempt", std::to_string(out.attempt)}};
    if (out.meta.key) incoming.key = std::string(*out.meta.key);
    return incoming;
}

}  // namespace

Result<log::Appended> Engine::append_replayed(const std::string& stream,
                                              const std::vector<replay::Outgoing>& batch,
                                              const log::Origin& origin, const std::string& run) {
    std::vector<event::Incoming> events;
    events.reserve(batch.size());
    for (const auto& out : batch) events.push_back(replayed(out, run));
    return capture_->append_replayed(stream, events, origin);
}

}  // namespace tarn::server
