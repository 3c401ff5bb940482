#include "log/log.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "codec/hash.h"
#include "log/pending.h"
#include "log/pins.h"
#include "log/segment_files.h"
#include "os/thread_priority.h"

namespace tarn::log {
namespace {

constexpr std::uint64_t first_segment_bytes = 4 << 20;
constexpr std::uint64_t smallest_segment_bytes = 16 << 10;
constexpr std::int64_t space_check_us = 1'000'000;
constexpr std::uint64_t space_check_bytes = 8 << 20;

class LogImpl final : public Log {
public:
    LogImpl(os::FileSystem& fs, os::Clock& clock, std::string directory, const LogOptions& options,
            Origins origins)
        : fs_(fs),
          clock_(clock),
          directory_(std::move(directory)),
          options_(options),
          files_(fs, directory_, options),
          pending_(options.segment_bytes, std::move(origins)) {}

    ~LogImpl() override {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        work_.notify_all();
        help_.notify_all();
        if (writer_.joinable()) writer_.join();  // writes what is pending
        files_.stop();
        if (helper_.joinable()) helper_.join();
    }

    Status start(const Baseline& baseline);

    void submit(const Batch& batch, Done done) override;
    std::optional<Appended> find_origin(std::string_view producer) override;
    Sequence durable_end() const override { return durable_end_; }
    Arrivals take_arrivals() override;
    Tail tail(Sequence from) override;
    Status release(Sequence before) override;
    void check_space() override {
        const std::scoped_lock lock(mutex_);
        space_checked_us_.reset();
        (void)space_is_low();
    }
    std::uint64_t bytes_since(Sequence from) const override;
    const Recovery& recovery() const override { return recovery_; }
    std::optional<Error> poisoned() const override {
        const std::scoped_lock lock(mutex_);
        return poisoned_;
    }
    void commit() override;
    void on_durable(std::function<void(Sequence)> observer) override { observer_ = std::move(observer); }

private:
    // Submitting, under the lock: the error to answer with, or that `done` was taken over, or an answer known
    // already.
    struct Outcome {
        std::optional<Error> error;
        std::optional<Appended> answer;
    };
    Outcome take_in(const Batch& batch, const Measured& measured, Done& done);
    const Appended* repeated(const Origin& origin);
    bool space_is_low();

    void write_group();
    Status write_chunk(const Chunk& chunk);
    Status load_last_block(const std::string& path, std::uint64_t position);
    void publish(std::size_t written, const Status& failure);
    void publish_record(const Ticket& ticket);
    void answer_all(std::size_t written);
    void prepare_ahead();
    bool should_prepare() const;
    void run_writer();
    void run_helper();

    os::FileSystem& fs_;
    os::Clock& clock_;
    const std::string directory_;
    const LogOptions options_;
    SegmentFiles files_;
    Recovery recovery_;
    std::function<void(Sequence)> observer_;
    std::atomic<Sequence> durable_end_ = 1;
    const std::shared_ptr<Pins> pins_ = std::make_shared<Pins>();

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::condition_variable work_, help_;
    Pending pending_;
    std::deque<Segment> segments_;  // with durable records, ascending
    Arrivals arrivals_;             // not taken yet; from the last taking to durable_end_
    std::optional<Error> poisoned_;
    bool stopping_ = false;
    bool writer_waits_ = false;
    bool help_wanted_ = false;
    bool space_low_ = false;
    std::optional<std::int64_t> space_checked_us_;
    std::uint64_t bytes_since_check_ = 0;

    std::mutex release_mutex_;
    std::deque<Segment> retired_;  // released, their files still there; guarded by release_mutex_

    // Of the thread that writes.
    std::unique_ptr<os::File> file_;
    std::uint64_t file_number_ = 0;
    char last_block_[os::direct_block_bytes] = {};  // what stands before the end of the records in its block
    Group group_;                                   // being written
    std::vector<Ticket> failed_;
    std::size_t failed_in_group_ = 0;  // the first so many of them
    Error failed_with_{};

