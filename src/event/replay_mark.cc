#include "event/replay_mark.h"

#include <fmt/core.h>

namespace tarn::event {

std::string_view replay_mark_name(ReplayMark mark) {
    switch (mark) {
        case ReplayMark::safe:
            return "safe";
        case ReplayMark::ask:
            return "ask";
        case ReplayMark::never:
            return "never";
    }
    return "";
}

Result<ReplayMark> parse_replay_mark(std::string_view text) {
    for (const ReplayMark mark : {ReplayMark::safe, ReplayMark::ask, ReplayMark::never})
        if (text == replay_mark_name(mark)) return mark;
    return fail(Code::bad_config, fmt::format("\"{}\": expected safe, ask or never", text));
}

}  // namespace tarn::event
