// A file is read again line by line and compared with the lines that the run should have written. Where a
// function made them on the way, only their ids can be; bare payloads have none, and are counted.
#include <fmt/core.h>

#include "codec/hash.h"
#include "codec/json.h"
#include "replay/targets.h"
#include "verify/checks.h"
#include "verify/held_items.h"

namespace tarn::verify {
namespace {

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

// What a line is known by: all of it with its line feed, or the id in it.
using ItemOf = std::string (*)(std::string_view line);

std::string whole(std::string_view line) { return std::string(line); }

std::string id_in(std::string_view line) {
    if (!codec::validate_json(line, {.max_bytes = SIZE_MAX})) return "no JSON";
    const auto id = codec::find_member(line, "id");
    return id ? "id " + codec::unescape(*id) : "no id";
}

Status find_lines(os::FileSystem& fs, const std::string& path, ItemOf item_of, bool& has_rest,
                  const Find& find) {
    TARN_ASSIGN(const auto lines, LineReader::open(fs, path));
    for (std::uint64_t number = 1;; ++number) {
        TARN_ASSIGN(auto line, lines->next());
        if (!line) break;
        line->push_back('\n');
        find({codec::xxh3_128(item_of(*line)), std::nullopt, {{}, 0, number}});
    }
    has_rest = lines->has_rest();
    return {};
}

// The lines as the run should have written them. An event that can no longer be read gets an item that no
// line can have.
Status expect_lines(const Subject& subject, event::Shape shape, ItemOf item_of, const Expect& expect) {
    const std::string& uid = subject.report["uid"].as_string();
    event::MetaReader reader;
    std::string line;
    return subject.replay.for_each_event(
        subject.run(), [&](const replay::FedEvent& fed, std::string_view stream, std::string_view outcome) {
            if (outcome != "acknowledged") return Status();
            line.clear();
            if (fed.event)
                replay::append_file_line(line, shape, *fed.event, reader.read(*fed.event, stream), uid);
            expect(fed.entry, codec::xxh3_128(line.empty() ? line : item_of(line)));
            return Status();
        });
}

Result<Check> check_number(const Subject& subject, const std::string& path) {
    bool has_rest = false;
    std::uint64_t lines = 0;
    TARN_TRY(
        find_lines(subject.lake.file_system(), path, whole, has_rest, [&lines](const Found&) { ++lines; }));
    const std::uint64_t acknowledged = subject.report["counts"]["acknowledged"].as_uint();
    Check check{.name = "target",
                .ok = lines == acknowledged && !has_rest,
                .detail = fmt::format("{} re-read: {} lines, {}", path, format_count(lines),
                                      lines == acknowledged
                                          ? "as many as were acknowledged"
                                          : fmt::format("{} were acknowledged", format_count(acknowledged))),
                .evidence = Evidence::target};
    check.counts = codec::Json::object().set("acknowledged", acknowledged).set("found", lines);
    if (has_rest) check.detail += "; behind the last line feed stands more";
    return check;
}

}  // namespace

Result<Check> check_file(const Subject& subject, const std::string& path) {
    TARN_ASSIGN(const event::Shape shape, event::parse_shape(subject.plan["shape"].as_string()));
    os::FileSystem& fs = subject.lake.file_system();
    if (const auto lines = LineReader::open(fs, path); !lines)
        return Check{.name = "target",
                     .ok = false,
                     .detail = fmt::format("{} cannot be read: {}", path, lines.error().message)};
    const bool is_made_on_the_way = !subject.via().empty();
    if (is_made_on_the_way && shape == event::Shape::payload) return check_number(subject, path);
    const ItemOf item = is_made_on_the_way ? id_in : whole;
    bool has_rest = false;
    Holding holding;
    holding.entries = subject.plan["events"].as_uint();
    holding.expected = [&](const Expect& expect) { return expect_lines(subject, shape, item, expect); };
    holding.found = [&](const Find& find) { return find_lines(fs, path, item, has_rest, find); };
    TARN_ASSIGN(const Reconciled reconciled, reconcile(holding));
    Check check = check_of(
        subject, reconciled,
        {.place = path,
         .items = "lines",
         .good = is_made_on_the_way ? "each with the id of the event that was sent, in order"
                                    : "each the event that was sent, in order",
         .found_at = [&](const Position& place) { return fmt::format("{}:{}", path, place.offset); }});
    if (check.ok && !reconciled.is_in_order) {
        check.ok = false;
        check.detail = fmt::format("{} re-read: the lines that were sent, but in another order", path);
    }
    if (has_rest) {
        check.ok = false;
        check.detail += "; behind the last line feed stands more";
    }
    return check;
}

}  // namespace tarn::verify
