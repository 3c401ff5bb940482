#include "capture/streams.h"

#include <fmt/core.h>

#include <mutex>

namespace tarn::capture {

Result<std::shared_ptr<const Stream>> make_stream(catalog::StreamInfo info) {
    auto stream = std::make_shared<Stream>();
    stream->info = std::move(info);
    if (stream->info.settings.partitions == 0) stream->info.settings.partitions = 1;
    TARN_ASSIGN(stream->deriver, event::Deriver::make(stream->info.name, stream->info.settings));
    return std::shared_ptr<const Stream>(std::move(stream));
}

Status refuse_system_stream(std::string_view name) {
    if (!name.starts_with('_')) return {};
    return fail(Code::bad_stream_name,
                fmt::format("stream {} belongs to Tarn: it can be read, not written", name),
                {.next = "create a stream of your own: tarn stream create NAME"});
}

Result<std::shared_ptr<const Stream>> StreamCache::find(const std::string& name) {
    std::uint64_t generation = 0;
    {
        const std::shared_lock lock(mutex_);
        const auto found = streams_.find(name);
        if (found != streams_.end()) return found->second;
        generation = generation_;
    }
    TARN_ASSIGN(auto info, catalog_.stream(std::string_view(name)));
    TARN_ASSIGN(auto stream, make_stream(std::move(info)));
    const std::unique_lock lock(mutex_);
    if (generation == generation_) streams_[name] = stream;
    return stream;
}

void StreamCache::forget(std::string_view name) {
    const std::unique_lock lock(mutex_);
    ++generation_;
    streams_.erase(std::string(name));
}

}  // namespace tarn::capture
