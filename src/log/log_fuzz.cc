// Arbitrary bytes as the files of a log's directory: opening, reading and checking may refuse them but must
// not crash, hang or read outside. What opens must take an append and open again with it. Input: a mode byte
// (bit 0: make checksums right, so that the fuzzer gets past them), then segment 1, and after a byte sequence
// "NEXT" segment 2.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/hash.h"
#include "log/log_format.h"
#include "log/reader.h"
#include "os/sim_file_system.h"

namespace tarn::log {
namespace {

constexpr std::uint64_t size_max = 1 << 20;

// Puts magic numbers, segment numbers and CRCs where records seem to be.
void make_plausible(std::string& segment, std::uint64_t number) {
    if (segment.size() < data_begin + head_bytes) return;
    const std::uint64_t chain = load<std::uint64_t>(segment.data() + 32);
    encode_header({number, load<Sequence>(segment.data() + 24) % 1000, chain, segment.size()},
                  segment.data());
    for (std::uint64_t at = data_begin; at + head_bytes <= segment.size();) {
        char* bytes = segment.data() + at;
        store(bytes, record_magic);
        store(bytes + 12, static_cast<std::uint32_t>(chain));
        store(bytes + 32, number);
        RecordHead head;
        if (!decode_head({bytes, segment.size() - at}, head) || head.length > segment.size() - at) return;
        store(bytes + 8, codec::crc32c({bytes + head.payloads_begin(), head.length - head.payloads_begin()}));
        store(bytes + 4, codec::crc32c({bytes + 8, head.payloads_begin() - 8}));
        at += head.length;
    }
}

void put_file(os::FileSystem& fs, std::uint64_t number, const std::string& bytes) {
    const auto file = fs.open("wal/" + segment_name(number), os::OpenMode::create);
    if (!file || !(*file)->write_at(0, bytes) || !(*file)->sync()) std::abort();
}

void read_everything(os::FileSystem& fs, std::vector<Extent> extents) {
    Reader reader(fs, std::move(extents));
    RecordView record;
    std::uint64_t sum = 0;
    for (auto more = reader.next(record); more && *more; more = reader.next(record)) {
        for (const auto& event : record.events)
            sum += codec::crc32c(event.meta) + codec::crc32c(event.payload);
    }
    [[maybe_unused]] static volatile std::uint64_t sink;
    sink = sum;
}

void check(std::string_view input) {
    if (input.empty() || input.size() > size_max) return;
    const bool plausible = (input[0] & 1) != 0;
    input.remove_prefix(1);
    const std::size_t cut = input.find("NEXT");
    std::string segments[2] = {std::string(input.substr(0, cut)),
                               cut == input.npos ? std::string() : std::string(input.substr(cut + 4))};
    os::SimFileSystem fs;
    os::SimClock clock;
    (void)fs.make_directories("wal");
    for (std::uint64_t i = 0; i < 2; ++i) {
        if (segments[i].empty()) continue;
        if (plausible) make_plausible(segments[i], i + 1);
        put_file(fs, i + 1, segments[i]);
    }
    (void)fs.sync_directory("wal");
    (void)check_directory(fs, "wal");
    for (std::uint64_t i = 0; i < 2; ++i) {
        if (!segments[i].empty())
            read_everything(fs, {{"wal/" + segment_name(i + 1), data_begin, segments[i].size()}});
    }
    const LogOptions options{
        .segment_bytes = 16 << 10, .headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false};
    Sequence end = 0;
    {
        const auto log = Log::open(fs, clock, "wal", {}, options);
        if (!log) return;
        read_everything(fs, (*log)->tail(0).extents);
        Batch batch;
        batch.entries.push_back({.meta = "", .payload = "{}", .hash = codec::xxh3_128("{}")});
        if (!(*log)->append(batch)) std::abort();
        end = (*log)->durable_end();
    }
    const auto again = Log::open(fs, clock, "wal", {}, options);
    if (!again || (*again)->durable_end() != end) std::abort();
}

}  // namespace
}  // namespace tarn::log

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tarn::log::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
