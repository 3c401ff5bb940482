#include "capture/import.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "capture/archive.h"
#include "capture/batch_builder.h"
#include "capture/cutter.h"
#include "capture/import_memory.h"
#include "capture/in_flight.h"
#include "capture/sources.h"
#include "capture/unpack.h"
#include "codec/hash.h"
#include "event/attributes.h"

namespace tarn::capture {
namespace {

// A producer's next batch waits for the one before: large enough to be gathered while that one is written and
// synced.
constexpr std::size_t max_batch_events = 5000;
constexpr std::size_t max_batch_bytes = 1u << 20;
constexpr std::int64_t progress_us = 200'000;
constexpr std::size_t max_told_failures = 10;     // in a message
constexpr std::size_t max_named_failures = 1000;  // in the result
constexpr std::string_view same_command = "run the same command again: nothing is taken twice";

class Import {
public:
    Import(const Capture::Parts& parts, const Stream& stream, const ImportRequest& request,
           const std::atomic<bool>& stop, const std::function<void(const ImportCounts&)>& on_progress)
        : parts_(parts),
          stream_(stream),
          request_(request),
          stop_(stop),
          on_progress_(on_progress),
          options_{.format = request.format,
                   .records = request.records,
                   .has_name_pattern = !stream.info.settings.name_pattern.empty(),
                   .max_kept_bytes = max_quarantined_bytes},
          in_flight_(parts.log, parts.clock, stop, {}) {
        if (!request.key.empty()) incoming_.key = request.key;
    }

    Result<ImportCounts> run() {
        const Status done = read_all();
        const Status answered = in_flight_.wait_all();
        const ImportCounts last = counts();
        if (on_progress_) on_progress_(last);
        TARN_TRY(explained(answered));
        TARN_TRY(explained(done));
        TARN_TRY(failed_files());
        return last;
    }

private:
    Status read_all() {
        TARN_ASSIGN(SourceList sources, list_sources(parts_.fs, request_.sources));
        counts_.files_total = sources.files.size();
        missing_ = sources.failed.size();
        for (const Error& error : sources.failed) note_failure(error);
        for (const SourceFile& file : sources.files) {
            const ArchiveKind kind = archive_kind(file.path);
            TARN_TRY(kind == ArchiveKind::none ? read_file(file) : read_archive(file, kind));
        }
        return {};
    }

    Status read_file(const SourceFile& file) {
        FileBytes bytes(parts_.fs, file.path);
        TARN_TRY(read_source(file, bytes));
        ++counts_.files;
        report_progress();
        return {};
    }

    // Each member is a file of its own, as in a folder of the archive's name.
    Status read_archive(const SourceFile& file, ArchiveKind kind) {
        const auto open = kind == ArchiveKind::zip ? open_zip : open_tar;
        TARN_ASSIGN(const auto archive,
                    open(parts_.fs, file.path, [this] { return stopped(); }, counts_.bytes));
        counts_.files_total += archive->size();
        std::map<std::string_view, int> seen;  // a name may stand twice
        for (std::size_t i = 0; i < archive->size(); ++i) {
            const std::string& name = archive->name(i);
            const int before = seen[name]++;
            SourceFile member{file.path + "/" + name, file.identity + "/" + name,
                              without_packing(file.path + "/" + name)};
            if (before > 0) member.identity += fmt::format("#{}", before);
            const std::uint64_t bytes = counts_.bytes;
            TARN_TRY(read_source(member, archive->open(i)));
            counts_.bytes = bytes;  // the archive's were counted
            ++counts_.files;
            report_progress();
        }
        ++counts_.files;
        if (!archive->damage()) note_failure(archive->damage().error());
        return {};
    }

    Status read_source(const SourceFile& file, Bytes& bytes) {
        TARN_TRY(stopped());
        SourceReader reader(bytes, file.path, [this] { return stopped(); });
        TARN_ASSIGN(resume_, find_resume(reader, parts_.log, producer_of(file), options_));
        file_ = &file;
        consumed_ = {};
        name_fits_ = true;
        has_submitted_ = false;
        // The same file's keyless events stay in one partition, however often the import is restarted.
        keyless_ = event::partition_of(file.identity, stream_.info.settings.partitions);

        const auto cutter = make_cutter(options_, [this](const Record& record) { return take(record); });
        const Unpacked read =
            reader.read(counts_.bytes, [&](std::string_view piece) { return cutter->feed(piece); });
        TARN_TRY(read.consumer);
        if (read.file) {
            TARN_TRY(cutter->finish());
        } else {
            note_failure(with_records(read.file.error()));
        }
        if (cutter->broken()) TARN_TRY(take_rest(*cutter->broken(), reader));
        counts_.empty_lines += cutter->empty_lines();
        return flush();
    }