    std::thread writer_, helper_;
};

// ---- opening

Status LogImpl::start(const Baseline& baseline) {
    if (baseline.has_history) TARN_TRY(require_log(fs_, directory_));
    TARN_TRY(fs_.make_directories(directory_));
    (void)space_is_low();  // gives up the headroom when there is next to nothing left to start with
    TARN_ASSIGN(Recovered found, recover(fs_, directory_, baseline, pending_.origins()));
    Cursor cursor = found.cursor;
    const std::uint64_t first_bytes = std::min(options_.segment_bytes, first_segment_bytes);
    if (found.segments.empty()) {
        // A chain nobody outside can guess: see "incarnation" in the format.
        char seed[16];
        store(seed, clock_.now().us);
        store(seed + 8, clock_.monotonic_us());
        cursor.chain = codec::xxh3_64({seed, sizeof seed}, cursor.sequence);
        const std::uint64_t has = block_begin(cursor.capacity);
        if (has > 0) found.prepared.insert(cursor.segment);
        cursor.capacity = std::max(has, first_bytes);
        files_.found(cursor.segment - 1, found.prepared);
        TARN_TRY(files_.prepare(cursor.segment, cursor.capacity, 0));
    } else {
        files_.found(cursor.segment, found.prepared);
        cursor.capacity = block_begin(cursor.capacity);
        const std::string& path = found.segments.back().path;
        TARN_TRY(load_last_block(path, cursor.position));
        TARN_ASSIGN(file_, fs_.open(path, os::OpenMode::direct));
        file_number_ = cursor.segment;
    }
    recovery_ = found.report;
    durable_end_ = arrivals_.from = cursor.sequence;
    segments_.assign(std::make_move_iterator(found.segments.begin()),
                     std::make_move_iterator(found.segments.end()));
    pending_.begin_at(cursor, std::move(found.next_offsets));
    if (!options_.writer_thread) {
        files_.reserve_headroom();
        return {};
    }
    writer_ = std::thread([this] { run_writer(); });
    helper_ = std::thread([this] { run_helper(); });
    return {};
}

// The records' last block goes out again with what comes behind it.
Status LogImpl::load_last_block(const std::string& path, std::uint64_t position) {
    TARN_ASSIGN(const auto file, fs_.open(path, os::OpenMode::read));
    const std::span<char> kept(last_block_, position - block_begin(position));
    TARN_ASSIGN(const std::size_t read, file->read_at(block_begin(position), kept));
    if (read == kept.size()) return {};
    return fail(Code::internal,
                fmt::format("{}: the records end at byte {}, the file before it", path, position));
}

// ---- submitting

void LogImpl::submit(const Batch& batch, Done done) {
    const Result<Measured> measured = measure(batch);
    if (!measured) return done(fail(measured.error()));
    Outcome outcome;
    bool wake = false;
    {
        const std::scoped_lock lock(mutex_);
        outcome = take_in(batch, *measured, done);
        wake = writer_waits_ && !pending_.empty();
    }
    if (wake) work_.notify_one();
    if (outcome.error) return done(fail(*std::move(outcome.error)));
    if (outcome.answer) return done(*std::move(outcome.answer));
}

LogImpl::Outcome LogImpl::take_in(const Batch& batch, const Measured& measured, Done& done) {
    if (poisoned_) return {.error = poisoned_};
    if (stopping_) return {.error = make_error(Code::interrupted, "the log is closing")};
    if (const Appended* known = repeated(batch.origin)) {
        if (known->first_sequence < durable_end_) return {.answer = *known};
        pending_.add_repeated(*known, std::move(done));
        return {};
    }
    if (space_is_low() && !batch.essential) {
        return {.error = make_error(Code::disk_full,
                                    fmt::format("less than {} are free in {}, so nothing more is captured",
                                                format_bytes(options_.low_water_bytes), directory_),
                                    {.next = "free disk space; capture goes on by itself"})};
    }
    if (pending_.bytes() > 0 && pending_.bytes() + measured.length > options_.max_pending_bytes) {
        return {.error = make_error(Code::log_overloaded,
                                    fmt::format("{} wait to be written to the log; try again after a pause",
                                                format_bytes(pending_.bytes())))};
    }
    bytes_since_check_ += measured.length;
    pending_.add(batch, measured, clock_.now(), std::move(done));
    return {};
}

const Appended* LogImpl::repeated(const Origin& origin) {
    if (origin.producer.empty()) return nullptr;
    const Appended* known = pending_.origins().find(origin.producer);
    return known != nullptr && origin.sequence <= known->origin_sequence ? known : nullptr;
}

// Asks the file system at most once a second or every few MiB.
bool LogImpl::space_is_low() {
    const std::int64_t now = clock_.monotonic_us();
    const bool due = !space_checked_us_ || now - *space_checked_us_ >= space_check_us ||
                     bytes_since_check_ >= space_check_bytes;
    if (!due) return space_low_;
    space_checked_us_ = now;
    bytes_since_check_ = 0;
    const Result<os::Space> space = fs_.space(directory_);
    if (!space) return space_low_ = false;  // the write itself will tell
    space_low_ = space->free_bytes < options_.low_water_bytes;
    if (space->free_bytes < options_.low_water_bytes / 2) files_.give_up_headroom();
    return space_low_;
}

std::optional<Appended> LogImpl::find_origin(std::string_view producer) {
    const std::scoped_lock lock(mutex_);
    const Appended* known = producer.empty() ? nullptr : pending_.origins().find(producer);
    // An answer that is not durable yet is none.
    if (known == nullptr || known->first_sequence >= durable_end_) return std::nullopt;
    return *known;
}

// ---- writing

void LogImpl::run_writer() {
    os::raise_thread_priority();
    while (true) {
        {
            std::unique_lock lock(mutex_);
            writer_waits_ = true;
            work_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
            writer_waits_ = false;
            if (pending_.empty()) return;
        }
        write_group();
        bool help = false;
        {
            const std::scoped_lock lock(mutex_);
            help = help_wanted_ = help_wanted_ || should_prepare();
        }
        if (help) help_.notify_one();
    }
}

void LogImpl::run_helper() {
    files_.reserve_headroom();
    while (true) {
        {
            std::unique_lock lock(mutex_);
            help_.wait(lock, [this] { return stopping_ || help_wanted_; });
            if (stopping_) return;
            help_wanted_ = false;
        }
        prepare_ahead();
    }
}

void LogImpl::commit() {
    if (options_.writer_thread) return;
    write_group();
    bool prepare = false;
    {
        const std::scoped_lock lock(mutex_);
        prepare = should_prepare();
    }
    if (prepare) prepare_ahead();
}

void LogImpl::write_group() {
    {
        const std::scoped_lock lock(mutex_);
        if (pending_.empty()) return;
        group_ = pending_.take(std::move(group_));
    }
    std::size_t written = group_.tickets.size();
    Status failure;
    for (const Chunk& chunk : group_.chunks) {
        failure = write_chunk(chunk);
        if (failure) continue;
        written = chunk.first_ticket;
        break;
    }
    publish(written, failure);
    answer_all(written);
}

// One write and one sync; a segment is synced before the next one is begun. The write begins with the block
// in which the records ended, as it stands on the disk: a tear leaves in each sector the old bytes or the new
// ones, and where records stand these are the same.
Status LogImpl::write_chunk(const Chunk& chunk) {
    if (chunk.opens) {
        TARN_TRY(files_.prepare(chunk.segment, chunk.capacity, options_.low_water_bytes));
        TARN_ASSIGN(file_, files_.take(chunk.segment));
        file_number_ = chunk.segment;
    }
    char* bytes = group_.buffer.data() + chunk.begin;
    std::memcpy(bytes, last_block_, chunk.kept);
    Status status = file_->write_at(chunk.position, group_.buffer.view(chunk.begin, chunk.end));
    if (status) status = file_->sync();
    const std::uint64_t last_block = block_begin(chunk.records_end);
    std::memcpy(last_block_, bytes + (last_block - chunk.position), chunk.records_end - last_block);
    if (!status && status.error().kind == ErrorKind::out_of_space) {
        status.error().kind =
            ErrorKind::io;  // not before the write but within it: this is no orderly "disk full"
    }
    return status;
}

// Tickets [0, written) are durable. The others are taken back (no space for their segment) or poison the log.
void LogImpl::publish(std::size_t written, const Status& failure) {
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < written; ++i) {
        if (group_.tickets[i].stored) publish_record(group_.tickets[i]);
    }
    for (const Chunk& chunk : group_.chunks) {
        if (chunk.first_ticket >= written) break;
        // A group may fill one segment and begin the next.
        for (Segment& segment : segments_)
            if (segment.number == chunk.segment) segment.end = chunk.records_end;
    }
    if (failure) return;
    failed_in_group_ = group_.tickets.size() - written;
    pending_.take_back(group_, written, failed_);
    failed_with_ = failure.error();
    if (failure.error().kind == ErrorKind::out_of_space) {
        failed_with_.next = "free disk space; capture goes on by itself";
        return;
    }
    poisoned_ = make_error(
        Code::log_poisoned,
        fmt::format("the log stopped at sequence {} after a failed write: {}", durable_end_.load(),
                    failure.error().message),
        {.place = {.source = segment_name(file_number_)}, .next = "look at the disk, then restart"});
    failed_with_ = *poisoned_;
}

void LogImpl::publish_record(const Ticket& ticket) {
    if (segments_.empty() || segments_.back().number != ticket.segment) {
        Segment& segment = segments_.emplace_back();
        segment.number = ticket.segment;
        segment.path = os::join(directory_, segment_name(ticket.segment));
        segment.first_sequence = ticket.answer.first_sequence;
    }
    segments_.back().note(ticket.answer.first_sequence, ticket.position);
    durable_end_ = ticket.answer.first_sequence + ticket.answer.events;
    Arrivals::Events& arrived = arrivals_.streams[ticket.stream];
    if (arrived.events == 0) {
        arrived.first_sequence = ticket.answer.first_sequence;
        arrived.first_ingested = ticket.answer.ingested;
    }
    arrived.events += ticket.answer.events;
    arrived.bytes += ticket.bytes;
}

void LogImpl::answer_all(std::size_t written) {
    const Sequence end = durable_end_;
    for (std::size_t i = 0; i < written; ++i) {
        Ticket& ticket = group_.tickets[i];
        ticket.done(std::move(ticket.answer));
    }
    for (std::size_t i = 0; i < failed_.size(); ++i) {
        Error error = failed_with_;
        // Something of the group that failed may be on the disk and be found at the next opening.
        if (error.code == Code::log_poisoned && i < failed_in_group_) error.kind = ErrorKind::outcome_unknown;
        failed_[i].done(fail(std::move(error)));
    }
    failed_.clear();
    if (observer_ && written > 0) observer_(end);
}

// ---- segments

bool LogImpl::should_prepare() const {
    const Cursor& cursor = pending_.cursor();
    return !poisoned_ && cursor.header_written && cursor.position > cursor.capacity / 2 &&
           !files_.has_prepared();
}

// Failure is no harm here: the writer prepares the segment itself when it comes to it, and answers for that.
void LogImpl::prepare_ahead() {
    std::uint64_t number = 0, capacity = 0;
    {
        const std::scoped_lock lock(mutex_);
        number = pending_.cursor().segment + 1;
        capacity = pending_.capacity_after(pending_.cursor().capacity);
    }
    (void)files_.prepare(number, capacity, options_.low_water_bytes + capacity);
}

Status LogImpl::release(Sequence before) {
    const std::scoped_lock release_lock(release_mutex_);
    {
        const std::scoped_lock lock(mutex_);
        const std::uint64_t oldest_pinned = pins_->oldest();
        while (segments_.size() > 1 && segments_[1].first_sequence <= before &&
               segments_[0].number < oldest_pinned) {
            retired_.push_back(std::move(segments_.front()));
            segments_.pop_front();
        }
        if (!segments_.empty()) pending_.origins().release(segments_.front().first_sequence);
    }
    // Oldest first, and none before the ones older than it have gone: what fails is tried again by the next
    // release.
    while (!retired_.empty()) {
        TARN_TRY(files_.recycle(retired_.front()));
        retired_.pop_front();
    }
    return {};
}

// ---- reading

Arrivals LogImpl::take_arrivals() {
    const std::scoped_lock lock(mutex_);
    arrivals_.until = durable_end_;
    return std::exchange(arrivals_, {.from = durable_end_, .until = durable_end_, .streams = {}});
}

Tail LogImpl::tail(Sequence from) {
    const std::scoped_lock lock(mutex_);
    Tail tail;
    tail.end_sequence = durable_end_;
    std::uint64_t oldest = 0;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const Segment& segment = segments_[i];
        const Sequence end = i + 1 < segments_.size() ? segments_[i + 1].first_sequence : tail.end_sequence;
        const std::uint64_t begin = segment.begin_for(from);
        if (end <= from || begin >= segment.end) continue;
        if (tail.extents.empty()) oldest = segment.number;
        tail.extents.push_back({segment.path, begin, segment.end});
    }
    if (!tail.extents.empty()) tail.pin = Pins::add(pins_, oldest);
    return tail;
}

std::uint64_t LogImpl::bytes_since(Sequence from) const {
    const std::scoped_lock lock(mutex_);
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        const Sequence end = i + 1 < segments_.size() ? segments_[i + 1].first_sequence : durable_end_.load();
        if (end > from) bytes += segments_[i].end - segments_[i].begin_for(from);
    }
    return bytes;
}

}  // namespace

Result<Appended> Log::append(const Batch& batch) {
    std::promise<Result<Appended>> promise;
    std::future<Result<Appended>> future = promise.get_future();
    submit(batch, [&promise](Result<Appended> result) { promise.set_value(std::move(result)); });
    commit();
    return future.get();
}

Result<std::unique_ptr<Log>> Log::open(os::FileSystem& fs, os::Clock& clock, std::string directory,
                                       Baseline baseline, LogOptions options) {
    options.segment_bytes = std::max(block_begin(options.segment_bytes), smallest_segment_bytes);
    auto log =
        std::make_unique<LogImpl>(fs, clock, std::move(directory), options, Origins(baseline.older_origin));
    TARN_TRY(log->start(baseline));
    return log;
}

}  // namespace tarn::log
