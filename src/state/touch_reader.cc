#include "state/touch_reader.h"

#include <fmt/core.h>

#include <algorithm>

#include "state/store_file.h"

namespace tarn::state {

Status TouchReader::prepare() {
    TARN_ASSIGN(available_, has_table(database_, "tarn_touch"));
    if (!available_) return {};
    TARN_ASSIGN(select_,
                database_.prepare("SELECT f.stream, t.partition, t.offset, y.name, t.time FROM tarn_touch t "
                                  "JOIN tarn_name n ON n.id=t.tab JOIN tarn_name y ON y.id=t.type "
                                  "JOIN tarn_feeder f ON f.number=t.feeder "
                                  "WHERE n.name=?1 AND t.key=?2 ORDER BY t.sequence DESC LIMIT ?3"));
    return {};
}

Result<std::vector<std::string>> TouchReader::events(const std::string& table, std::int64_t rowid) {
    std::vector<std::string> events;
    select_.bind(1, table).bind(2, rowid).bind(3, std::int64_t{events_shown_max});
    while (true) {
        TARN_ASSIGN(const bool more, select_.step());
        if (!more) break;
        events.push_back(fmt::format("{} {}:{} {} {}", select_.text(0), select_.integer(1),
                                     select_.integer(2), select_.text(3),
                                     format_rfc3339(Time{select_.integer(4)})));
    }
    select_.reset();
    std::reverse(events.begin(), events.end());
    return events;
}

}  // namespace tarn::state