    Error with_records(Error error) const {
        error.message += fmt::format("; {} records before that were taken", format_count(consumed_.records));
        return error;
    }

    std::string producer_of(const SourceFile& file) {
        std::string producer = fmt::format("import:{}:{}", stream_.info.id.value, file.identity);
        // A name nobody used before is never recognised.
        if (request_.again) producer += fmt::format(":again:{}", started_.us);
        return producer;
    }

    Status take(const Record& record) {
        if (!record.complete) return take_unfinished(record, nullptr);
        const bool seen =
            consumed_.records < resume_.records ||
            (consumed_.records == resume_.records && !record.whole && was_taken_unfinished(record));
        consumed_.add(record.bytes);
        if (seen) return skip();
        gather(record, nullptr);
        if (builder_.size() < max_batch_events && builder_.payload_bytes() < max_batch_bytes) return {};
        return flush();
    }

    Status skip() {
        ++skipped_;
        if (skipped_ % 4096 != 0) return {};
        report_progress();
        return stopped();
    }

    bool was_taken_unfinished(const Record& record) {
        return parts_.log.find_origin(unfinished_producer(resume_.producer, consumed_, record.bytes))
            .has_value();
    }

    // A record that the end of the source cut off, in a batch and under a producer of its own.
    Status take_unfinished(const Record& record, const Error* error) {
        TARN_TRY(flush());
        const std::string producer = unfinished_producer(resume_.producer, consumed_, record.bytes);
        if (parts_.log.find_origin(producer)) return skip();
        gather(record, error);
        if (builder_.size() == 0) return {};  // it was dropped
        return submit({.producer = producer, .sequence = 1, .tag = codec::xxh3_64(record.bytes)});
    }

    // What follows after the last element of a broken array is one record, kept as it is. The file is read
    // once more for it.
    Status take_rest(const Broken& broken, SourceReader& reader) {
        std::string rest;
        std::uint64_t at = 0;
        const Unpacked read = reader.read(counts_.bytes, [&](std::string_view piece) -> Status {
            const std::uint64_t before =
                std::min<std::uint64_t>(piece.size(), broken.from.byte - std::min(broken.from.byte, at));
            at += piece.size();
            piece.remove_prefix(static_cast<std::size_t>(before));
            rest.append(
                piece.substr(0, max_quarantined_bytes - std::min(max_quarantined_bytes, rest.size())));
            return {};
        });
        TARN_TRY(read.consumer);
        Error error = broken.error;
        error.place.source = file_->path;
        const Record record{.bytes = rest,
                            .start = broken.from,
                            .full_size = at - std::min(at, broken.from.byte),
                            .complete = false};
        return take_unfinished(record, &error);
    }

    // Into the batch: as an event, or into quarantine with the reason.
    void gather(const Record& record, const Error* known_error) {
        if (known_error != nullptr) return quarantine(record, *known_error);
        const std::size_t limit = stream_.max_event_bytes();
        if (record.full_size > limit) return quarantine(record, too_large(record, limit));
        incoming_.payload = record.bytes;
        auto derived = derive(record);
        if (derived && stream_.drops(*derived)) {
            ++skipped_;
            return;
        }
        if (derived) return builder_.add(stream_, std::move(*derived), record.bytes, keyless_);
        move_place(derived.error(), record.start, file_->path);
        quarantine(record, derived.error());
    }

    Result<event::Derived> derive(const Record& record) {
        incoming_.name =
            options_.has_name_pattern && name_fits_ ? std::string_view(file_->name) : std::string_view();
        auto derived = stream_.deriver->derive(incoming_);
        if (derived || derived.error().code != Code::name_mismatch || record.whole) return derived;
        // A file of many records need not be named like a single event: they go on without what a name would
        // tell.
        name_fits_ = false;
        incoming_.name = {};
        return stream_.deriver->derive(incoming_);
    }

    void quarantine(const Record& record, const Error& error) {
        builder_.add_quarantined(error, record.bytes, file_->path, parts_.clock.now());
    }

    Error too_large(const Record& record, std::size_t limit) const {
        Error error =
            make_error(Code::too_large, fmt::format("the event has {} bytes, the limit is {}",
                                                    format_count(record.full_size), format_count(limit)));
        if (record.full_size > record.bytes.size())
            error.message += fmt::format("; its first {} bytes are kept", format_count(record.bytes.size()));
        move_place(error, record.start, file_->path);
        return error;
    }

