#include "log/salvage.h"

#include <fmt/core.h>

#include <algorithm>

#include "log/segment_scan.h"

namespace tarn::log {
namespace {

struct File {
    std::uint64_t number = 0;
    std::string path;
    std::uint64_t size = 0;
    std::unique_ptr<os::File> file;
    std::optional<SegmentHeader> header;  // when it is valid

    SegmentId id() const {
        if (!header) return {number, std::nullopt};
        return {number, header->incarnation()};
    }
};

class Salvager {
public:
    Salvager(os::FileSystem& fs, const std::string& directory, const Baseline& baseline)
        : fs_(fs), directory_(directory), baseline_(baseline) {
        for (const auto& [key, offset] : baseline.next_offsets) next_[{key.first, key.second}] = offset;
    }

    Result<Salvaged> run() {
        TARN_TRY(open_files());
        const auto last = std::find_if(files_.rbegin(), files_.rend(),
                                       [](const File& file) { return file.header.has_value(); });
        const auto ended = static_cast<std::size_t>(files_.rend() - last);
        for (std::size_t i = 0; i < files_.size(); ++i) TARN_TRY(read_file(files_[i], i + 1 >= ended));
        finish();
        return std::move(out_);
    }

private:
    Status open_files() {
        TARN_ASSIGN(const auto listed, fs_.list(directory_));
        for (const os::FileInfo& info : listed) {
            const std::uint64_t number = segment_number(info.name);
            if (number == 0 || info.is_directory) continue;
            File file{.number = number, .path = os::join(directory_, info.name), .size = info.size};
            TARN_ASSIGN(file.file, fs_.open(file.path, os::OpenMode::read));
            char bytes[header_bytes];
            TARN_ASSIGN(const std::size_t read, file.file->read_at(0, bytes));
            SegmentHeader header;
            const HeaderState state = decode_header({bytes, read}, header);
            if (state == HeaderState::newer)
                return fail(Code::newer_format, fmt::format("{} was written by a newer Tarn", file.path));
            if (state == HeaderState::valid && header.number == number) file.header = header;
            files_.push_back(std::move(file));
        }
        return {};
    }

    // `may_be_torn`: no segment with a header follows, so its end may be what a crash left.
    Status read_file(const File& file, bool may_be_torn) {
        SegmentScan scan(*file.file, file.id(), file.size);
        if (file.header) {
            begin_segment(file);
        } else {
            const Sequence missing = expected_.sequence.value_or(0);
            TARN_ASSIGN(const auto first, scan.find_record(data_begin, missing));
            // Otherwise it is a prepared segment, or one whose first records were never acknowledged.
            if (!first) return {};
            TARN_ASSIGN(const bool synced, was_synced(scan, data_begin, missing));
            if (may_be_torn && !synced) return {};
            if (!expected_.sequence)
                expected_.sequence = first->position == data_begin ? first->head.first_sequence : 1;
            const Sequence until = first->head.first_sequence;
            if (gap_is_open_)
                out_.gaps.back().until = until;
            else
                add_gap(file.path, 0, first->position, "the segment's header is invalid", until);
            gap_is_open_ = false;
            scan.seek(first->position);
            expected_ = {first->head.first_sequence, std::nullopt};
        }
        previous_number_ = file.number;
        return read_records(file, scan, may_be_torn);
    }

    void begin_segment(const File& file) {
        const Sequence first = file.header->first_sequence;
        const bool continues = !expected_.sequence || *expected_.sequence == first;
        if (gap_is_open_) {
            out_.gaps.back().until = first;
        } else if (!continues && file.number != previous_number_ + 1) {
            add_gap(os::join(directory_, segment_name(previous_number_ + 1)), 0, 0, "the segment is missing",
                    first);
        } else if (!continues) {
            add_gap(stop_path_, stop_, stop_, "records are missing", first);
        }
        gap_is_open_ = false;
        expected_ = {first, file.header->previous_chain};
    }

    Status read_records(const File& file, SegmentScan& scan, bool may_be_torn) {
        while (true) {
            TARN_ASSIGN(const SegmentScan::Found found, read_stretch(file, scan));
            const std::string why = found == SegmentScan::Found::invalid ? scan.why() : "records are missing";
            stop_path_ = file.path;
            stop_ = scan.position();
            TARN_ASSIGN(const auto bad, scan.head_at(stop_));
            TARN_ASSIGN(const std::uint64_t resume, resume_at(scan, bad));
            TARN_ASSIGN(const auto later, scan.find_record(resume, *expected_.sequence));
            TARN_ASSIGN(const bool synced, was_synced(scan, resume, *expected_.sequence));
            if (may_be_torn && !synced) return {};
            if (!later && found == SegmentScan::Found::clean_end) return {};
            // Without a later record in this file the next segment's header says how far the gap reaches.
            gap_is_open_ = !later;
            add_gap(file.path, stop_, later ? later->position : file.size, why,
                    later ? later->head.first_sequence : *expected_.sequence);
            const bool is_next = bad && bad->first_sequence == *expected_.sequence;
            if (is_next && resume != stop_) TARN_TRY(name_lost(scan, *bad));
            if (!later) return {};
            scan.seek(later->position);
            expected_ = {later->head.first_sequence, std::nullopt};
        }
    }

    // Whether a record from there on says that the event `missing` had been synced: then this is no torn
    // tail.
    static Result<bool> was_synced(SegmentScan& scan, std::uint64_t from, Sequence missing) {
        while (true) {
            TARN_ASSIGN(const auto record, scan.find_record(from, missing));
            if (!record) return false;
            if (record->head.synced_before > missing) return true;
            from = record->position + 8;
        }
    }

