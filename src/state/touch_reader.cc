#include "state/touch_reader.h"

#include <fmt/core.h>

#include "state/store_file.h"

namespace tarn::state {

std::string Touch::text() const {
    return fmt::format("{} {}:{} {} {}", stream, position.partition, position.offset, type,
                       format_rfc3339(time));
}

Status TouchReader::prepare() {
    TARN_ASSIGN(available_, has_table(database_, "tarn_touch"));
    if (!available_) return {};
    TARN_ASSIGN(select_, database_.prepare("SELECT f.feeder, f.stream, y.name, t.sequence, f.stream_id, "
                                           "t.partition, t.offset, t.time FROM tarn_touch t "
                                           "JOIN tarn_name n ON n.id=t.tab JOIN tarn_name y ON y.id=t.type "
                                           "JOIN tarn_feeder f ON f.number=t.feeder "
                                           "WHERE n.name=?1 AND t.key=?2 ORDER BY t.sequence"));
    return {};
}

Status TouchReader::for_each(const std::string& table, std::int64_t rowid,
                             const std::function<Result<bool>(const Touch&)>& look) {
    select_.reset();
    select_.bind(1, table).bind(2, rowid);
    while (true) {
        TARN_ASSIGN(const bool more, select_.step());
        if (!more) break;
        const auto unsigned_at = [&](int column) {
            return static_cast<std::uint64_t>(select_.integer(column));
        };
        const Touch touch{std::string(select_.text(0)),
                          std::string(select_.text(1)),
                          std::string(select_.text(2)),
                          unsigned_at(3),
                          {StreamId{static_cast<std::uint32_t>(unsigned_at(4))},
                           static_cast<Partition>(unsigned_at(5)), unsigned_at(6)},
                          Time{select_.integer(7)}};
        TARN_ASSIGN(const bool go_on, look(touch));
        if (!go_on) break;
    }
    select_.reset();
    return {};
}

}  // namespace tarn::state
