#include "replay/manifest.h"

#include <fmt/core.h>

#include <algorithm>

#include "replay/fixed_layout.h"

namespace tarn::replay {
namespace {

constexpr std::string_view header_magic = "TARNMAN\n";
constexpr std::string_view trailer_magic = "TARNEND\n";
constexpr std::uint32_t format_version = 1;
constexpr std::size_t full_block_bytes =
    manifest_block_header_bytes + manifest_block_records * manifest_record_bytes;

std::string make_header() {
    std::string header(header_magic);
    put<std::uint32_t>(header, format_version);
    put<std::uint32_t>(header, manifest_record_bytes);
    put<std::uint32_t>(header, manifest_block_records);
    header.resize(manifest_header_bytes - 4, '\0');
    put<std::uint32_t>(header, codec::crc32c(header));
    return header;
}

void append_record(std::string& out, const ManifestEntry& entry) {
    put<std::uint32_t>(out, entry.stream.value);
    put<std::uint32_t>(out, entry.partition);
    put<std::uint64_t>(out, entry.offset);
    put<std::uint64_t>(out, entry.sequence);
    put<std::uint64_t>(out, entry.key_hash);
    put<std::uint64_t>(out, entry.hash.high);
    put<std::uint64_t>(out, entry.hash.low);
    put<std::int64_t>(out, entry.time_us);
    put<std::uint32_t>(out, entry.bytes);
    put<std::uint32_t>(out, 0);
}

ManifestEntry parse_record(std::string_view bytes) {
    ManifestEntry entry;
    entry.stream = StreamId{get<std::uint32_t>(bytes, 0)};
    entry.partition = get<std::uint32_t>(bytes, 4);
    entry.offset = get<std::uint64_t>(bytes, 8);
    entry.sequence = get<std::uint64_t>(bytes, 16);
    entry.key_hash = get<std::uint64_t>(bytes, 24);
    entry.hash = Hash128{get<std::uint64_t>(bytes, 32), get<std::uint64_t>(bytes, 40)};
    entry.time_us = get<std::int64_t>(bytes, 48);
    entry.bytes = get<std::uint32_t>(bytes, 56);
    return entry;
}

std::string bytes_of_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    return bytes;
}

std::string hex_of_bytes(std::string_view bytes) {
    std::string hex;
    for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex;
}

// Bytes before the trailer for so many entries.
std::uint64_t body_bytes(std::uint64_t entries) {
    const std::uint64_t blocks = (entries + manifest_block_records - 1) / manifest_block_records;
    return manifest_header_bytes + blocks * manifest_block_header_bytes + entries * manifest_record_bytes;
}

Status read_exactly(const os::File& file, std::uint64_t at, std::size_t bytes, std::string& out) {
    out.resize(bytes);
    TARN_ASSIGN(const std::size_t got, file.read_at(at, out));
    out.resize(got);
    return {};
}

}  // namespace

Result<std::unique_ptr<ManifestWriter>> ManifestWriter::create(os::FileSystem& fs, const std::string& path,
                                                               const std::string& part) {
    std::unique_ptr<ManifestWriter> writer(new ManifestWriter(fs, path, part));
    TARN_ASSIGN(writer->file_, fs.open(part, os::OpenMode::create));
    TARN_TRY(writer->file_->truncate(0));
    TARN_TRY(writer->append(make_header()));
    return writer;
}

Status ManifestWriter::append(std::string_view bytes) {
    TARN_TRY(file_->write_at(at_, bytes));
    sha256_.update(bytes);
    at_ += bytes.size();
    return {};
}

Status ManifestWriter::write_block() {
    if (records_.empty()) return {};
    std::string block;
    block.reserve(full_block_bytes);
    put<std::uint32_t>(block, static_cast<std::uint32_t>(records_.size() / manifest_record_bytes));
    put<std::uint32_t>(block, codec::crc32c(records_, codec::crc32c(block)));
    block += records_;
    records_.clear();
    return append(block);
}

Status ManifestWriter::add(const ManifestEntry& entry) {
    append_record(records_, entry);
    ++entries_;
    return records_.size() == manifest_block_records * manifest_record_bytes ? write_block() : Status{};
}

Result<ManifestSummary> ManifestWriter::finish() {
    TARN_TRY(write_block());
    ManifestSummary summary{entries_, sha256_.finish_hex()};
    std::string trailer(trailer_magic);
    put<std::uint64_t>(trailer, entries_);
    trailer += bytes_of_hex(summary.sha256);
    put<std::uint32_t>(trailer, codec::crc32c(trailer));
    trailer.resize(manifest_trailer_bytes, '\0');
    TARN_TRY(file_->write_at(at_, trailer));
    TARN_TRY(file_->sync());
    file_.reset();
    TARN_TRY(fs_.make_directories(os::parent_of(path_)));
    TARN_TRY(fs_.rename(part_, path_));
    TARN_TRY(fs_.sync_directory(os::parent_of(path_)));
    return summary;
}

