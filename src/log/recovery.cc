#include "log/recovery.h"

#include <fmt/core.h>

#include <algorithm>

#include "log/segment_scan.h"

namespace tarn::log {
namespace {

constexpr std::uint64_t mark_spacing = 256 << 10;

struct SegmentFile {
    std::uint64_t number = 0;
    std::string path;
    std::uint64_t size = 0;
    std::unique_ptr<os::File> file;
    HeaderState state = HeaderState::absent;
    SegmentHeader header;

    SegmentId id() const {
        if (state != HeaderState::valid) return {number, std::nullopt};
        return {number, header.incarnation()};
    }
};

Failure log_missing(const std::string& directory, const std::string& what) {
    return fail(Code::data_missing,
                fmt::format("{} are missing, but the catalog knows of streams; nothing was changed", what),
                {.place = {.source = directory},
                 .next = "put the files back from a copy of the data directory, then start again"});
}

class Recoverer {
public:
    Recoverer(os::FileSystem& fs, const std::string& directory, const Baseline& baseline, Origins& origins)
        : fs_(fs), directory_(directory), baseline_(baseline), origins_(origins) {}

    Result<Recovered> run() {
        TARN_TRY(open_files());
        TARN_TRY(check_order());
        for (const auto& [key, offset] : baseline_.next_offsets)
            out_.next_offsets[{key.first, key.second}] = offset;
        TARN_TRY(read_segments());
        TARN_TRY(judge_tail());
        TARN_TRY(repair());
        return std::move(out_);
    }

private:
    Failure damaged(const SegmentFile& segment, std::uint64_t byte, std::string_view what) const {
        return fail(Code::log_corrupt,
                    fmt::format("{}; this is not a torn tail, and nothing was changed", what),
                    {.place = {.source = segment.path, .byte = byte}, .next = "tarn fsck"});
    }

    Status open_files() {
        TARN_ASSIGN(const auto listed, fs_.list(directory_));
        for (const os::FileInfo& info : listed) {
            const std::uint64_t number = segment_number(info.name);
            if (number == 0 || info.is_directory) continue;
            SegmentFile segment{.number = number, .path = os::join(directory_, info.name), .size = info.size};
            TARN_ASSIGN(segment.file, fs_.open(segment.path, os::OpenMode::read_write));
            char bytes[header_bytes];
            TARN_ASSIGN(const std::size_t read, segment.file->read_at(0, bytes));
            segment.state = decode_header({bytes, read}, segment.header);
            if (segment.state == HeaderState::newer) {
                return fail(
                    Code::newer_format,
                    fmt::format("{} has a newer format than version {}", segment.path, format_version),
                    {.place = {.source = segment.path, .byte = 8}});
            }
            // A recycled file still has the header of its earlier number.
            if (segment.header.number != number) segment.state = HeaderState::absent;
            files_.push_back(std::move(segment));
        }
        return {};
    }

    // The segments with headers stand in front, without gaps.
    Status check_order() {
        const auto valid = [](const SegmentFile& file) { return file.state == HeaderState::valid; };
        const auto last = std::find_if(files_.rbegin(), files_.rend(), valid);
        live_ = static_cast<std::size_t>(files_.rend() - last);
        // The newest segment is never recycled: where there is none with a header, nothing was ever written.
        if (live_ == 0 && baseline_.has_history && !files_.empty() && files_[0].number != 1)
            return log_missing(directory_, fmt::format("the segments before {}", files_[0].path));
        for (std::size_t i = 0; i < live_; ++i) {
            if (!valid(files_[i])) return damaged(files_[i], 0, "the segment's header is invalid");
            if (i > 0 && files_[i].number != files_[i - 1].number + 1) {
                return damaged(files_[i], 0, fmt::format("segment {} is missing", files_[i - 1].number + 1));
            }
        }
        return {};
    }

