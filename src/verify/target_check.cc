// Re-reads what the target holds, each kind in its own way.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "event/meta.h"
#include "replay/targets.h"
#include "verify/checks.h"

namespace tarn::verify {
namespace {

using codec::Json;

Check cannot_be_read(std::string_view kind) {
    return {"target", true,
            fmt::format("{} cannot be re-read: only the target's acknowledgements stand", kind)};
}

// ---- file
// -------------------------------------------------------------------------------------------------------------

// Lines of a file, one after the other, in bounded memory.
class LineReader {
public:
    static Result<std::unique_ptr<LineReader>> open(os::FileSystem& fs, const std::string& path) {
        auto reader = std::make_unique<LineReader>();
        TARN_ASSIGN(reader->file_, fs.open(path, os::OpenMode::read));
        return reader;
    }
    // Without its line feed; nullopt at the end. What stands behind the last line feed is not a line.
    Result<std::optional<std::string>> next() {
        while (true) {
            const std::size_t end = buffer_.find('\n', begin_);
            if (end != std::string::npos) {
                std::string line = buffer_.substr(begin_, end - begin_);
                begin_ = end + 1;
                return line;
            }
            buffer_.erase(0, begin_);
            begin_ = 0;
            std::string piece(1 << 20, '\0');
            TARN_ASSIGN(const std::size_t got, file_->read_at(at_, piece));
            if (got == 0) return std::optional<std::string>();
            buffer_.append(piece, 0, got);
            at_ += got;
        }
    }
    bool has_rest() const { return begin_ < buffer_.size(); }

private:
    std::unique_ptr<os::File> file_;
    std::uint64_t at_ = 0;
    std::string buffer_;
    std::size_t begin_ = 0;
};

// Writes the lines again as the run should have written them and compares, in windows of bounded size.
class FileComparison {
public:
    FileComparison(const Subject& subject, std::string path, event::Shape shape, LineReader& lines)
        : subject_(subject),
          path_(std::move(path)),
          shape_(shape),
          uid_(subject.report["uid"].as_string()),
          lines_(lines) {}

    Status add(const replay::ManifestEntry& entry) {
        window_.push_back(entry);
        return window_.size() == window_entries ? compare_window() : Status();
    }

    Result<Check> finish() {
        TARN_TRY(compare_window());
        if (!problem_.empty()) return Check{"target", false, problem_};
        TARN_ASSIGN(const auto more, lines_.next());
        if (more || lines_.has_rest())
            return Check{"target", false,
                         fmt::format("{} has more than the {} lines that were acknowledged", path_,
                                     format_count(read_))};
        return Check{"target", true,
                     fmt::format("{} re-read: {} lines, each the event that was sent, in order", path_,
                                 format_count(read_))};
    }

private:
    static constexpr std::size_t window_entries = 50'000;
    using Lines = std::map<Position, Hash128>;

    Status compare_window() {
        std::map<StreamId, std::map<Partition, std::vector<Offset>>> wanted;
        for (const auto& entry : window_) wanted[entry.stream][entry.partition].push_back(entry.offset);
        Lines expected;
        for (auto& [stream, offsets] : wanted) TARN_TRY(write_again(stream, std::move(offsets), expected));
        for (const auto& entry : window_)
            if (problem_.empty()) TARN_TRY(compare(entry, expected));
        window_.clear();
        return {};
    }

    Status write_again(StreamId stream, std::map<Partition, std::vector<Offset>> wanted, Lines& expected) {
        for (auto& [partition, offsets] : wanted) std::sort(offsets.begin(), offsets.end());
        lake::ScanOptions options;
        options.wanted = std::move(wanted);
        options.in_sequence = false;
        options.skip_damage = true;
        options.on_damage = [](const Error&) {};  // comes out as an event that cannot be read
        auto view = subject_.lake.view(stream);
        if (!view && view.error().code == Code::unknown_stream) return {};  // the same
        if (!view) return fail(std::move(view.error()));
        const std::string name = view->name;
        TARN_ASSIGN(const auto scan, subject_.lake.scan(std::move(*view), std::move(options)));
        const auto corrections = subject_.lake.corrections().of(stream);
        std::string line;
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (!event) return {};
            event::StoredEvent sent = *event;
            const auto* correction = lake::find_correction(corrections, event->position);
            if (correction != nullptr && froze(event->position, correction->hash)) correction->replace(sent);
            line.clear();
            replay::append_file_line(line, shape_, sent, reader_.read(sent, name), uid_);
            expected[event->position] = codec::xxh3_128(line);
        }
    }

