// The bytes of segments and records: docs/formats/log.md. Encoding into and decoding from memory; no files
// here.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "log/reader.h"

namespace tarn::log {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint64_t header_bytes = 64;
inline constexpr std::uint64_t data_begin = 4096;  // records begin here: the header's page is written once
inline constexpr std::uint64_t head_bytes = 104;   // of a record
inline constexpr std::uint64_t entry_bytes = 40;
inline constexpr std::uint64_t end_mark_bytes = 32;
inline constexpr std::uint32_t record_magic = 0x43455254;  // "TREC"

// State byte of an entry.
inline constexpr char state_present = 0;
inline constexpr char state_erased = 1;

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian; so are all machines we build for");

template <typename T>
T load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}
template <typename T>
void store(char* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

struct SegmentHeader {
    std::uint64_t number = 0;
    Sequence first_sequence = 0;
    std::uint64_t previous_chain = 0;
    std::uint64_t capacity = 0;

    // Tells this life of the segment from any other, also from what a payload might pretend: nobody outside
    // knows chains.
    std::uint32_t incarnation() const { return static_cast<std::uint32_t>(previous_chain); }
};
enum class HeaderState { absent, valid, newer };

void encode_header(const SegmentHeader& header, char* out);  // header_bytes
HeaderState decode_header(std::string_view bytes, SegmentHeader& header);

// The fixed part of a record.
struct RecordHead {
    std::uint32_t head_crc = 0;
    std::uint32_t payload_crc = 0;
    std::uint32_t incarnation = 0;
    std::uint64_t chain = 0;
    std::uint64_t length = 0;
    std::uint64_t segment = 0;
    Sequence first_sequence = 0;
    Sequence synced_before = 0;
    Time ingested;
    StreamId stream;
    std::uint32_t entries = 0;
    std::uint64_t origin_sequence = 0;
    std::uint64_t origin_tag = 0;
    std::uint32_t producer_bytes = 0;
    std::uint32_t meta_bytes = 0;
    std::uint64_t payload_bytes = 0;

    std::uint64_t table_begin() const { return head_bytes; }
    std::uint64_t producer_begin() const { return head_bytes + entries * entry_bytes; }
    std::uint64_t metas_begin() const { return producer_begin() + producer_bytes; }
    std::uint64_t states_begin() const { return metas_begin() + meta_bytes; }
    std::uint64_t payloads_begin() const { return states_begin() + entries; }
    std::uint64_t unpadded() const { return payloads_begin() + payload_bytes; }
    Sequence end_sequence() const { return first_sequence + entries; }
};

inline std::uint64_t padded(std::uint64_t length) { return (length + 7) & ~std::uint64_t{7}; }

// Where the block of the disk with this byte begins, and where one ends that begins before it.
inline std::uint64_t block_begin(std::uint64_t position) {
    return position / os::direct_block_bytes * os::direct_block_bytes;
}
inline std::uint64_t block_end(std::uint64_t position) {
    return block_begin(position + os::direct_block_bytes - 1);
}

// What stands in the table for one entry.
struct EntryFields {
    Partition partition = 0;
    event::PayloadForm form = event::PayloadForm::json;
    Offset offset = 0;
    std::uint32_t meta_bytes = 0;
    std::uint32_t payload_bytes = 0;
    Hash128 hash;
};

void encode_entry(const EntryFields& entry, char* out);
EntryFields decode_entry(const char* at);

void encode_head(const RecordHead& head, char* out);
// false when it is no head: wrong magic, or lengths that do not add up. Checks no CRC; length is not compared
// with a file.
bool decode_head(std::string_view bytes, RecordHead& head);

// Seals an encoded record whose bytes stand at `out`, complete but for chain and head_crc: returns the chain.
std::uint64_t seal_record(const RecordHead& head, std::uint64_t previous_chain, char* out);
std::uint64_t chain_of(const RecordHead& head, std::uint64_t previous_chain, const char* record);

// The checks of a record in memory. head_verifies needs the bytes up to the payloads, the other all of it.
bool head_verifies(const RecordHead& head, std::string_view bytes);
bool payloads_verify(const RecordHead& head, std::string_view record);
// Fills `view` from a record that verifies; false when the table does not add up. Views are into `record`.
bool read_record(const RecordHead& head, std::string_view record, RecordView& view);

// "0000000000000007.log" and back; 0 for other names.
std::string segment_name(std::uint64_t number);
std::uint64_t segment_number(std::string_view name);

}  // namespace tarn::log
