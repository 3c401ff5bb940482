#include "replay/delivered.h"

#include <algorithm>

#include "replay/ledger.h"

namespace tarn::replay {
namespace {

Status collect(Replay::Parts& parts, const std::string& run, const std::string& plan,
               std::vector<Position>& positions) {
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
            positions.push_back({entry.stream, entry.partition, entry.offset});
        }
    }
    return {};
}

}  // namespace

std::string job_file(const Replay::Parts& parts, std::string_view job, std::string_view file) {
    return os::join(os::join(parts.directory, job), file);
}

namespace {

// Calls fn(run id, plan id) for each earlier run to an equal target.
Status for_each_earlier_run(Replay::Parts& parts, const TargetAddress& target, std::string_view copy,
                            std::string_view target_stream_id, std::string_view except_run,
                            const std::function<Status(const std::string&, const std::string&)>& fn) {
    if (target.kind == TargetKind::null || target.kind == TargetKind::file || !copy.empty()) return {};
    TARN_ASSIGN(const std::vector<catalog::Document> runs, parts.catalog.documents("run"));
    for (const catalog::Document& run : runs) {
        if (run.id == except_run || run.body["target"].as_string() != target.text() ||
            !run.body["into"].as_string().empty())
            continue;
        if (run.body["target_version"]["stream"].as_string() != target_stream_id)
            continue;  // a namesake made later
        TARN_TRY(fn(run.id, run.body["plan"].as_string()));
    }
    return {};
}

// Of one earlier run. Both manifests are in sequence order.
Status mark_delivered(Replay::Parts& parts, const std::string& run, const std::string& plan,
                      ManifestReader& manifest, DeliveredEntries& delivered) {
    TARN_ASSIGN(const auto earlier, ManifestReader::open(parts.fs, job_file(parts, plan, "manifest.bin")));
    DeliveredEntries acknowledged(earlier->entries());
    bool any = false;
    const auto remember = [&](const LedgerRecord& record) {
        const std::uint64_t end = std::min(record.first + record.count, earlier->entries());
        // An interrupted run may have delivered some ahead of their turn.
        if (in_its_turn(record.kind) != LedgerKind::acknowledged) return Status();
        for (std::uint64_t index = record.first; index < end; ++index) acknowledged.add(index);
        any = any || record.first < end;
        return Status();
    };
    TARN_TRY(read_ledger(parts.fs, job_file(parts, run, "ledger.bin"), remember));
    if (!any) return {};
    ManifestEntry mine, theirs;
    manifest.seek(0);
    TARN_ASSIGN(bool more, manifest.next(mine));
    TARN_ASSIGN(bool more_of_theirs, earlier->next(theirs));
    while (more && more_of_theirs) {
        if (mine.sequence == theirs.sequence && acknowledged.contains(earlier->index() - 1) &&
            mine.stream == theirs.stream && mine.partition == theirs.partition &&
            mine.offset == theirs.offset)
            delivered.add(manifest.index() - 1);
        const bool is_behind = mine.sequence < theirs.sequence;
        if (mine.sequence >= theirs.sequence) {
            TARN_ASSIGN(more_of_theirs, earlier->next(theirs));
        }
        if (is_behind) {
            TARN_ASSIGN(more, manifest.next(mine));
        }
    }
    return {};
}

}  // namespace

Result<std::vector<Position>> delivered_before(Replay::Parts& parts, const TargetAddress& target,
                                               std::string_view copy, std::string_view target_stream_id,
                                               std::string_view except_run) {
    std::vector<Position> positions;
    TARN_TRY(for_each_earlier_run(parts, target, copy, target_stream_id, except_run,
                                  [&](const std::string& run, const std::string& plan) {
                                      return collect(parts, run, plan, positions);
                                  }));
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
    return positions;
}

Result<DeliveredEntries> delivered_entries(Replay::Parts& parts, const TargetAddress& target,
                                           std::string_view copy, std::string_view target_stream_id,
                                           std::string_view except_run, ManifestReader& manifest) {
    DeliveredEntries delivered(manifest.entries());
    TARN_TRY(for_each_earlier_run(parts, target, copy, target_stream_id, except_run,
                                  [&](const std::string& run, const std::string& plan) {
                                      return mark_delivered(parts, run, plan, manifest, delivered);
                                  }));
    return delivered;
}

}  // namespace tarn::replay
