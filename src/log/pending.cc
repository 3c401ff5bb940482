#include "log/pending.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "codec/hash.h"

namespace tarn::log {
namespace {

constexpr std::size_t kept_buffer_bytes = 8 << 20;

bool fits_32_bits(std::uint64_t n) { return n <= std::numeric_limits<std::uint32_t>::max(); }

}  // namespace

Result<Measured> measure(const Batch& batch) {
    if (batch.entries.empty()) return fail(Code::internal, "a batch for the log holds no entry");
    Measured measured;
    std::uint64_t largest = 0;
    for (const Entry& entry : batch.entries) {
        measured.meta_bytes += entry.meta.size();
        measured.payload_bytes += entry.payload.size();
        largest = std::max(largest, entry.payload.size());
        measured.payload_crc = codec::crc32c(entry.payload, measured.payload_crc);
    }
    if (!fits_32_bits(batch.entries.size()) || !fits_32_bits(measured.meta_bytes) || !fits_32_bits(largest) ||
        !fits_32_bits(batch.origin.producer.size())) {
        return fail(Code::too_large,
                    "a batch for the log exceeds 4 GiB in one part; send it in smaller batches");
    }
    RecordHead head;
    head.entries = static_cast<std::uint32_t>(batch.entries.size());
    head.producer_bytes = static_cast<std::uint32_t>(batch.origin.producer.size());
    head.meta_bytes = static_cast<std::uint32_t>(measured.meta_bytes);
    head.payload_bytes = measured.payload_bytes;
    measured.length = padded(head.unpadded());
    const char padding[8] = {};
    measured.payload_crc = codec::crc32c({padding, measured.length - head.unpadded()}, measured.payload_crc);
    return measured;
}

void Pending::begin_at(const Cursor& cursor, NextOffsets next_offsets) {
    cursor_ = cursor;
    next_offsets_ = std::move(next_offsets);
}

std::uint64_t Pending::capacity_after(std::uint64_t capacity) const {
    return std::min(segment_bytes_, 4 * capacity);
}

void Pending::close_chunk() {
    if (group_.chunks.empty()) return;
    Chunk& chunk = group_.chunks.back();
    const std::uint64_t mark = std::min(end_mark_bytes, chunk.capacity - chunk.records_end);
    const std::uint64_t zeros = block_end(chunk.records_end + mark) - chunk.records_end;
    if (zeros > 0) std::memset(group_.buffer.grow(zeros), 0, zeros);
    chunk.end = group_.buffer.size();
}

void Pending::open_chunk(bool opens) {
    Chunk& chunk = group_.chunks.emplace_back();
    chunk.segment = cursor_.segment;
    chunk.capacity = cursor_.capacity;
    chunk.opens = opens;
    chunk.position = opens ? 0 : block_begin(cursor_.position);
    chunk.kept = opens ? 0 : cursor_.position - chunk.position;
    chunk.begin = group_.buffer.size();
    chunk.first_ticket = group_.tickets.size();
    (void)group_.buffer.grow(chunk.kept);
    if (!opens) return;
    char* header = group_.buffer.grow(data_begin);
    std::memset(header, 0, data_begin);
    const SegmentHeader fields{cursor_.segment, cursor_.sequence, cursor_.chain, cursor_.capacity};
    encode_header(fields, header);
    cursor_.incarnation = fields.incarnation();
    cursor_.header_written = true;
}

// Moves the cursor to where a record of this length can stand and makes sure that the last chunk is there.
void Pending::place(std::uint64_t length) {
    const bool segment_is_empty = cursor_.position == data_begin && !cursor_.header_written;
    if (cursor_.position + length > cursor_.capacity) {
        if (!segment_is_empty) {
            close_chunk();
            cursor_.segment += 1;
            cursor_.position = data_begin;
            cursor_.capacity = capacity_after(cursor_.capacity);
            cursor_.header_written = false;
        }
        cursor_.capacity = std::max(cursor_.capacity, block_end(data_begin + length));
    }
    if (!cursor_.header_written) {
        open_chunk(true);
    } else if (group_.chunks.empty()) {
        open_chunk(false);
    }
}

void Pending::give_offsets(const Batch& batch, char* table, std::vector<Range>& ranges) {
    std::size_t current = 0;
    for (const Entry& entry : batch.entries) {
        if (ranges.empty() || ranges[current].partition != entry.partition) {
            auto at = std::ranges::lower_bound(ranges, entry.partition, {}, &Range::partition);
            if (at == ranges.end() || at->partition != entry.partition) {
                const Offset next = next_offsets_[{batch.stream, entry.partition}];
                at = ranges.insert(at, {entry.partition, next, next - 1});
            }
            current = static_cast<std::size_t>(at - ranges.begin());
        }
        ranges[current].last += 1;
        encode_entry(
            {entry.partition, entry.form, ranges[current].last, static_cast<std::uint32_t>(entry.meta.size()),
             static_cast<std::uint32_t>(entry.payload.size()), entry.hash},
            table);
        table += entry_bytes;
    }
    for (const Range& range : ranges) next_offsets_[{batch.stream, range.partition}] = range.last + 1;
}

void Pending::add(const Batch& batch, const Measured& measured, Time now, Log::Done done) {
    const Cursor before = cursor_;
    if (group_.chunks.empty()) group_first_ = cursor_.sequence;
    place(measured.length);

    Ticket& ticket = group_.tickets.emplace_back();
    ticket.done = std::move(done);
    ticket.stream = batch.stream;
    ticket.before = before;
    ticket.segment = cursor_.segment;
    ticket.position = cursor_.position;
    ticket.bytes = measured.meta_bytes + measured.payload_bytes;

    RecordHead head;
    head.payload_crc = measured.payload_crc;
    head.incarnation = cursor_.incarnation;
    head.length = measured.length;
    head.segment = cursor_.segment;
    head.first_sequence = cursor_.sequence;
    head.synced_before = group_first_;
    head.ingested = now;
    head.stream = batch.stream;
    head.entries = static_cast<std::uint32_t>(batch.entries.size());
    head.origin_sequence = batch.origin.sequence;
    head.origin_tag = batch.origin.tag;
    head.producer_bytes = static_cast<std::uint32_t>(batch.origin.producer.size());
    head.meta_bytes = static_cast<std::uint32_t>(measured.meta_bytes);
    head.payload_bytes = measured.payload_bytes;

    char* out = group_.buffer.grow(measured.length);
    encode_head(head, out);
    give_offsets(batch, out + head.table_begin(), ticket.answer.ranges);
    batch.origin.producer.copy(out + head.producer_begin(), head.producer_bytes);
    char* meta = out + head.metas_begin();
    char* payload = out + head.payloads_begin();
    std::memset(out + head.states_begin(), state_present, head.entries);
    for (const Entry& entry : batch.entries) {
        meta += entry.meta.copy(meta, entry.meta.size());
        payload += entry.payload.copy(payload, entry.payload.size());
    }
    std::memset(out + head.unpadded(), 0, head.length - head.unpadded());

    ticket.answer.first_sequence = head.first_sequence;
    ticket.answer.events = head.entries;
    ticket.answer.ingested = now;
    cursor_.chain = seal_record(head, cursor_.chain, out);
    cursor_.sequence += head.entries;
    cursor_.position += head.length;
    group_.chunks.back().records_end = cursor_.position;
    if (!batch.origin.producer.empty()) {
        ticket.has_origin = true;
        if (auto known = origins_.remember(batch.origin, ticket.answer)) {
            ticket.origin_before = std::make_unique<Appended>(*std::move(known));
        }
    }
}

void Pending::add_repeated(const Appended& answer, Log::Done done) {
    Ticket& ticket = group_.tickets.emplace_back();
    ticket.done = std::move(done);
    ticket.answer = answer;
    ticket.stored = false;
}

Group Pending::take(Group spare) {
    close_chunk();
    if (spare.buffer.capacity() > kept_buffer_bytes) spare.buffer = {};
    spare.buffer.clear();
    spare.chunks.clear();
    spare.tickets.clear();
    std::swap(spare, group_);
    return spare;
}

void Pending::undo(const Ticket& ticket) {
    if (!ticket.stored) return;
    for (const Range& range : ticket.answer.ranges)
        next_offsets_[{ticket.stream, range.partition}] = range.first;
    if (ticket.has_origin) {
        origins_.forget_last(ticket.origin_before ? std::optional(*ticket.origin_before) : std::nullopt);
    }
    cursor_ = ticket.before;
}

void Pending::take_back(Group& group, std::size_t from, std::vector<Ticket>& undone) {
    for (auto ticket = group_.tickets.rbegin(); ticket != group_.tickets.rend(); ++ticket) undo(*ticket);
    for (std::size_t i = group.tickets.size(); i-- > from;) undo(group.tickets[i]);
    std::move(group.tickets.begin() + static_cast<std::ptrdiff_t>(from), group.tickets.end(),
              std::back_inserter(undone));
    std::ranges::move(group_.tickets, std::back_inserter(undone));
    group.tickets.resize(from);
    group_.buffer.clear();
    group_.chunks.clear();
    group_.tickets.clear();
}

}  // namespace tarn::log
