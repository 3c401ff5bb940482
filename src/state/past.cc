// Which snapshots the live state came through. A file that takes the live one's place begins a line of its
// own: the catalog says from which line it comes and up to which snapshot, the file says which line it is. So
// the two cannot part: what was written of a replacement that did not happen names a line that no file has.
#include <algorithm>
#include <charconv>

#include "state/damage.h"
#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

using codec::Json;

constexpr std::string_view past_kind = "past";
constexpr std::uint64_t without_end = UINT64_MAX;

// Line 0 has no entry: what was there before anything was replaced.
struct Line {
    std::uint64_t number = 0, from = 0;
    std::uint64_t until = 0;  // the last snapshot of `from` that this line came through
};

Result<std::vector<Line>> lines_of(catalog::Catalog& catalog, const std::string& store) {
    TARN_ASSIGN(const auto document, catalog.document(past_kind, store));
    std::vector<Line> lines;
    if (!document) return lines;
    for (const Json& each : document->body["lines"].elements())
        lines.push_back({each["number"].as_uint(), each["from"].as_uint(), each["until"].as_uint()});
    return lines;
}

// A file may carry the number of a replacement from before there were lines.
std::uint64_t known(const std::vector<Line>& lines, std::uint64_t number) {
    return std::ranges::find(lines, number, &Line::number) == lines.end() ? 0 : number;
}

// By line: the last snapshot of it that counts.
std::map<std::uint64_t, std::uint64_t> ancestors(const std::vector<Line>& lines, std::uint64_t number,
                                                 std::uint64_t until) {
    std::map<std::uint64_t, std::uint64_t> reach;
    while (reach.emplace(number, until).second) {
        const auto line = std::ranges::find(lines, number, &Line::number);
        if (line == lines.end()) break;
        number = known(lines, line->from);
        until = line->until;
    }
    return reach;
}

}  // namespace

std::uint64_t snapshot_number(std::string_view id) {
    std::uint64_t number = 0;
    if (id.starts_with("sn-")) std::from_chars(id.data() + 3, id.data() + id.size(), number);
    return number;
}

Result<std::uint64_t> StateImpl::newest_snapshot_number() {
    TARN_ASSIGN(const auto all, snapshots());
    return all.empty() ? 0 : snapshot_number(all.front().id);
}

// Before the file comes to its place.
Status StateImpl::begin_line(const std::string& store, std::uint64_t number, std::uint64_t from,
                             std::uint64_t until) {
    TARN_ASSIGN(const auto document, parts_.catalog.document(past_kind, store));
    Json body = document ? document->body : Json::object({{"lines", Json::array()}});
    Json lines = body["lines"];
    lines.push(Json::object({{"number", number}, {"from", from}, {"until", until}}));
    body.set("lines", std::move(lines));
    return parts_.catalog.put_document({std::string(past_kind), store, parts_.clock.now(), std::move(body)});
}

// The line of the live file; of one that cannot be read the newest there is.
Result<std::uint64_t> StateImpl::live_line(const std::string& store) {
    TARN_ASSIGN(const auto lines, lines_of(parts_.catalog, store));
    const std::string path = path_of({store, ""});
    TARN_ASSIGN(const auto file, parts_.fs.stat(path));
    const std::uint64_t newest = lines.empty() ? 0 : lines.back().number;
    if (!file || lines.empty()) return newest;
    auto reader = explained(open_store_reader(path, parts_.vfs));
    if (!reader && reader.error().code == Code::store_damaged) return newest;
    if (!reader) return fail(std::move(reader.error()));
    const auto number = explained(read_replacement(*reader));
    if (!number && number.error().code == Code::store_damaged) return newest;
    return number;
}

Result<std::vector<SnapshotInfo>> StateImpl::snapshots_on_line(const std::string& store, std::uint64_t line,
                                                               std::uint64_t until) {
    TARN_ASSIGN(const auto lines, lines_of(parts_.catalog, store));
    TARN_ASSIGN(auto all, snapshots());
    const auto reach = ancestors(lines, known(lines, line), until);
    std::erase_if(all, [&](const SnapshotInfo& info) {
        const auto found = reach.find(known(lines, info.line));
        return info.store != store || found == reach.end() || snapshot_number(info.id) > found->second;
    });
    return all;
}

Result<std::vector<SnapshotInfo>> StateImpl::past_snapshots(std::string_view store) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists({name.store, ""}));
    TARN_ASSIGN(const auto line, live_line(name.store));
    return snapshots_on_line(name.store, line, without_end);
}

}  // namespace tarn::state
