#include "lake/object_cursor.h"

#include <fmt/core.h>

#include "event/raw_line.h"
#include "lake/raw_object_format.h"

namespace tarn::lake {

Status ObjectCursor::damaged(Error error) {
    const bool is_damage = error.code == Code::object_corrupt || error.code == Code::object_missing;
    if (!options_.skip_damage || !is_damage) return fail(std::move(error));
    if (options_.on_damage) options_.on_damage(error);
    return {};
}

// The catalog's word and the object's own index must agree before a line is believed.
Status ObjectCursor::open(const catalog::ObjectInfo& info) {
    object_ = &info;
    next_frame_ = 0;
    TARN_ASSIGN(reader_, RawObjectReader::open(store_, info.name, info.stream));
    const auto& frames = reader_->frames();
    if (reader_->partition() != info.partition || frames.front().first != info.first ||
        frames.back().last != info.last) {
        reader_.reset();
        return corrupt_object(info.name, 0, "holds other events than the catalog says");
    }
    ++counts_.objects_read;
    wanted_ = filter_.only_list(info.partition);
    if (wanted_ != nullptr)
        next_wanted_ =
            static_cast<std::size_t>(std::ranges::lower_bound(*wanted_, info.first) - wanted_->begin());
    return {};
}

Result<bool> ObjectCursor::open_next() {
    reader_.reset();
    while (!objects_.empty()) {
        const catalog::ObjectInfo& info = *objects_.front();
        objects_.pop_front();
        Status opened = open(info);
        if (opened) return true;
        TARN_TRY(damaged(std::move(opened.error())));
    }
    return false;
}

Result<bool> ObjectCursor::next_frame() {
    for (;;) {
        if (reader_ == nullptr || next_frame_ == reader_->frames().size()) {
            TARN_ASSIGN(const bool opened, open_next());
            if (!opened) return false;
        }
        const std::size_t index = next_frame_++;
        const FrameInfo& frame = reader_->frames()[index];
        if (!filter_.takes_frame(object_->partition, frame)) continue;
        auto lines = reader_->frame(index);
        if (!lines) {
            TARN_TRY(damaged(std::move(lines.error())));
            continue;
        }
        ++counts_.frames_read;
        counts_.bytes_read += frame.compressed;
        frame_ = &frame;
        lines_ = *lines;
        next_offset_ = frame.first;
        return true;
    }
}

Status ObjectCursor::check_frame_end() {
    if (next_offset_ == frame_->last + 1) return {};
    return corrupt_object(
        object_->name, frame_->at,
        fmt::format("the frame's lines end at offset {}, its index says {}", next_offset_, frame_->last + 1));
}

// Looking each line's offset up costs as much as splitting it: where a list alone decides, it is walked
// along.
bool ObjectCursor::wants(Offset offset) {
    if (wanted_ == nullptr) return filter_.takes_offset(object_->partition, offset);
    while (next_wanted_ < wanted_->size() && (*wanted_)[next_wanted_] < offset) ++next_wanted_;
    return next_wanted_ < wanted_->size() && (*wanted_)[next_wanted_] == offset;
}

// Lines are dense in offsets, so those that are not asked for are passed over unparsed.
Result<bool> ObjectCursor::next_line() {
    while (!lines_.empty()) {
        const std::size_t length = lines_.find('\n');
        const std::string_view line = lines_.substr(0, length);
        lines_.remove_prefix(length + 1);  // the reader has seen to the last LF
        const Offset offset = next_offset_++;
        if (!wants(offset)) continue;
        auto parsed = event::parse_raw_line(object_->stream, line, scratch_, options_.with_hash);
        if (!parsed)
            return corrupt_object(object_->name, frame_->at,
                                  fmt::format("offset {}: {}", offset, parsed.error().message));
        if (parsed->position.offset != offset || parsed->position.partition != object_->partition)
            return corrupt_object(object_->name, frame_->at,
                                  fmt::format("expected {}:{}, found {}:{}", object_->partition, offset,
                                              parsed->position.partition, parsed->position.offset));
        if (!filter_.takes_sequence(parsed->sequence)) continue;
        event_ = *parsed;
        return true;
    }
    TARN_TRY(check_frame_end());
    return false;
}

Result<const event::StoredEvent*> ObjectCursor::next() {
    for (;;) {
        if (frame_ != nullptr) {
            auto found = next_line();
            if (found && *found) return &event_;
            frame_ = nullptr;
            lines_ = {};
            if (!found) TARN_TRY(damaged(std::move(found.error())));
        }
        TARN_ASSIGN(const bool more, next_frame());
        if (!more) return nullptr;
    }
}

}  // namespace tarn::lake