    bool froze(const Position& position, const Hash128& hash) const {
        return std::ranges::any_of(window_, [&](const replay::ManifestEntry& entry) {
            return Position{entry.stream, entry.partition, entry.offset} == position && entry.hash == hash;
        });
    }

    Status compare(const replay::ManifestEntry& entry, const Lines& expected) {
        const std::string place = event::position_text(entry.partition, entry.offset);
        TARN_ASSIGN(const auto line, lines_.next());
        if (!line) {
            problem_ = fmt::format("{} has {} lines, event {} has none", path_, format_count(read_), place);
            return {};
        }
        ++read_;
        const auto hash = expected.find({entry.stream, entry.partition, entry.offset});
        if (hash == expected.end())
            problem_ = fmt::format("event {} can no longer be read from the lake", place);
        else if (hash->second != codec::xxh3_128(*line + "\n"))
            problem_ = fmt::format("{}:{} is not event {} as it was sent", path_, read_, place);
        return {};
    }

    const Subject& subject_;
    std::string path_;
    event::Shape shape_;
    std::string uid_;
    LineReader& lines_;
    event::MetaReader reader_;
    std::vector<replay::ManifestEntry> window_;
    std::uint64_t read_ = 0;
    std::string problem_;
};

Result<Check> check_file(const Subject& subject, const std::string& path) {
    TARN_ASSIGN(const event::Shape shape, event::parse_shape(subject.plan["shape"].as_string()));
    const auto lines = LineReader::open(subject.lake.file_system(), path);
    if (!lines)
        return Check{"target", false, fmt::format("{} cannot be read: {}", path, lines.error().message)};
    FileComparison comparison(subject, path, shape, **lines);
    const auto compare = [&comparison](const replay::ManifestEntry& entry, std::string_view outcome) {
        return outcome == "acknowledged" ? comparison.add(entry) : Status();
    };
    TARN_TRY(subject.replay.for_each_entry(subject.report["run"].as_string(), compare));
    return comparison.finish();
}

// ---- stream
// -----------------------------------------------------------------------------------------------------------

// A bag of payload hashes in a few bytes, whatever their number and order: equal bags have equal sums, and
// other ones are as unlikely to as two payloads are to share a hash.
struct HashBag {
    std::uint64_t count = 0, high = 0, low = 0;
    void add(const Hash128& hash) {
        ++count;
        high += hash.high;
        low += hash.low;
    }
    bool operator==(const HashBag&) const = default;
};

Result<Check> check_stream(const Subject& subject, const std::string& stream) {
    HashBag expected, found;
    const auto expect = [&](const replay::ManifestEntry& entry, std::string_view outcome) {
        if (outcome != "acknowledged") return Status();
        expected.add(entry.hash);
        return Status();
    };
    TARN_TRY(subject.replay.for_each_entry(subject.report["run"].as_string(), expect));
    auto view = subject.lake.view(stream);
    if (!view)
        return Check{"target", false,
                     fmt::format("stream {} cannot be read: {}", stream, view.error().message)};
    lake::ScanOptions options;
    options.in_sequence = false;
    TARN_ASSIGN(const auto scan, subject.lake.scan(std::move(*view), std::move(options)));
    event::MetaReader reader;
    const std::string uid = subject.report["uid"].as_string();
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) break;
        if (reader.read(*event, stream).run != uid) continue;
        found.add(event->hash);
    }
    if (found.count != expected.count)
        return Check{"target", false,
                     fmt::format("stream {} holds {} events of this run, {} were acknowledged", stream,
                                 format_count(found.count), format_count(expected.count))};
    if (found != expected)
        return Check{"target", false,
                     fmt::format("stream {}: payloads of this run differ from what was sent", stream)};
    return Check{"target", true,
                 fmt::format("stream {} re-read: {} events of this run, the payloads that were sent", stream,
                             format_count(found.count))};
}

