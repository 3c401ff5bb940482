#include "replay/ledger.h"

#include <fmt/core.h>

#include <algorithm>

#include "codec/hash.h"
#include "replay/fixed_layout.h"

namespace tarn::replay {
namespace {

constexpr std::string_view header_magic = "TARNLDG\n";
constexpr std::uint32_t format_version = 1;
constexpr std::size_t max_text_bytes = 4096;
constexpr std::uint32_t max_frame_bytes = 64u << 20;
constexpr std::size_t copy_bytes = 1u << 20;

constexpr std::size_t epoch_at = 12;

std::string make_header(std::uint64_t entries, const std::string& manifest_sha256, std::uint32_t epoch) {
    std::string header(header_magic);
    put<std::uint32_t>(header, format_version);
    put<std::uint32_t>(header, epoch);
    put<std::uint64_t>(header, entries);
    // The first 32 of the 64 hex digits: enough to recognise a foreign manifest, readable in a hex dump.
    header += manifest_sha256.substr(0, 32);
    header.resize(ledger_header_bytes - 4, '\0');
    put<std::uint32_t>(header, codec::crc32c(header));
    return header;
}

bool header_is_valid(std::string_view header) {
    return header.size() == ledger_header_bytes && header.substr(0, 8) == header_magic &&
           codec::crc32c(header.substr(0, ledger_header_bytes - 4)) ==
               get<std::uint32_t>(header, ledger_header_bytes - 4);
}

void append_record(std::string& out, const LedgerRecord& record) {
    const std::string_view text = std::string_view(record.text).substr(0, max_text_bytes);
    put<std::uint8_t>(out, static_cast<std::uint8_t>(record.kind));
    put<std::uint8_t>(out, record.attempts);
    put<std::uint16_t>(out, static_cast<std::uint16_t>(text.size()));
    put<std::uint32_t>(out, record.count);
    put<std::uint64_t>(out, record.first);
    put<std::int64_t>(out, record.at.us);
    out += text;
}

std::string make_frame(std::uint64_t number, const std::vector<LedgerRecord>& records) {
    std::string sealed;
    put<std::uint64_t>(sealed, number);
    for (const LedgerRecord& record : records) append_record(sealed, record);
    std::string frame;
    put<std::uint32_t>(frame, static_cast<std::uint32_t>(sealed.size() - 8));
    put<std::uint32_t>(frame, codec::crc32c(sealed, codec::crc32c(frame)));
    return frame + sealed;
}

// The whole frame at `at` when it verifies, else empty.
std::string_view frame_at(std::string_view bytes, std::size_t at) {
    if (bytes.size() - at < ledger_frame_header_bytes) return {};
    const std::uint32_t length = get<std::uint32_t>(bytes, at);
    if (length > max_frame_bytes || length > bytes.size() - at - ledger_frame_header_bytes) return {};
    const std::string_view frame = bytes.substr(at, ledger_frame_header_bytes + length);
    const std::uint32_t crc = codec::crc32c(frame.substr(8), codec::crc32c(frame.substr(0, 4)));
    return crc == get<std::uint32_t>(frame, 4) ? frame : std::string_view();
}

// A torn frame is always the last: a later one that verifies proves damage.
bool has_frame_after(std::string_view bytes, std::uint64_t number) {
    for (std::size_t i = 1; i + ledger_frame_header_bytes <= bytes.size(); ++i) {
        const std::uint64_t found = get<std::uint64_t>(bytes, i + 8);
        if (found > number && found - number < 1'000'000 && !frame_at(bytes, i).empty()) return true;
    }
    return false;
}

// Up to `length` bytes from `at` on; fewer at the file's end.
Result<std::string> read_range(const os::File& file, std::uint64_t at, std::uint64_t length) {
    std::string bytes(length, '\0');
    TARN_ASSIGN(const std::size_t got, file.read_at(at, std::span(bytes.data(), bytes.size())));
    bytes.resize(got);
    return bytes;
}

void count_outcomes(LedgerState& state, LedgerKind kind, std::uint64_t count) {
    switch (kind) {
        case LedgerKind::acknowledged:
            state.acknowledged += count;
            break;
        case LedgerKind::skipped:
            state.skipped += count;
            break;
        case LedgerKind::failed:
            state.failed += count;
            break;
        case LedgerKind::held:
            state.held += count;
            break;
        case LedgerKind::unknown:
            state.unknown += count;
            break;
        default:
            break;
    }
}

void count_ahead(LedgerState& state, const LedgerRecord& record) {
    LedgerRecord one = record;
    one.count = 1;
    for (std::uint64_t index = record.first; index < record.first + record.count; ++index) {
        one.first = index;
        if (index >= state.settled && state.ahead.emplace(index, one).second)
            count_outcomes(state, in_its_turn(record.kind), 1);
    }
}

void count_record(LedgerState& state, const LedgerRecord& record) {
    if (record.kind == LedgerKind::opening) {
        state.opening = true;
    } else if (record.kind == LedgerKind::mark) {
        state.opened = true;
        state.mark = record.first;
    } else if (is_ahead(record.kind)) {
        count_ahead(state, record);
    } else {
        state.settled += record.count;
        const auto end = state.ahead.lower_bound(state.settled);
        const auto counted = static_cast<std::uint64_t>(std::distance(state.ahead.begin(), end));
        state.ahead.erase(state.ahead.begin(), end);
        count_outcomes(state, record.kind, record.count - counted);
    }
}

// Reads frames as long as they verify, a piece of the file at a time.
class FrameReader {
public:
    using OnRecord = std::function<Status(const LedgerRecord&)>;
    // `on_frame` sees the bytes of each that verifies.
    FrameReader(std::string path, const os::File& file, std::uint64_t size, LedgerState& state,
                const OnRecord& on_record, std::function<Status(std::string_view)> on_frame = {})
        : path_(std::move(path)),
          file_(file),
          size_(size),
          state_(state),
          fn_(on_record),
          on_frame_(std::move(on_frame)) {}

