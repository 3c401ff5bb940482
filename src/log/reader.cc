#include "log/reader.h"

#include <fmt/core.h>

#include "log/segment_scan.h"

namespace tarn::log {

struct Reader::State {
    State(os::FileSystem& fs, std::vector<Extent> extents) : fs(fs), extents(std::move(extents)) {}

    os::FileSystem& fs;
    std::vector<Extent> extents;
    std::size_t current = 0;
    std::unique_ptr<os::File> file;
    std::optional<SegmentScan> scan;  // of the current extent, once its file is open
    Expected expected;
    std::optional<Error> failure;  // the first one stays

    Status open_extent();
    Result<bool> next(RecordView& record);
    Failure damaged(std::uint64_t byte, std::string_view what) const {
        return fail(Code::log_corrupt, fmt::format("{}", what),
                    {.place = {.source = extents[current].path, .byte = byte}, .next = "tarn fsck"});
    }
};

Status Reader::State::open_extent() {
    const Extent& extent = extents[current];
    TARN_ASSIGN(auto opened, fs.open(extent.path, os::OpenMode::read));
    char bytes[header_bytes];
    TARN_ASSIGN(const std::size_t read, opened->read_at(0, bytes));
    SegmentHeader header;
    const bool valid = decode_header({bytes, read}, header) == HeaderState::valid;
    // Records verify by themselves too; only what an earlier life of the file left needs its incarnation.
    const std::string_view name = std::string_view(extent.path).substr(extent.path.rfind('/') + 1);
    SegmentId id{segment_number(name), std::nullopt};
    if (valid) id = {header.number, header.incarnation()};
    if (scan) {
        scan->reset(*opened, id, extent.end);
    } else {
        scan.emplace(*opened, id, extent.end);
    }
    file = std::move(opened);
    scan->seek(extent.begin);
    return {};
}

Result<bool> Reader::State::next(RecordView& record) {
    for (; current < extents.size(); ++current, file.reset()) {
        if (!file) TARN_TRY(open_extent());
        if (scan->position() >= extents[current].end) continue;
        RecordHead head;
        TARN_ASSIGN(const SegmentScan::Found found, scan->next(expected, head, record));
        if (found == SegmentScan::Found::record) return true;
        return damaged(scan->position(),
                       found == SegmentScan::Found::invalid ? scan->why() : "a record is missing");
    }
    return false;
}

Reader::Reader(os::FileSystem& fs, std::vector<Extent> extents)
    : state_(std::make_unique<State>(fs, std::move(extents))) {}
Reader::~Reader() = default;

Result<bool> Reader::next(RecordView& record) {
    if (state_->failure) return fail(*state_->failure);
    auto result = state_->next(record);
    if (!result) state_->failure = result.error();
    return result;
}

}  // namespace tarn::log