    Status flush() {
        if (builder_.size() == 0) return {};
        // Were a batch to fail while the producer's next one becomes durable, the first would be taken for
        // known for ever. So one of a file is under way at a time, and of many files many.
        if (std::exchange(has_submitted_, true)) TARN_TRY(in_flight_.wait_all());
        return submit({.producer = resume_.producer, .sequence = consumed_.records, .tag = consumed_.chain});
    }

    Status submit(log::Origin origin) {
        const std::size_t bytes = builder_.payload_bytes();
        const std::size_t quarantined = builder_.quarantined();
        const Status submitted =
            in_flight_.submit(builder_.finish(stream_.info.id, std::move(origin)), quarantined, bytes);
        builder_.clear();
        TARN_TRY(submitted);
        report_progress();
        return stopped();
    }

    Status stopped() const {
        if (!stop_) return {};
        return fail(Code::interrupted, "the import was stopped", {.next = std::string(same_command)});
    }

    void note_failure(Error error) {
        // Names of files are bytes; messages are text.
        error.message = event::to_valid_utf8(error.message);
        error.place.source = event::to_valid_utf8(error.place.source);
        ++counts_.failed;
        if (counts_.named_failures.size() < max_named_failures)
            counts_.named_failures.push_back(std::move(error));
    }

    Status failed_files() const {
        if (counts_.failed == 0) return {};
        const std::vector<Error>& named = counts_.named_failures;
        std::string message =
            fmt::format("{} of {} sources could not be read whole; all else was taken",
                        format_count(counts_.failed), format_count(counts_.files_total + missing_));
        for (std::size_t i = 0; i < std::min(named.size(), max_told_failures); ++i)
            message += (i == 0 ? ": " : "; ") + named[i].message;
        if (counts_.failed > max_told_failures)
            message += fmt::format("; and {} more", format_count(counts_.failed - max_told_failures));
        return fail(named.front().code, std::move(message),
                    {.next = "repair them and run the same command again: nothing is taken twice"});
    }

    static Status explained(const Status& status) {
        if (status) return {};
        Error error = status.error();
        if (error.next.empty()) error.next = same_command;
        return fail(std::move(error));
    }

    ImportCounts counts() const {
        ImportCounts all = counts_;
        const Outcome outcome = in_flight_.outcome();
        all.accepted = outcome.accepted;
        all.quarantined = outcome.quarantined;
        all.skipped = outcome.skipped + skipped_;
        all.read = all.accepted + all.quarantined + all.skipped;
        return all;
    }

    void report_progress() {
        if (!on_progress_) return;
        const std::int64_t now = parts_.clock.monotonic_us();
        if (now - last_progress_us_ < progress_us) return;
        last_progress_us_ = now;
        on_progress_(counts());
    }

    const Capture::Parts& parts_;
    const Stream& stream_;
    const ImportRequest& request_;
    const std::atomic<bool>& stop_;
    const std::function<void(const ImportCounts&)>& on_progress_;
    const CutterOptions options_;
    const Time started_ = parts_.clock.now();

    InFlight in_flight_;
    BatchBuilder builder_{BatchBuilder::Payloads::copied};
    event::Incoming incoming_;  // the same for all records but for payload and name

    // The file being read.
    const SourceFile* file_ = nullptr;
    Resume resume_;
    Consumed consumed_;
    Partition keyless_ = 0;
    bool name_fits_ = true;
    bool has_submitted_ = false;

    ImportCounts counts_;
    std::uint64_t skipped_ = 0;
    std::uint64_t missing_ = 0;  // of the failed: sources that gave no file at all
    std::int64_t last_progress_us_ = parts_.clock.monotonic_us();
};

}  // namespace

Status check_import(const ImportRequest& request) {
    constexpr std::array<std::string_view, 4> formats = {"auto", "ndjson", "json-array", "file-per-event"};
    if (std::ranges::find(formats, request.format) == formats.end())
        return fail(Code::bad_usage,
                    fmt::format("format \"{}\": expected auto, ndjson, json-array or file-per-event",
                                request.format));
    if (!request.records.empty() && request.format != "auto" && request.format != "json-array")
        return fail(Code::bad_usage,
                    fmt::format("records \"{}\" names an array inside each document, which does not go "
                                "with format {}",
                                request.records, request.format),
                    {.next = "leave --format out"});
    return refuse_system_stream(request.stream);
}

Result<ImportCounts> run_import(const Capture::Parts& parts, const Stream& stream,
                                const ImportRequest& request, const std::atomic<bool>& stop,
                                const std::function<void(const ImportCounts&)>& on_progress) {
    return Import(parts, stream, request, stop, on_progress).run();
}

}  // namespace tarn::capture