// ---- projection
// -------------------------------------------------------------------------------------------------------

bool is_applied(const state::FeederPosition& feeder, const std::set<Position>& exceptions,
                const replay::ManifestEntry& entry) {
    const bool is_below = entry.sequence < feeder.sequence;
    return is_below != exceptions.contains({entry.stream, entry.partition, entry.offset});
}

Result<Check> check_projection(const Subject& subject) {
    const std::string& into = subject.plan["into"].as_string();
    const std::string store = into.empty() ? subject.plan["store"].as_string() : into;
    const auto info = subject.state.store(store);
    if (!info)
        return Check{"target", false, fmt::format("{} cannot be read: {}", store, info.error().message)};
    std::set<std::string> planned;
    for (const Json& name : subject.plan["feeders"].elements()) planned.insert(name.as_string());
    std::vector<std::pair<const state::FeederPosition*, std::set<Position>>> feeders;
    for (const state::FeederPosition& position : info->positions)
        if (planned.contains(position.feeder))
            feeders.emplace_back(&position,
                                 std::set<Position>(position.exceptions.begin(), position.exceptions.end()));
    std::map<StreamId, std::string> streams;
    std::uint64_t missing = 0, applied = 0, unexpected = 0;
    std::string first;
    const auto look = [&](const replay::ManifestEntry& entry, std::string_view outcome) {
        if (outcome != "acknowledged" && outcome != "failed" && outcome != "held") return Status();
        std::string& stream = streams[entry.stream];
        if (stream.empty())
            for (const auto& [name, id] : subject.plan["stream_ids"].members())
                if (id.as_uint() == entry.stream.value) stream = name;
        const bool is_there = std::any_of(feeders.begin(), feeders.end(), [&](const auto& feeder) {
            return feeder.first->stream == stream && is_applied(*feeder.first, feeder.second, entry);
        });
        const bool should_be = outcome == "acknowledged";
        applied += is_there && should_be;
        missing += !is_there && should_be;
        // With several feeders one may have taken what another refused.
        unexpected += is_there && !should_be && feeders.size() == 1 && into.size() > 0;
        if (first.empty() && is_there != should_be)
            first = event::position_text(entry.partition, entry.offset);
        return Status();
    };
    TARN_TRY(subject.replay.for_each_entry(subject.report["run"].as_string(), look));
    if (missing > 0)
        return Check{
            "target", false,
            fmt::format(
                "{} re-read: {} acknowledged events are not among its applied positions, the first {}", store,
                format_count(missing), first)};
    if (unexpected > 0)
        return Check{"target", false,
                     fmt::format("{} re-read: {} events that failed or were held are applied, the first {}",
                                 store, format_count(unexpected), first)};
    std::string detail = fmt::format("{} re-read: its applied positions hold all {} acknowledged events",
                                     store, format_count(applied));
    if (info->failed > 0 && !info->first_failed.empty()) {
        const auto& first_failed = info->first_failed.front();
        detail +=
            fmt::format("; {} are not in it because {} refused them, the first {} {}: {}",
                        format_count(info->failed), first_failed.feeder, first_failed.stream,
                        event::position_text(first_failed.position.partition, first_failed.position.offset),
                        first_failed.error);
    }
    return Check{"target", true, detail};
}

}  // namespace

Result<Check> check_target(const Subject& subject) {
    TARN_ASSIGN(const replay::TargetAddress address,
                replay::TargetAddress::parse(subject.plan["target"].as_string()));
    switch (address.kind) {
        case replay::TargetKind::null:
            return cannot_be_read("null:");
        case replay::TargetKind::http:
            return cannot_be_read(address.place);
        case replay::TargetKind::file:
            return check_file(subject, address.place);
        case replay::TargetKind::stream:
            return check_stream(subject, address.place);
        case replay::TargetKind::function:
        case replay::TargetKind::exec:
        case replay::TargetKind::declared:
            return cannot_be_read(address.text());
        case replay::TargetKind::projection:
            return check_projection(subject);
    }
    return cannot_be_read(address.text());
}

}  // namespace tarn::verify