    Status read_all() {
        while (at_ < size_) {
            TARN_ASSIGN(const std::string_view frame, next_frame_bytes());
            if (frame.empty() || get<std::uint64_t>(frame, 8) != number_) break;
            TARN_TRY(read_records(frame.substr(ledger_frame_header_bytes)));
            if (on_frame_) TARN_TRY(on_frame_(frame));
            at_ += frame.size();
            ++number_;
        }
        if (at_ >= size_) return {};
        TARN_ASSIGN(const std::string rest, read_range(file_, at_, size_ - at_));
        if (has_frame_after(rest, number_)) return damaged("a frame does not verify, later ones do");
        return {};
    }
    std::uint64_t end() const { return at_; }
    std::uint64_t next_frame() const { return number_; }

private:
    static constexpr std::uint64_t piece_bytes = 1u << 20;

    Failure damaged(std::string what) const {
        return fail(Code::ledger_damaged, std::move(what),
                    {.place = {.source = path_, .byte = at_},
                     .next = "the run cannot be resumed: plan again what is left"});
    }

    // The frame at at_; empty when it does not verify.
    Result<std::string_view> next_frame_bytes() {
        const std::string_view known =
            at_ < piece_end() ? frame_at(piece_, at_ - piece_at_) : std::string_view();
        if (!known.empty()) return known;
        TARN_ASSIGN(piece_, read_range(file_, at_, std::min(piece_bytes, size_ - at_)));
        piece_at_ = at_;
        if (piece_.size() < ledger_frame_header_bytes) return std::string_view();
        const std::uint64_t whole = ledger_frame_header_bytes + get<std::uint32_t>(piece_, 0);
        if (whole > piece_.size() && whole <= max_frame_bytes && whole <= size_ - at_) {
            TARN_ASSIGN(piece_, read_range(file_, at_, whole));
        }
        return frame_at(piece_, 0);
    }
    std::uint64_t piece_end() const { return piece_at_ + piece_.size(); }

