#include "capture/cutter.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "codec/json.h"

namespace tarn::capture {
namespace {

// How much of a source may be looked at before its form is decided.
constexpr std::size_t max_first_line_bytes = 1u << 20;
constexpr std::size_t max_document_bytes = 8u << 20;

const std::optional<Broken> not_broken;

// NDJSON: everything up to LF, a CR before it included.
class LineCutter final : public Cutter {
public:
    LineCutter(std::size_t max_kept_bytes, OnRecord on_record)
        : max_kept_(max_kept_bytes), on_record_(std::move(on_record)) {}

    Status feed(std::string_view bytes) override {
        while (!bytes.empty()) {
            const void* feed = std::memchr(bytes.data(), '\n', bytes.size());
            if (feed == nullptr) {
                carry(bytes);
                return {};
            }
            const auto size = static_cast<std::size_t>(static_cast<const char*>(feed) - bytes.data());
            TARN_TRY(end_line(bytes.substr(0, size)));
            bytes.remove_prefix(size + 1);
        }
        return {};
    }

    Status finish() override {
        if (carried_size_ == 0) return {};
        return emit(carried_, carried_size_, false);
    }

    const std::optional<Broken>& broken() const override { return not_broken; }
    std::uint64_t empty_lines() const override { return empty_lines_; }

private:
    void carry(std::string_view bytes) {
        carried_size_ += bytes.size();
        carried_.append(bytes.substr(0, max_kept_ - std::min(max_kept_, carried_.size())));
    }

    Status end_line(std::string_view rest) {
        std::uint64_t size = rest.size();
        if (carried_size_ == 0 && size <= max_kept_) {
            TARN_TRY(emit(rest, size, true));
        } else {
            carry(rest);
            size = carried_size_;
            TARN_TRY(emit(carried_, size, true));
            carried_.clear();
            carried_size_ = 0;
        }
        ++start_.line;
        start_.byte += size + 1;
        return {};
    }

    Status emit(std::string_view bytes, std::uint64_t size, bool complete) {
        if (size == 0) {
            ++empty_lines_;
            return {};
        }
        return on_record_({.bytes = bytes, .start = start_, .full_size = size, .complete = complete});
    }

    std::size_t max_kept_;
    OnRecord on_record_;
    Start start_;
    std::string carried_;  // the beginning of a line that goes on in the next piece
    std::uint64_t carried_size_ = 0;
    std::uint64_t empty_lines_ = 0;
};

// The whole source is one record, an empty one too.
class WholeCutter final : public Cutter {
public:
    WholeCutter(std::size_t max_kept_bytes, OnRecord on_record)
        : max_kept_(max_kept_bytes), on_record_(std::move(on_record)) {}

    Status feed(std::string_view bytes) override {
        size_ += bytes.size();
        kept_.append(bytes.substr(0, max_kept_ - std::min(max_kept_, kept_.size())));
        return {};
    }
    Status finish() override {
        return on_record_({.bytes = kept_, .start = {}, .full_size = size_, .whole = true});
    }
    const std::optional<Broken>& broken() const override { return not_broken; }

private:
    std::size_t max_kept_;
    OnRecord on_record_;
    std::string kept_;
    std::uint64_t size_ = 0;
};

// Where lines begin, for as long as a record may still begin there.
class LineStarts {
public:
    void add(std::string_view bytes) {
        const char* at = bytes.data();
        const char* const end = at + bytes.size();
        while ((at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)))) !=
               nullptr)
            starts_.push_back(seen_ + static_cast<std::uint64_t>(++at - bytes.data()));
        seen_ += bytes.size();
    }
    // Ascending bytes only: what is before is forgotten.
    Start at(std::uint64_t byte) {
        while (!starts_.empty() && starts_.front() <= byte) {
            last_ = starts_.front();
            starts_.pop_front();
            ++line_;
        }
        return {.line = line_, .column = byte - last_ + 1, .byte = byte};
    }

private:
    std::deque<std::uint64_t> starts_;
    std::uint64_t seen_ = 0;
    std::uint64_t last_ = 0;
    std::uint64_t line_ = 1;
};

// The elements of one array.
class ArrayCutter final : public Cutter {
public:
    ArrayCutter(const CutterOptions& options, OnRecord on_record)
        : splitter_(options.records, options.max_kept_bytes), on_record_(std::move(on_record)) {}

    Status feed(std::string_view bytes) override {
        if (broken_) return {};
        lines_.add(bytes);
        Status failed_record;
        const Status split =
            splitter_.feed(bytes, [&](std::string_view element, std::uint64_t byte) -> Status {
                failed_record =
                    on_record_({.bytes = element, .start = lines_.at(byte), .full_size = element.size()});
                end_ = byte + element.size();
                return failed_record;
            });
        if (!failed_record) return failed_record;
        if (!split) break_at(split.error());
        return {};
    }