Failure ManifestReader::damaged(std::uint64_t byte, std::string what) const {
    return fail(
        Code::plan_damaged, std::move(what),
        {.place = {.source = path_, .byte = byte}, .next = "make the plan again: tarn replay plan …"});
}

Result<std::unique_ptr<ManifestReader>> ManifestReader::open(os::FileSystem& fs, const std::string& path) {
    std::unique_ptr<ManifestReader> reader(new ManifestReader(path));
    TARN_ASSIGN(const auto info, fs.stat(path));
    if (!info) return reader->damaged(0, "the manifest is missing");
    TARN_ASSIGN(reader->file_, fs.open(path, os::OpenMode::read));
    TARN_ASSIGN(const std::uint64_t size, reader->file_->size());
    if (size < manifest_header_bytes + manifest_trailer_bytes)
        return reader->damaged(
            size, fmt::format("the manifest has {} bytes, its header and seal alone need {}", size,
                              manifest_header_bytes + manifest_trailer_bytes));
    std::string header;
    TARN_TRY(read_exactly(*reader->file_, 0, manifest_header_bytes, header));
    if (header.substr(0, 8) == header_magic && get<std::uint32_t>(header, 8) > format_version)
        return fail(Code::newer_format, fmt::format("{} has format version {}, this Tarn reads {}", path,
                                                    get<std::uint32_t>(header, 8), format_version));
    if (header != make_header()) return reader->damaged(0, "the header does not verify");
    TARN_TRY(reader->read_trailer(size));
    return reader;
}

Status ManifestReader::read_trailer(std::uint64_t size) {
    const std::uint64_t at = size - manifest_trailer_bytes;
    std::string trailer;
    TARN_TRY(read_exactly(*file_, at, manifest_trailer_bytes, trailer));
    if (trailer.size() != manifest_trailer_bytes || trailer.substr(0, 8) != trailer_magic ||
        codec::crc32c(std::string_view(trailer).substr(0, 48)) != get<std::uint32_t>(trailer, 48))
        return damaged(at, "the seal at the end does not verify");
    entries_ = get<std::uint64_t>(trailer, 8);
    if (entries_ > size || body_bytes(entries_) != at)
        return damaged(
            at, fmt::format("the seal counts {} entries, which does not fit the size of the file", entries_));
    sha256_ = hex_of_bytes(std::string_view(trailer).substr(16, 32));
    return {};
}

Status ManifestReader::check() {
    codec::Sha256 sha256;
    const std::uint64_t end = body_bytes(entries_);
    std::string piece;
    for (std::uint64_t at = 0; at < end; at += piece.size()) {
        const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, 1 << 20));
        TARN_TRY(read_exactly(*file_, at, want, piece));
        if (piece.size() != want)
            return damaged(at + piece.size(), "the file became shorter while it was read");
        sha256.update(piece);
    }
    if (sha256.finish_hex() != sha256_) return damaged(0, "the manifest differs from its seal");
    return {};
}

Status ManifestReader::load_block(std::uint64_t block) {
    const std::uint64_t at = manifest_header_bytes + block * full_block_bytes;
    const std::uint64_t records =
        std::min<std::uint64_t>(manifest_block_records, entries_ - block * manifest_block_records);
    const std::size_t bytes = manifest_block_header_bytes + records * manifest_record_bytes;
    loaded_block_ = UINT64_MAX;
    TARN_TRY(read_exactly(*file_, at, bytes, block_));
    const std::string_view view = block_;
    if (view.size() != bytes || get<std::uint32_t>(view, 0) != records ||
        codec::crc32c(view.substr(manifest_block_header_bytes), codec::crc32c(view.substr(0, 4))) !=
            get<std::uint32_t>(view, 4))
        return damaged(at, fmt::format("block {} does not verify", block));
    loaded_block_ = block;
    return {};
}

Result<bool> ManifestReader::next(ManifestEntry& entry) {
    if (next_ >= entries_) return false;
    const std::uint64_t block = next_ / manifest_block_records;
    if (block != loaded_block_) TARN_TRY(load_block(block));
    const std::size_t at =
        manifest_block_header_bytes + (next_ % manifest_block_records) * manifest_record_bytes;
    entry = parse_record(std::string_view(block_).substr(at, manifest_record_bytes));
    ++next_;
    return true;
}

}  // namespace tarn::replay
