// tarn fsck: every segment read to its end, past damage, changing nothing.
#include <fmt/core.h>

#include "log/segment_scan.h"

namespace tarn::log {
namespace {

class Checker {
public:
    Checker(os::FileSystem& fs, const std::string& directory) : fs_(fs), directory_(directory) {}

    Result<std::vector<Damage>> run() {
        TARN_ASSIGN(const auto listed, fs_.list(directory_));
        for (const os::FileInfo& info : listed) {
            const std::uint64_t number = segment_number(info.name);
            if (number != 0 && !info.is_directory)
                TARN_TRY(check_segment(number, os::join(directory_, info.name), info.size));
        }
        return std::move(damages_);
    }

private:
    Status check_segment(std::uint64_t number, const std::string& path, std::uint64_t size) {
        TARN_ASSIGN(const auto file, fs_.open(path, os::OpenMode::read));
        char bytes[header_bytes];
        TARN_ASSIGN(const std::size_t read, file->read_at(0, bytes));
        SegmentHeader header;
        const HeaderState state = decode_header({bytes, read}, header);
        if (state == HeaderState::newer) {
            return fail(Code::newer_format, fmt::format("{} was written by a newer Tarn", path));
        }
        SegmentId id{number, std::nullopt};
        const bool valid = state == HeaderState::valid && header.number == number;
        if (valid) {
            id.incarnation = header.incarnation();
            check_header(path, number, header);
        } else if (number == previous_number_ + 1 && expected_.chain) {
            id.incarnation = static_cast<std::uint32_t>(*expected_.chain);
        }
        SegmentScan scan(*file, id, size);
        if (!valid) return check_unheaded(scan, path);
        // What was taken for a torn tail is damage when a segment comes after it.
        for (Damage& damage : damages_) damage.is_tail = false;
        previous_number_ = number;
        return check_records(scan, path);
    }

    void check_header(const std::string& path, std::uint64_t number, const SegmentHeader& header) {
        if (previous_number_ != 0 && number != previous_number_ + 1) {
            report(path, 0, 0, fmt::format("segment {} is missing", previous_number_ + 1));
        } else if (expected_.sequence && (header.first_sequence != *expected_.sequence ||
                                          (expected_.chain && header.previous_chain != *expected_.chain))) {
            report(previous_path_, previous_end_, previous_end_,
                   fmt::format(
                       "records are missing: the next segment begins at sequence {}, this one ends before {}",
                       header.first_sequence, *expected_.sequence));
        }
        expected_ = {header.first_sequence, header.previous_chain};
    }

    // A prepared segment, or one whose header is lost.
    Status check_unheaded(SegmentScan& scan, const std::string& path) {
        for (std::uint64_t at = data_begin;;) {
            TARN_ASSIGN(const auto start, scan.find_start(at));
            if (!start) return {};
            TARN_ASSIGN(const auto head, scan.head_at(*start));
            if (head) {
                const Sequence missing = expected_.sequence.value_or(head->first_sequence);
                report(path, 0, data_begin, "the segment's header is missing, records are there",
                       head->synced_before <= missing);
                return {};
            }
            at = *start + 8;
        }
    }

    Status check_records(SegmentScan& scan, const std::string& path) {
        RecordHead head;
        RecordView view;
        while (true) {
            TARN_ASSIGN(const SegmentScan::Found found, scan.next(expected_, head, view));
            if (found == SegmentScan::Found::record) continue;
            const std::uint64_t stop = scan.position();
            const std::string why = found == SegmentScan::Found::invalid ? scan.why() : "records are missing";
            TARN_ASSIGN(const auto later, scan.find_record(stop + 8, expected_.sequence.value_or(0)));
            previous_path_ = path;
            previous_end_ = stop;
            if (!later) {
                if (found == SegmentScan::Found::clean_end) return {};
                TARN_ASSIGN(const std::uint64_t end, scan.find_end_mark(stop + 8));
                report(path, stop, end, why, true);
                return {};
            }
            const bool tail = later->head.synced_before <= expected_.sequence.value_or(0);
            report(path, stop, later->position, why, tail);
            scan.seek(later->position);
            expected_ = {};
        }
    }

    void report(const std::string& path, std::uint64_t begin, std::uint64_t end, std::string what,
                bool tail = false) {
        damages_.push_back({path, begin, end, std::move(what), tail});
    }

    os::FileSystem& fs_;
    const std::string& directory_;
    std::vector<Damage> damages_;
    Expected expected_;
    std::uint64_t previous_number_ = 0;
    std::string previous_path_;
    std::uint64_t previous_end_ = 0;
};

}  // namespace

Result<std::vector<Damage>> check_directory(os::FileSystem& fs, const std::string& directory) {
    return Checker(fs, directory).run();
}

}  // namespace tarn::log