    Status read_records(std::string_view body) {
        for (std::size_t at = 0; at < body.size();) {
            if (body.size() - at < ledger_record_bytes) return damaged("a record is cut off inside a frame");
            LedgerRecord record;
            record.kind = static_cast<LedgerKind>(get<std::uint8_t>(body, at));
            record.attempts = get<std::uint8_t>(body, at + 1);
            const std::size_t text_bytes = get<std::uint16_t>(body, at + 2);
            record.count = get<std::uint32_t>(body, at + 4);
            record.first = get<std::uint64_t>(body, at + 8);
            record.at = Time{get<std::int64_t>(body, at + 16)};
            at += ledger_record_bytes;
            if (ledger_kind_name(record.kind).empty() || body.size() - at < text_bytes)
                return damaged("a record of unknown kind or length");
            record.text = body.substr(at, text_bytes);
            at += text_bytes;
            if (settles(record.kind) && record.first != state_.settled)
                return damaged(
                    fmt::format("a record begins at event {}, expected {}", record.first, state_.settled));
            count_record(state_, record);
            if (fn_) TARN_TRY(fn_(record));
        }
        return {};
    }

    std::string path_;
    const os::File& file_;
    const std::uint64_t size_;
    LedgerState& state_;
    const OnRecord& fn_;
    const std::function<Status(std::string_view)> on_frame_;
    std::string piece_;
    std::uint64_t piece_at_ = 0;
    std::uint64_t at_ = ledger_header_bytes;
    std::uint64_t number_ = 1;
};

bool joins(const LedgerRecord& last, const LedgerRecord& record) {
    return (settles(record.kind) || is_ahead(record.kind)) && last.kind == record.kind &&
           last.attempts == record.attempts && last.first + last.count == record.first &&
           last.text == record.text && last.count <= UINT32_MAX - record.count;
}

}  // namespace

std::string_view ledger_kind_name(LedgerKind kind) {
    switch (kind) {
        case LedgerKind::acknowledged:
            return "acknowledged";
        case LedgerKind::skipped:
            return "skipped";
        case LedgerKind::failed:
            return "failed";
        case LedgerKind::held:
            return "held";
        case LedgerKind::unknown:
            return "unknown";
        case LedgerKind::opening:
            return "opening";
        case LedgerKind::mark:
            return "mark";
        default:
            return is_ahead(kind) ? "ahead" : std::string_view();
    }
}

Result<std::unique_ptr<Ledger>> Ledger::open(os::FileSystem& fs, const std::string& path,
                                             std::uint64_t entries, const std::string& manifest_sha256,
                                             const std::function<Status(const LedgerRecord&)>& on_record) {
    std::unique_ptr<Ledger> ledger(new Ledger(fs, path));
    TARN_ASSIGN(const auto there, fs.stat(path));
    std::string known;
    if (there) {
        TARN_ASSIGN(const auto file, fs.open(path, os::OpenMode::read));
        TARN_ASSIGN(known, read_range(*file, 0, ledger_header_bytes));
    }
    // A crash while the file was made leaves no whole header, and nothing can have been sent then.
    if (!there || (there->size <= ledger_header_bytes && !header_is_valid(known))) {
        TARN_TRY(ledger->write_anew(make_header(entries, manifest_sha256, 1)));
        return ledger;
    }
    const std::uint32_t epoch = header_is_valid(known) ? get<std::uint32_t>(known, epoch_at) : 0;
    if (known != make_header(entries, manifest_sha256, epoch))
        return fail(Code::ledger_damaged, "the header does not verify or belongs to another plan",
                    {.place = {.source = path, .byte = 0},
                     .next = "the run cannot be resumed: plan again what is left"});
    ledger->epoch_ = epoch + 1;
    TARN_TRY(ledger->take_over(make_header(entries, manifest_sha256, epoch + 1), there->size, on_record));
    return ledger;
}

Status Ledger::write_anew(const std::string& header) {
    TARN_TRY(os::write_file_durably(fs_, path_, header));
    TARN_ASSIGN(file_, fs_.open(path_, os::OpenMode::read_write));
    end_ = header.size();
    return {};
}

// The file is made anew, not written on: who wrote it before may be stopped in the middle of a write, and
// goes on some day. What was read becomes durable before anything is built on it.
Status Ledger::take_over(const std::string& header, std::uint64_t size,
                         const std::function<Status(const LedgerRecord&)>& on_record) {
    const std::string part = path_ + ".new";
    TARN_ASSIGN(const auto old, fs_.open(path_, os::OpenMode::read));
    TARN_ASSIGN(auto file, fs_.open(part, os::OpenMode::create));
    TARN_TRY(file->truncate(0));
    TARN_TRY(file->write_at(0, header));
    end_ = header.size();
    std::string buffer;
    const auto flush = [&]() -> Status {
        TARN_TRY(file->write_at(end_, buffer));
        end_ += buffer.size();
        buffer.clear();
        return {};
    };
    FrameReader reader(path_, *old, size, state_, on_record, [&](std::string_view frame) -> Status {
        buffer += frame;
        return buffer.size() < copy_bytes ? Status() : flush();
    });
    TARN_TRY(reader.read_all());
    if (!buffer.empty()) TARN_TRY(flush());
    TARN_TRY(file->sync());
    TARN_TRY(fs_.rename(part, path_));
    TARN_TRY(fs_.sync_directory(os::parent_of(path_)));
    file_ = std::move(file);
    next_frame_ = reader.next_frame();
    torn_bytes_ = size - reader.end();
    return {};
}

Status Ledger::check_is_ours() const {
    TARN_ASSIGN(const auto file, fs_.open(path_, os::OpenMode::read));
    TARN_ASSIGN(const std::string header, read_range(*file, 0, ledger_header_bytes));
    if (header_is_valid(header) && get<std::uint32_t>(header, epoch_at) == epoch_) return {};
    return fail(
        Code::run_state,
        fmt::format("another has taken this run over: its ledger is at epoch {}, this session began with {}",
                    header_is_valid(header) ? get<std::uint32_t>(header, epoch_at) : 0, epoch_),
        {.place = {.source = path_, .byte = {}},
         .next = "nothing more is sent from here. See how it goes on with: tarn replay list"});
}

void Ledger::add(LedgerRecord record) {
    count_record(state_, record);
    if (!pending_.empty() && joins(pending_.back(), record)) {
        pending_.back().count += record.count;
        return;
    }
    pending_.push_back(std::move(record));
}

Status Ledger::commit() {
    if (pending_.empty()) return {};
    const std::string frame = make_frame(next_frame_, pending_);
    TARN_TRY(file_->write_at(end_, frame));
    TARN_TRY(file_->sync());
    end_ += frame.size();
    ++next_frame_;
    pending_.clear();
    return {};
}

Result<LedgerState> read_ledger(os::FileSystem& fs, const std::string& path,
                                const std::function<Status(const LedgerRecord&)>& on_record) {
    LedgerState state;
    TARN_ASSIGN(const auto info, fs.stat(path));
    if (!info) return state;
    TARN_ASSIGN(const auto file, fs.open(path, os::OpenMode::read));
    TARN_ASSIGN(const std::uint64_t size, file->size());
    TARN_ASSIGN(const std::string header, read_range(*file, 0, ledger_header_bytes));
    if (size <= ledger_header_bytes && !header_is_valid(header)) return state;
    if (!header_is_valid(header))
        return fail(Code::ledger_damaged, "the header does not verify",
                    {.place = {.source = path, .byte = 0}});
    FrameReader reader(path, *file, size, state, on_record);
    TARN_TRY(reader.read_all());
    return state;
}

}  // namespace tarn::replay