    Status read_segments() {
        out_.cursor.sequence =
            live_ > 0 ? files_[0].header.first_sequence : std::max<Sequence>(baseline_.next_sequence, 1);
        if (live_ > 0) expected_ = {out_.cursor.sequence, files_[0].header.previous_chain};
        for (std::size_t i = 0; i < live_; ++i) {
            if (i > 0) TARN_TRY(check_continues(i));
            TARN_TRY(read_segment(files_[i], i + 1 == live_));
        }
        if (live_ > 0) {
            const SegmentFile& last = files_[live_ - 1];
            out_.cursor = {last.number,
                           stop_,
                           last.size & ~std::uint64_t{7},
                           true,
                           last.header.incarnation(),
                           *expected_.sequence,
                           *expected_.chain};
        } else if (!files_.empty()) {
            const SegmentFile& first = files_.front();
            out_.cursor.segment = first.number;
            // A file without room for a record is made anew.
            if (first.size > data_begin) out_.cursor.capacity = first.size & ~std::uint64_t{7};
        }
        return {};
    }

    Status check_continues(std::size_t i) const {
        const SegmentFile& before = files_[i - 1];
        if (files_[i].header.first_sequence == *expected_.sequence &&
            files_[i].header.previous_chain == *expected_.chain) {
            return {};
        }
        return damaged(before, stop_,
                       fmt::format("the next segment begins at sequence {}, this one ends before {}",
                                   files_[i].header.first_sequence, *expected_.sequence));
    }

    Status read_segment(SegmentFile& file, bool is_last) {
        Segment& segment = out_.segments.emplace_back();
        segment.number = file.number;
        segment.path = file.path;
        segment.first_sequence = file.header.first_sequence;
        // It was written past the page cache, so it comes from the disk: all of it at once, not by small
        // pieces.
        file.file->expect_reading();
        SegmentScan scan(*file.file, file.id(), file.size);
        RecordHead head;
        RecordView view;
        starts_.clear();
        while (true) {
            const std::uint64_t position = scan.position();
            TARN_ASSIGN(const SegmentScan::Found found, scan.next(expected_, head, view));
            if (found != SegmentScan::Found::record) {
                stop_ = position;
                clean_ = found == SegmentScan::Found::clean_end;
                why_ = scan.why();
                break;
            }
            segment.note(head.first_sequence, position);
            if (head.synced_before == head.first_sequence) starts_.clear();  // a new group
            starts_.emplace_back(head.first_sequence, position);
            proven_ = std::max(proven_, head.synced_before);
            TARN_TRY(take(file, position, head, view));
        }
        segment.end = stop_;
        if (!clean_ && !is_last) return damaged(file, stop_, why_);
        return {};
    }

    Status take(const SegmentFile& file, std::uint64_t position, const RecordHead& head,
                const RecordView& view) {
        Appended answer;
        answer.first_sequence = head.first_sequence;
        answer.events = head.entries;
        answer.ingested = head.ingested;
        for (const event::StoredEvent& event : view.events) {
            TARN_TRY(take_offset(file, position, event.position));
            if (!view.origin.producer.empty()) add_to_ranges(answer.ranges, event.position);
        }
        if (!view.origin.producer.empty()) origins_.remember(view.origin, answer);
        out_.report.records += 1;
        out_.report.events += head.entries;
        out_.report.bytes += head.length;
        return {};
    }

    // Offsets are dense from the partition's first record on; that one may not lie beyond what the catalog
    // knows.
    Status take_offset(const SegmentFile& file, std::uint64_t position, const Position& at) {
        const PartitionKey key{at.stream, at.partition};
        if (seen_key_ == nullptr || !(*seen_key_ == key)) {
            const auto [found, fresh] = seen_.try_emplace(key, 0);
            if (fresh) {
                const auto known = out_.next_offsets.find(key);
                const bool gap = known != out_.next_offsets.end() && at.offset > known->second;
                found->second = gap ? known->second : at.offset;
            }
            seen_key_ = &found->first;
            seen_next_ = &found->second;
        }
        if (at.offset == *seen_next_) {
            *seen_next_ += 1;
            return {};
        }
        return damaged(file, position,
                       fmt::format("stream {} partition {}: offset {} follows {}", at.stream.value,
                                   at.partition, at.offset, static_cast<std::int64_t>(*seen_next_) - 1));
    }

