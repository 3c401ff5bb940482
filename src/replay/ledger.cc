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

std::string make_header(std::uint64_t entries, const std::string& manifest_sha256) {
    std::string header(header_magic);
    put<std::uint32_t>(header, format_version);
    put<std::uint32_t>(header, 0);
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
bool has_frame_after(std::string_view bytes, std::size_t at, std::uint64_t number) {
    for (std::size_t i = at + 1; i + ledger_frame_header_bytes <= bytes.size(); ++i) {
        const std::uint64_t found = get<std::uint64_t>(bytes, i + 8);
        if (found > number && found - number < 1'000'000 && !frame_at(bytes, i).empty()) return true;
    }
    return false;
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

// Reads frames as long as they verify.
class FrameReader {
public:
    FrameReader(std::string path, std::string_view bytes, LedgerState& state,
                const std::function<Status(const LedgerRecord&)>& fn)
        : path_(std::move(path)), bytes_(bytes), state_(state), fn_(fn) {}

    Status read_all() {
        while (at_ < bytes_.size()) {
            const std::string_view frame = frame_at(bytes_, at_);
            if (frame.empty() || get<std::uint64_t>(frame, 8) != number_) break;
            TARN_TRY(read_records(frame.substr(ledger_frame_header_bytes)));
            at_ += frame.size();
            ++number_;
        }
        if (at_ < bytes_.size() && has_frame_after(bytes_, at_, number_))
            return damaged("a frame does not verify, later ones do");
        return {};
    }
    std::uint64_t end() const { return at_; }
    std::uint64_t next_frame() const { return number_; }

private:
    Failure damaged(std::string what) const {
        return fail(Code::ledger_damaged, std::move(what),
                    {.place = {.source = path_, .byte = at_},
                     .next = "the run cannot be resumed: plan again what is left"});
    }

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
    std::string_view bytes_;
    LedgerState& state_;
    const std::function<Status(const LedgerRecord&)>& fn_;
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
    std::unique_ptr<Ledger> ledger(new Ledger);
    TARN_ASSIGN(ledger->file_, fs.open(path, os::OpenMode::create));
    TARN_ASSIGN(const std::string bytes, os::read_file(fs, path));
    const std::string header = make_header(entries, manifest_sha256);
    // A crash while the file was made leaves no whole header, and nothing can have been sent then.
    if (bytes.size() <= ledger_header_bytes && !header_is_valid(bytes)) {
        TARN_TRY(ledger->file_->truncate(0));
        TARN_TRY(ledger->file_->write_at(0, header));
        TARN_TRY(ledger->file_->sync());
        TARN_TRY(fs.sync_directory(os::parent_of(path)));
        ledger->end_ = header.size();
        return ledger;
    }
    if (std::string_view(bytes).substr(0, ledger_header_bytes) != header)
        return fail(Code::ledger_damaged, "the header does not verify or belongs to another plan",
                    {.place = {.source = path, .byte = 0},
                     .next = "the run cannot be resumed: plan again what is left"});
    FrameReader reader(path, bytes, ledger->state_, on_record);
    TARN_TRY(reader.read_all());
    ledger->end_ = reader.end();
    ledger->next_frame_ = reader.next_frame();
    ledger->torn_bytes_ = bytes.size() - reader.end();
    if (ledger->torn_bytes_ > 0) TARN_TRY(ledger->file_->truncate(ledger->end_));
    // What was read may never have reached the disk: make it durable before anything is built on it.
    TARN_TRY(ledger->file_->sync());
    return ledger;
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
    TARN_ASSIGN(const std::string bytes, os::read_file(fs, path));
    const std::string_view header = std::string_view(bytes).substr(0, ledger_header_bytes);
    if (bytes.size() <= ledger_header_bytes && !header_is_valid(header)) return state;
    if (!header_is_valid(header))
        return fail(Code::ledger_damaged, "the header does not verify",
                    {.place = {.source = path, .byte = 0}});
    FrameReader reader(path, bytes, state, on_record);
    TARN_TRY(reader.read_all());
    return state;
}

}  // namespace tarn::replay
