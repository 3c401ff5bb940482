#include "log/log_format.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "codec/hash.h"

namespace tarn::log {
namespace {

constexpr std::string_view header_magic = "TARNLOG\n";

std::uint32_t header_crc(const char* bytes) {
    const std::uint32_t begin = codec::crc32c({bytes, 12});
    return codec::crc32c({bytes + 16, header_bytes - 16}, begin);
}

}  // namespace

void encode_header(const SegmentHeader& header, char* out) {
    std::memset(out, 0, header_bytes);
    header_magic.copy(out, header_magic.size());
    store(out + 8, format_version);
    store(out + 16, header.number);
    store(out + 24, header.first_sequence);
    store(out + 32, header.previous_chain);
    store(out + 40, header.capacity);
    store(out + 12, header_crc(out));
}

HeaderState decode_header(std::string_view bytes, SegmentHeader& header) {
    if (bytes.size() < header_bytes || !bytes.starts_with(header_magic)) return HeaderState::absent;
    const char* at = bytes.data();
    if (load<std::uint32_t>(at + 12) != header_crc(at)) return HeaderState::absent;
    if (load<std::uint32_t>(at + 8) > format_version) return HeaderState::newer;
    header.number = load<std::uint64_t>(at + 16);
    header.first_sequence = load<std::uint64_t>(at + 24);
    header.previous_chain = load<std::uint64_t>(at + 32);
    header.capacity = load<std::uint64_t>(at + 40);
    return HeaderState::valid;
}

void encode_entry(const EntryFields& entry, char* out) {
    store(out, entry.partition);
    store(out + 4, static_cast<std::uint32_t>(entry.form));
    store(out + 8, entry.offset);
    store(out + 16, entry.meta_bytes);
    store(out + 20, entry.payload_bytes);
    store(out + 24, entry.hash.high);
    store(out + 32, entry.hash.low);
}

EntryFields decode_entry(const char* at) {
    EntryFields entry;
    entry.partition = load<Partition>(at);
    entry.form = static_cast<event::PayloadForm>(load<std::uint8_t>(at + 4));
    entry.offset = load<Offset>(at + 8);
    entry.meta_bytes = load<std::uint32_t>(at + 16);
    entry.payload_bytes = load<std::uint32_t>(at + 20);
    entry.hash = {load<std::uint64_t>(at + 24), load<std::uint64_t>(at + 32)};
    return entry;
}

void encode_head(const RecordHead& head, char* out) {
    store(out, record_magic);
    store(out + 4, head.head_crc);
    store(out + 8, head.payload_crc);
    store(out + 12, head.incarnation);
    store(out + 16, head.chain);
    store(out + 24, head.length);
    store(out + 32, head.segment);
    store(out + 40, head.first_sequence);
    store(out + 48, head.synced_before);
    store(out + 56, head.ingested.us);
    store(out + 64, head.stream.value);
    store(out + 68, head.entries);
    store(out + 72, head.origin_sequence);
    store(out + 80, head.origin_tag);
    store(out + 88, head.producer_bytes);
    store(out + 92, head.meta_bytes);
    store(out + 96, head.payload_bytes);
}

bool decode_head(std::string_view bytes, RecordHead& head) {
    if (bytes.size() < head_bytes || load<std::uint32_t>(bytes.data()) != record_magic) return false;
    const char* at = bytes.data();
    head.head_crc = load<std::uint32_t>(at + 4);
    head.payload_crc = load<std::uint32_t>(at + 8);
    head.incarnation = load<std::uint32_t>(at + 12);
    head.chain = load<std::uint64_t>(at + 16);
    head.length = load<std::uint64_t>(at + 24);
    head.segment = load<std::uint64_t>(at + 32);
    head.first_sequence = load<Sequence>(at + 40);
    head.synced_before = load<Sequence>(at + 48);
    head.ingested.us = load<std::int64_t>(at + 56);
    head.stream.value = load<std::uint32_t>(at + 64);
    head.entries = load<std::uint32_t>(at + 68);
    head.origin_sequence = load<std::uint64_t>(at + 72);
    head.origin_tag = load<std::uint64_t>(at + 80);
    head.producer_bytes = load<std::uint32_t>(at + 88);
    head.meta_bytes = load<std::uint32_t>(at + 92);
    head.payload_bytes = load<std::uint64_t>(at + 96);
    // The counts are 32 bits wide, so only payload_bytes could make the sum overflow.
    return head.entries > 0 && head.payload_bytes <= head.length && head.length == padded(head.unpadded());
}

std::uint64_t chain_of(const RecordHead& head, std::uint64_t previous_chain, const char* record) {
    return codec::xxh3_64({record + 24, head.states_begin() - 24}, previous_chain);
}

std::uint64_t seal_record(const RecordHead& head, std::uint64_t previous_chain, char* out) {
    const std::uint64_t chain = chain_of(head, previous_chain, out);
    store(out + 16, chain);
    store(out + 4, codec::crc32c({out + 8, head.payloads_begin() - 8}));
    return chain;
}

bool head_verifies(const RecordHead& head, std::string_view bytes) {
    if (bytes.size() < head.payloads_begin()) return false;
    return codec::crc32c(bytes.substr(8, head.payloads_begin() - 8)) == head.head_crc;
}

bool payloads_verify(const RecordHead& head, std::string_view record) {
    if (record.size() < head.length) return false;
    const std::uint64_t begin = head.payloads_begin();
    return codec::crc32c(record.substr(begin, head.length - begin)) == head.payload_crc;
}

bool read_record(const RecordHead& head, std::string_view record, RecordView& view) {
    view.stream = head.stream;
    view.origin.producer = record.substr(head.producer_begin(), head.producer_bytes);
    view.origin.sequence = head.origin_sequence;
    view.origin.tag = head.origin_tag;
    view.ingested = head.ingested;
    view.first_sequence = head.first_sequence;
    view.events.clear();
    std::uint64_t meta = head.metas_begin();
    std::uint64_t payload = head.payloads_begin();
    for (std::uint32_t i = 0; i < head.entries; ++i) {
        const EntryFields entry = decode_entry(record.data() + head.table_begin() + i * entry_bytes);
        if (entry.meta_bytes > head.states_begin() - meta || entry.payload_bytes > head.unpadded() - payload)
            return false;
        if (entry.form > event::PayloadForm::base64) return false;
        event::StoredEvent& event = view.events.emplace_back();
        event.position = {head.stream, entry.partition, entry.offset};
        event.sequence = head.first_sequence + i;
        event.ingested = head.ingested;
        event.meta = record.substr(meta, entry.meta_bytes);
        if (record[head.states_begin() + i] == state_present)
            event.payload = record.substr(payload, entry.payload_bytes);
        event.form = entry.form;
        event.hash = entry.hash;
        meta += entry.meta_bytes;
        payload += entry.payload_bytes;
    }
    return meta == head.states_begin() && payload == head.unpadded();
}

std::string segment_name(std::uint64_t number) { return fmt::format("{:016}.log", number); }

std::uint64_t segment_number(std::string_view name) {
    if (name.size() != 20 || !name.ends_with(".log")) return 0;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + 16, number);
    return error == std::errc() && end == name.data() + 16 ? number : 0;
}

}  // namespace tarn::log