    static void add_to_ranges(std::vector<Range>& ranges, const Position& at) {
        const auto place = std::ranges::lower_bound(ranges, at.partition, {}, &Range::partition);
        if (place != ranges.end() && place->partition == at.partition) {
            place->last = at.offset;
        } else {
            ranges.insert(place, {at.partition, at.offset, at.offset});
        }
    }

    // Nothing behind the stop may have been relied upon.
    Status judge_tail() {
        const Sequence missing = out_.cursor.sequence;
        if (live_ > 0) TARN_TRY(judge_file(files_[live_ - 1], files_[live_ - 1].id(), stop_, missing));
        // Only the very next segment may have been begun: the one after it waits for that one's sync.
        if (live_ < files_.size() && (live_ == 0 || files_[live_].number == out_.cursor.segment + 1)) {
            SegmentId id{files_[live_].number, std::nullopt};
            if (live_ > 0) id.incarnation = static_cast<std::uint32_t>(out_.cursor.chain);
            TARN_TRY(judge_file(files_[live_], id, data_begin, missing));
        }
        if (live_ > 0 && !clean_ && out_.report.torn_bytes == 0) {
            SegmentScan scan(*files_[live_ - 1].file, files_[live_ - 1].id(), files_[live_ - 1].size);
            TARN_ASSIGN(const std::uint64_t end, scan.find_end_mark(stop_ + 8));
            out_.report.torn_bytes = end - stop_;
        }
        if (out_.report.torn_bytes > 0) {
            out_.report.torn_at =
                fmt::format("segment {}: byte {}", segment_name(out_.cursor.segment), out_.cursor.position);
        }
        if (live_ > 0 && missing < baseline_.next_sequence) {
            return fail(
                Code::log_corrupt,
                fmt::format(
                    "the log ends before sequence {}, but the catalog knows events up to {}; nothing was "
                    "changed",
                    missing, baseline_.next_sequence - 1),
                {.place = {.source = files_[live_ - 1].path, .byte = stop_}, .next = "tarn fsck"});
        }
        for (const auto& [key, next] : seen_) {
            Offset& known = out_.next_offsets[key];
            known = std::max(known, next);
        }
        return {};
    }

    Status judge_file(SegmentFile& file, SegmentId id, std::uint64_t from, Sequence missing) {
        SegmentScan scan(*file.file, id, file.size);
        std::uint64_t torn_end = from;
        for (std::uint64_t at = from;;) {
            TARN_ASSIGN(const auto start, scan.find_start(at));
            if (!start) break;
            TARN_ASSIGN(const auto head, scan.head_at(*start));
            const bool lost_header = live_ == 0 && head && head->synced_before > head->first_sequence;
            if (head && (head->synced_before > missing || lost_header)) {
                const bool no_header = from == data_begin && file.state != HeaderState::valid;
                return damaged(file, no_header ? 0 : from,
                               no_header ? "the segment's header is invalid" : why_);
            }
            stale_.push_back({&file, *start});
            torn_end = *start + (head ? head->length : head_bytes);
            at = *start + 8;
        }
        out_.report.torn_bytes += torn_end - from;
        return {};
    }

    Status repair() {
        TARN_TRY(clear_stale_starts());
        if (live_ > 0) TARN_TRY(make_tail_durable(files_[live_ - 1]));
        TARN_TRY(keep_prepared());
        return fs_.sync_directory(directory_);
    }

    Status clear_stale_starts() {
        const std::string zeros(end_mark_bytes, '\0');
        for (std::size_t i = 0; i < stale_.size(); ++i) {
            SegmentFile& file = *stale_[i].file;
            TARN_TRY(file.file->write_at(stale_[i].position, std::string_view(zeros).substr(0, 8)));
            const bool is_last_of_file = i + 1 == stale_.size() || stale_[i + 1].file != &file;
            if (is_last_of_file) TARN_TRY(file.file->sync());
        }
        return {};
    }

