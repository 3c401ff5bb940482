#include "replay/delivered.h"

#include "replay/ledger.h"
#include "replay/manifest.h"

namespace tarn::replay {
namespace {

Status collect(Replay::Parts& parts, const std::string& run, const std::string& plan,
               PositionSet& positions) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> acknowledged;  // [first, first + count)
    const auto remember = [&acknowledged](const LedgerRecord& record) {
        // An interrupted run may have delivered some ahead of their turn.
        if (in_its_turn(record.kind) == LedgerKind::acknowledged)
            acknowledged.emplace_back(record.first, record.count);
        return Status();
    };
    TARN_TRY(read_ledger(parts.fs, job_file(parts, run, "ledger.bin"), remember));
    if (acknowledged.empty()) return {};
    TARN_ASSIGN(const auto manifest, ManifestReader::open(parts.fs, job_file(parts, plan, "manifest.bin")));
    ManifestEntry entry;
    for (const auto& [first, count] : acknowledged) {
        manifest->seek(first);
        for (std::uint64_t i = 0; i < count; ++i) {
            TARN_ASSIGN(const bool more, manifest->next(entry));
            if (!more) break;
            positions.add({entry.stream, entry.partition, entry.offset});
        }
    }
    return {};
}

}  // namespace

std::string job_file(const Replay::Parts& parts, std::string_view job, std::string_view file) {
    return os::join(os::join(parts.directory, job), file);
}

Result<PositionSet> delivered_before(Replay::Parts& parts, const TargetAddress& target, std::string_view copy,
                                     std::string_view target_stream_id, std::string_view except_run) {
    PositionSet positions;
    if (target.kind == TargetKind::null || target.kind == TargetKind::file || !copy.empty()) return positions;
    TARN_ASSIGN(const std::vector<catalog::Document> runs, parts.catalog.documents("run"));
    for (const catalog::Document& run : runs) {
        if (run.id == except_run || run.body["target"].as_string() != target.text() ||
            !run.body["into"].as_string().empty())
            continue;
        if (run.body["target_version"]["stream"].as_string() != target_stream_id)
            continue;  // a namesake made later
        TARN_TRY(collect(parts, run.id, run.body["plan"].as_string(), positions));
    }
    return positions;
}

}  // namespace tarn::replay
