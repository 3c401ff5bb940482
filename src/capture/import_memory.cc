#include "capture/import_memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "codec/hash.h"

namespace tarn::capture {
namespace {

struct Known {
    std::string producer;
    Consumed consumed;
    bool matches = false;
};

// All versions of the file that were ever imported; `next` is the name for one more.
std::vector<Known> all_known(log::Log& log, const std::string& producer, std::string& next) {
    std::vector<Known> known;
    next = producer;
    for (auto origin = log.find_origin(next); origin; origin = log.find_origin(next)) {
        known.push_back({next, {origin->origin_sequence, origin->origin_tag}, false});
        next = fmt::format("{}#{}", producer, known.size());
    }
    return known;
}

}  // namespace

void Consumed::add(std::string_view record) {
    chain = codec::xxh3_64(record, chain);
    ++records;
}

std::string unfinished_producer(const std::string& producer, const Consumed& before,
                                std::string_view record) {
    return fmt::format("{}!{}:{:016x}", producer, before.records + 1, codec::xxh3_64(record, before.chain));
}

Result<Resume> find_resume(SourceReader& source, log::Log& log, const std::string& producer,
                           const CutterOptions& options) {
    Resume resume;
    std::vector<Known> known = all_known(log, producer, resume.producer);
    if (known.empty()) return resume;

    const auto longest =
        std::ranges::max_element(known, {}, [](const Known& k) { return k.consumed.records; });
    const std::uint64_t enough = longest->consumed.records;
    Consumed seen;
    bool done = false;
    const auto on_record = [&](const Record& record) -> Status {
        if (!record.complete) return {};
        seen.add(record.bytes);
        for (Known& one : known)
            if (one.consumed.records == seen.records) one.matches = one.consumed.chain == seen.chain;
        done = seen.records >= enough;
        // The error only ends the reading.
        return done ? fail(Code::interrupted, "enough was read") : Status();
    };
    const auto cutter = make_cutter(options, on_record);
    std::uint64_t bytes_read = 0;
    const Unpacked read =
        source.read(bytes_read, [&](std::string_view piece) { return cutter->feed(piece); });
    if (!done) TARN_TRY(read.consumer);
    if (!done && read.file) (void)cutter->finish();  // its only errors are the ones above

    for (const Known& one : known)
        if (one.matches && one.consumed.records > resume.records)
            resume = {one.producer, one.consumed.records};
    return resume;
}

}  // namespace tarn::capture
