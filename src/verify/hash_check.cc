// Reads every event of the manifest from the lake again and hashes its bytes. Works in large windows: of each
// only places and hashes are kept, sorted as the scan gives the events, so that finding one costs a step.
#include <fmt/core.h>

#include <algorithm>

#include "verify/checks.h"

namespace tarn::verify {
namespace {

using codec::Json;

constexpr std::size_t window_entries = 500'000;

class LakeReader {
public:
    explicit LakeReader(const Subject& subject) : subject_(subject) {}

    Status add(const replay::ManifestEntry& entry) {
        window_.push_back({{entry.stream, entry.partition, entry.offset}, entry.hash});
        return window_.size() == window_entries ? read_window() : Status();
    }
    Status finish() { return read_window(); }

    std::uint64_t read = 0, bytes = 0, missing = 0, different = 0;
    std::string first_problem;

private:
    struct Frozen {
        Position position;
        Hash128 hash;
        bool is_read = false;
    };
    using Range = std::span<Frozen>;

    Status read_window() {
        std::ranges::sort(window_, {}, &Frozen::position);
        for (auto begin = window_.begin(); begin != window_.end();) {
            const auto end = std::find_if(begin, window_.end(), [&](const Frozen& frozen) {
                return frozen.position.stream != begin->position.stream;
            });
            TARN_TRY(read_stream({begin, end}));
            begin = end;
        }
        window_.clear();
        return {};
    }

    Status read_stream(Range range) {
        const StreamId stream = range.front().position.stream;
        auto view = subject_.lake.view(stream);
        if (!view && view.error().code == Code::unknown_stream) {
            missing += range.size();
            note(range.front().position, "was in a stream that has been deleted since");
            return {};
        }
        if (!view) return fail(std::move(view.error()));
        lake::ScanOptions options;
        options.in_sequence = false;
        options.skip_damage = true;
        options.on_damage = [](const Error&) {};  // comes out as missing
        auto& wanted = options.wanted.emplace();
        for (const Frozen& frozen : range)
            wanted[frozen.position.partition].push_back(frozen.position.offset);
        TARN_ASSIGN(const auto scan, subject_.lake.scan(std::move(*view), std::move(options)));
        std::size_t at = 0;
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (!event) break;
            if (Frozen* frozen = find(range, at, event->position)) compare(*frozen, *event);
        }
        for (const Frozen& frozen : range) {
            if (frozen.is_read) continue;
            ++missing;
            note(frozen.position, "is missing");
        }
        return {};
    }

    // `at` is where the one before was found: mostly the next one is asked for.
    static Frozen* find(Range range, std::size_t& at, const Position& position) {
        if (at >= range.size() || range[at].position != position)
            at = static_cast<std::size_t>(std::ranges::lower_bound(range, position, {}, &Frozen::position) -
                                          range.begin());
        if (at >= range.size() || range[at].position != position) return nullptr;
        return &range[at++];
    }

    void compare(Frozen& frozen, const event::StoredEvent& event) {
        frozen.is_read = true;
        ++read;
        bytes += event.payload.size();
        if (frozen.hash == event.hash) return;
        // Or what it was corrected to when the plan was made.
        const auto correction = subject_.lake.corrections().at(event.position);
        if (correction && frozen.hash == correction->hash) return;
        ++different;
        note(event.position, "has other bytes");
    }

    void note(const Position& position, std::string_view what) {
        if (first_problem.empty())
            first_problem =
                fmt::format("{} {}", event::position_text(position.partition, position.offset), what);
    }

    const Subject& subject_;
    std::vector<Frozen> window_;
};

}  // namespace

Result<Check> check_hashes(const Subject& subject) {
    LakeReader reader(subject);
    TARN_TRY(subject.replay.for_each_entry(
        subject.run(),
        [&reader](const replay::ManifestEntry& entry, std::string_view) { return reader.add(entry); }));
    TARN_TRY(reader.finish());
    Check check{.name = "hashes", .ok = false, .detail = {}};
    check.counts = Json::object()
                       .set("read", reader.read)
                       .set("bytes", reader.bytes)
                       .set("missing", reader.missing)
                       .set("different", reader.different);
    const Json& hashes = subject.report["hashes"];
    const Json& counts = subject.report["counts"];
    const bool all_sent = counts["acknowledged"].as_uint() == counts["selected"].as_uint();
    if (!reader.first_problem.empty())
        check.detail =
            fmt::format("{} events missing and {} different in the lake; the first: {}",
                        format_count(reader.missing), format_count(reader.different), reader.first_problem);
    else if (all_sent && hashes["selected"].as_string() != hashes["sent"].as_string())
        check.detail = "everything was acknowledged, yet what was sent differs from what was selected";
    else {
        check.ok = true;
        check.detail = fmt::format("{} events read again from the lake: their bytes are what the plan froze",
                                   format_count(reader.read));
    }
    return check;
}

}  // namespace tarn::verify