    Result<SegmentScan::Found> read_stretch(const File& file, SegmentScan& scan) {
        Stretch stretch{{file.path, scan.position(), 0}, *expected_.sequence, 0};
        RecordHead head;
        RecordView view;
        while (true) {
            TARN_ASSIGN(const SegmentScan::Found found, scan.next(expected_, head, view));
            if (found == SegmentScan::Found::record) {
                for (const event::StoredEvent& event : view.events) take(event.position);
                out_.report.records += 1;
                out_.report.events += head.entries;
                out_.report.bytes += head.length;
                continue;
            }
            stretch.extent.end = scan.position();
            stretch.until = *expected_.sequence;
            if (stretch.extent.end > stretch.extent.begin) out_.stretches.push_back(std::move(stretch));
            return found;
        }
    }

    // Where to look for the next good record. A good one whose predecessor alone is missing is not passed
    // over.
    Result<std::uint64_t> resume_at(SegmentScan& scan, const std::optional<RecordHead>& bad) const {
        if (!bad) return stop_ + 8;
        TARN_ASSIGN(const std::string_view record, scan.bytes(stop_, bad->length));
        if (record.size() < bad->length || !payloads_verify(*bad, record)) return stop_ + bad->length;
        return expected_.chain && bad->first_sequence >= *expected_.sequence ? stop_ : stop_ + 8;
    }

    // The table of a record whose payloads alone are damaged says exactly what stood there.
    Status name_lost(SegmentScan& scan, const RecordHead& bad) {
        TARN_ASSIGN(const std::string_view record, scan.bytes(stop_, bad.length));
        RecordView view;
        if (record.size() < bad.length || !read_record(bad, record, view)) return {};
        for (const event::StoredEvent& event : view.events) {
            take(event.position);  // what was lost before it
            ++named_.back();
            Offset& next = next_[{event.position.stream, event.position.partition}];
            const auto rolled =
                baseline_.next_offsets.find({event.position.stream, event.position.partition});
            if (rolled == baseline_.next_offsets.end() || event.position.offset >= rolled->second)
                lose({event.position.stream, event.position.partition, next - 1, next - 1});
        }
        return {};
    }

    // Offsets are dense, so a jump names what was lost. Before the first gap a partition may begin anywhere:
    // its stream may have been deleted.
    void take(const Position& at) {
        const auto [known, fresh] = next_.try_emplace({at.stream, at.partition}, 0);
        Offset& next = known->second;
        if (at.offset > next && !out_.gaps.empty()) {
            lose({at.stream, at.partition, next, at.offset - 1});
            if (!fresh) jumped_ += at.offset - next;
        }
        next = std::max(next, at.offset + 1);
    }

    void lose(const Gap::Lost& positions) {
        for (Gap::Lost& known : out_.gaps.back().lost) {
            if (known.stream != positions.stream || known.partition != positions.partition) continue;
            if (known.last + 1 != positions.first) continue;
            known.last = positions.last;
            return;
        }
        out_.gaps.back().lost.push_back(positions);
    }

    void add_gap(std::string path, std::uint64_t begin, std::uint64_t end, std::string what, Sequence until) {
        Gap gap;
        gap.path = std::move(path);
        gap.begin = begin;
        gap.end = end;
        gap.what = std::move(what);
        gap.first = expected_.sequence.value_or(1);
        gap.until = until;
        gap.extent = out_.stretches.size();
        out_.gaps.push_back(std::move(gap));
        named_.push_back(0);
    }

    void finish() {
        const Sequence end = expected_.sequence.value_or(1);
        out_.end = std::max(end, baseline_.next_sequence);
        if (end < baseline_.next_sequence)
            add_gap(stop_path_.empty() ? directory_ : stop_path_, stop_, stop_,
                    fmt::format("the log ends before sequence {}, the catalog knows events up to {}", end,
                                baseline_.next_sequence - 1),
                    baseline_.next_sequence);
        // A jump may be of any gap before it: only all of them together say that nothing else is missing.
        std::uint64_t unnamed = 0;
        for (std::size_t i = 0; i < out_.gaps.size(); ++i)
            unnamed += out_.gaps[i].until - out_.gaps[i].first - named_[i];
        for (std::size_t i = 0; i < out_.gaps.size(); ++i) {
            Gap& gap = out_.gaps[i];
            gap.others = unnamed > jumped_ && gap.until - gap.first > named_[i];
        }
        // A header alone, or bytes behind a segment's last record: nothing is missing because of these.
        std::erase_if(out_.gaps, [](const Gap& gap) { return gap.first == gap.until; });
    }

    os::FileSystem& fs_;
    const std::string& directory_;
    const Baseline& baseline_;
    Salvaged out_;
    std::vector<File> files_;  // ascending by number
    Expected expected_;        // its sequence is set from the first record on
    NextOffsets next_;
    std::vector<std::uint64_t> named_;  // events of each gap that a record's own table names
    std::uint64_t jumped_ = 0;          // events that the jumps of offsets name, whichever gap they were in
    std::uint64_t previous_number_ = 0;
    bool gap_is_open_ = false;  // the last gap reaches up to the next segment
    std::string stop_path_;     // where the stretch read last ended
    std::uint64_t stop_ = 0;
};

}  // namespace

Result<Salvaged> salvage(os::FileSystem& fs, const std::string& directory, const Baseline& baseline) {
    return Salvager(fs, directory, baseline).run();
}

}  // namespace tarn::log
