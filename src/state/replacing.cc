// Putting another file in the place of the live one. Where functions feed it: with the file, their
// subscriptions must move to where it stands. The file is renamed in one step, the subscriptions are written
// in another database in one transaction; what joins the two is a note in the catalog of what is being done,
// and a number in the new file that says whether it has come to its place.
#include <algorithm>

#include "state/damage.h"
#include "state/outside_feeders.h"
#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

using codec::Json;

constexpr std::string_view replacement_kind = "replacement";

}  // namespace

Result<std::vector<std::string>> StateImpl::outside_feeders(const std::string& store) {
    if (parts_.outside == nullptr) return std::vector<std::string>();
    return parts_.outside->feeders_of(store);
}

// Nothing of the functions that feed the store runs while the handle lives; no handle when there are none.
Result<std::shared_ptr<void>> StateImpl::end_programs(const std::string& store) {
    TARN_ASSIGN(const auto outside, outside_feeders(store));
    if (outside.empty()) return std::shared_ptr<void>();
    return parts_.outside->end_programs(store);
}

// A file that is being built says of each outside feeder where it stands: as `base` has it, or at the
// beginning.
Status StateImpl::write_outside_positions(const std::string& store, sqlite::Database& database,
                                          const std::vector<FeederPosition>& base) {
    TARN_ASSIGN(const auto outside, outside_feeders(store));
    if (outside.empty()) return {};
    TARN_ASSIGN(const auto live, parts_.outside->positions(store));
    return database.transaction([&]() -> Status {
        for (const auto& now : live) {
            const auto found = std::ranges::find(base, now.feeder, &FeederPosition::feeder);
            FeederPosition position{.feeder = now.feeder, .stream = now.stream, .stream_id = now.stream_id};
            if (found != base.end()) position = *found;
            std::vector<Sequence> sequences;
            for (const Position& exception : position.exceptions) {
                TARN_ASSIGN(const auto event, parts_.lake.get(exception));
                sequences.push_back(event.event.sequence);
            }
            TARN_TRY(put_position(database, position, sequences));
        }
        return {};
    });
}

// What moves the outside feeders to where the file at `path` stands; null when the store has none. They must
// be quiesced.
Result<Json> StateImpl::plan_placement(const std::string& store, const std::string& path, bool pause) {
    TARN_ASSIGN(const auto outside, outside_feeders(store));
    if (outside.empty()) return Json();
    TARN_ASSIGN(auto reader, explained(open_store_reader(path, parts_.vfs)));
    TARN_ASSIGN(auto positions, explained(read_positions(reader)));
    std::erase_if(positions, [&](const FeederPosition& position) {
        return std::ranges::find(outside, position.feeder) == outside.end();
    });
    return parts_.outside->plan_placement(store, positions, pause);
}

// Under slot.work with slot.files exclusive, and while the feeders are quiesced. `from` has no connection.
// `until`: the last snapshot that it came through, by number.
Status StateImpl::replace_live(const std::string& store, const std::string& from, Slot& slot,
                               const std::string& moved_aside, const Json& placement, std::uint64_t until) {
    TARN_ASSIGN(const auto number, parts_.catalog.next_number(replacement_kind));
    {
        // Where its feeders stand stays in it: after a crash before the swap it is still a copy like any
        // other.
        TARN_ASSIGN(auto database, explained(open_existing_store_file(from, parts_.vfs)));
        TARN_ASSIGN(const auto line, explained(read_replacement(database)));
        TARN_TRY(begin_line(store, number, line, until));
        TARN_TRY(mark_replacement(database, number));
        TARN_TRY(fold_in(database));
    }
    if (placement.is_null()) return put_in_place(from, {store, ""}, slot, moved_aside);
    TARN_TRY(parts_.catalog.put_document({std::string(replacement_kind), store, parts_.clock.now(),
                                          Json::object({{"number", number}, {"placement", placement}})}));
    const Status put = put_in_place(from, {store, ""}, slot, moved_aside);
    const Status finished = finish_replacement(store);
    return put ? finished : put;
}

Status StateImpl::finish_replacement(const std::string& store) {
    TARN_ASSIGN(const auto document, parts_.catalog.document(replacement_kind, store));
    if (!document) return {};
    TARN_ASSIGN(const bool is_there, came_to_its_place(store, document->body["number"].as_uint()));
    if (is_there && parts_.outside != nullptr) TARN_TRY(parts_.outside->place(document->body["placement"]));
    return parts_.catalog.delete_document(replacement_kind, store);
}

Result<bool> StateImpl::came_to_its_place(const std::string& store, std::uint64_t number) {
    const std::string path = path_of({store, ""});
    TARN_ASSIGN(const auto file, parts_.fs.stat(path));
    if (!file) return false;  // a damaged one was moved aside, and nothing came after it
    auto reader = explained(open_store_reader(path, parts_.vfs));
    if (!reader && reader.error().code == Code::store_damaged) return false;
    if (!reader) return fail(std::move(reader.error()));
    TARN_ASSIGN(const auto has, explained(read_replacement(*reader)));
    return has == number;
}

Status StateImpl::finish_replacements() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents(replacement_kind));
    for (const auto& document : documents) TARN_TRY(finish_replacement(document.id));
    return {};
}

}  // namespace tarn::state