    Status finish() override {
        if (broken_) return {};
        if (const Status finished = splitter_.finish(); !finished) break_at(finished.error());
        return {};
    }

    const std::optional<Broken>& broken() const override { return broken_; }

private:
    // The rest begins after the last whole element, so that the one that is broken is kept with its
    // beginning.
    void break_at(Error error) {
        const Start from = lines_.at(end_);
        // The splitter counts bytes only; lines are asked for in ascending order.
        const Start place = lines_.at(std::max(end_, error.place.byte.value_or(end_)));
        error.place = {.source = {}, .line = place.line, .column = place.column, .byte = place.byte};
        broken_ = Broken{from, std::move(error)};
    }

    codec::JsonArraySplitter splitter_;
    OnRecord on_record_;
    LineStarts lines_;
    std::uint64_t end_ = 0;
    std::optional<Broken> broken_;
};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool is_json(std::string_view text) {
    return codec::validate_json(text, {.max_bytes = max_document_bytes, .max_depth = 128}).has_value();
}

// Looks at the beginning of a source until it is plain what it is; then another cutter does the work.
class AutoCutter final : public Cutter {
public:
    AutoCutter(CutterOptions options, OnRecord on_record)
        : options_(std::move(options)), on_record_(std::move(on_record)) {}

    Status feed(std::string_view bytes) override {
        if (chosen_) return chosen_->feed(bytes);
        head_ += bytes;
        return choose(false);
    }
    Status finish() override {
        if (!chosen_) TARN_TRY(choose(true));
        return chosen_->finish();
    }
    const std::optional<Broken>& broken() const override { return chosen_ ? chosen_->broken() : not_broken; }
    std::uint64_t empty_lines() const override { return chosen_ ? chosen_->empty_lines() : 0; }

private:
    Status choose(bool ended) {
        const char* format = decide(ended);
        if (format == nullptr) return {};
        options_.format = format;
        chosen_ = make_cutter(options_, std::move(on_record_));
        const std::string head = std::move(head_);
        return head.empty() ? Status() : chosen_->feed(head);
    }

    // nullptr: more must be seen.
    const char* decide(bool ended) {
        if (wants_document_) return decide_document(ended);
        const char* const otherwise = options_.has_name_pattern ? "file-per-event" : "ndjson";
        const std::size_t first = head_.find_first_not_of(" \t\r\n");
        if (first == std::string::npos)
            return ended || head_.size() > max_first_line_bytes ? otherwise : nullptr;
        const bool is_array = head_[first] == '[';
        const std::size_t feed = head_.find('\n', first);
        if (feed == std::string::npos && !ended) {
            if (head_.size() <= max_first_line_bytes) return nullptr;
            return is_array && !options_.has_name_pattern ? "json-array" : otherwise;
        }
        const std::string_view line = trimmed(std::string_view(head_).substr(first, feed - first));
        const bool more =
            feed != std::string::npos && head_.find_first_not_of(" \t\r\n", feed) != std::string::npos;
        if (!more && !ended && head_.size() <= max_first_line_bytes) return nullptr;
        const bool whole_value = is_json(line);
        if (whole_value && more) return "ndjson";
        if (options_.has_name_pattern) return "file-per-event";
        if (is_array) return "json-array";
        if (whole_value) return "ndjson";
        if (line == "{") return "file-per-event";  // a document written over several lines, whole or not
        wants_document_ = true;
        return decide_document(ended);
    }

    const char* decide_document(bool ended) {
        if (ended) return is_json(head_) ? "file-per-event" : "ndjson";
        return head_.size() > max_document_bytes ? "ndjson" : nullptr;
    }

    CutterOptions options_;
    OnRecord on_record_;
    std::string head_;
    bool wants_document_ = false;
    std::unique_ptr<Cutter> chosen_;
};

}  // namespace

std::unique_ptr<Cutter> make_cutter(const CutterOptions& options, Cutter::OnRecord on_record) {
    if (!options.records.empty() || options.format == "json-array")
        return std::make_unique<ArrayCutter>(options, std::move(on_record));
    if (options.format == "ndjson")
        return std::make_unique<LineCutter>(options.max_kept_bytes, std::move(on_record));
    if (options.format == "file-per-event")
        return std::make_unique<WholeCutter>(options.max_kept_bytes, std::move(on_record));
    return std::make_unique<AutoCutter>(options, std::move(on_record));
}

}  // namespace tarn::capture