    // The page cache may show what the disk does not hold (a killed process, a failed sync): records that no
    // later one proves to be synced are written again, with the end mark behind them.
    Status make_tail_durable(SegmentFile& file) {
        const auto unproven =
            std::ranges::lower_bound(starts_, proven_, {}, &std::pair<Sequence, std::uint64_t>::first);
        std::uint64_t begin = unproven == starts_.end() ? stop_ : unproven->second;
        if (begin == data_begin) begin = 0;  // the header went out with the first record
        SegmentScan scan(*file.file, file.id(), file.size);
        for (std::uint64_t at = begin; at < stop_;) {
            TARN_ASSIGN(const std::string_view read,
                        scan.bytes(at, std::min<std::uint64_t>(stop_ - at, 1 << 20)));
            if (read.empty()) break;
            const std::string copy(read);
            TARN_TRY(file.file->write_at(at, copy));
            at += copy.size();
        }
        const std::string mark(std::min(end_mark_bytes, file.size - stop_), '\0');
        if (!mark.empty()) TARN_TRY(file.file->write_at(stop_, mark));
        return file.file->sync();
    }

    // What follows the cursor's segment without a gap is kept as prepared; the rest is of no use.
    Status keep_prepared() {
        std::uint64_t next = out_.cursor.segment + 1;
        for (std::size_t i = std::max<std::size_t>(live_, files_.empty() ? 0 : 1); i < files_.size(); ++i) {
            if (files_[i].number == next && files_[i].size > data_begin) {
                TARN_TRY(files_[i].file->sync());
                out_.prepared.insert(next++);
            } else {
                TARN_TRY(fs_.remove(files_[i].path));
            }
        }
        TARN_ASSIGN(const auto half_made, fs_.stat(os::join(directory_, prepare_name)));
        if (half_made) TARN_TRY(fs_.remove(os::join(directory_, prepare_name)));
        return {};
    }

    struct StaleStart {
        SegmentFile* file;
        std::uint64_t position;
    };

    os::FileSystem& fs_;
    const std::string& directory_;
    const Baseline& baseline_;
    Origins& origins_;
    Recovered out_;
    std::vector<SegmentFile> files_;  // ascending by number
    std::size_t live_ = 0;            // how many of them, from the front, have a header
    Expected expected_;
    std::uint64_t stop_ = data_begin;  // where the last segment read ended
    bool clean_ = true;                // it ended in an end mark
    const char* why_ = "";
    Sequence proven_ = 0;                                     // everything below was synced
    std::vector<std::pair<Sequence, std::uint64_t>> starts_;  // records of the segment read last
    std::vector<StaleStart> stale_;
    NextOffsets seen_;  // next offsets by what the log holds
    const PartitionKey* seen_key_ = nullptr;
    Offset* seen_next_ = nullptr;
};

}  // namespace

Status require_log(os::FileSystem& fs, const std::string& directory) {
    const auto listed = fs.list(directory);
    if (!listed && listed.error().kind != ErrorKind::not_found) return fail(listed.error());
    if (listed && std::ranges::any_of(*listed, [](const os::FileInfo& info) {
            return segment_number(info.name) != 0 && !info.is_directory && info.size > 0;
        }))
        return {};
    return log_missing(directory, "the log's segments, or what was in them,");
}

void Segment::note(Sequence sequence, std::uint64_t position) {
    if (marks.empty() || position >= marks.back().position + mark_spacing)
        marks.push_back({sequence, position});
}

std::uint64_t Segment::begin_for(Sequence sequence) const {
    const auto after = std::ranges::upper_bound(marks, sequence, {}, &Mark::sequence);
    return after == marks.begin() ? data_begin : std::prev(after)->position;
}

Result<Recovered> recover(os::FileSystem& fs, const std::string& directory, const Baseline& baseline,
                          Origins& origins) {
    return Recoverer(fs, directory, baseline, origins).run();
}

}  // namespace tarn::log
