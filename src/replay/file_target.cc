#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "codec/base64.h"
#include "codec/json.h"
#include "os/access.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

bool spans_lines(std::string_view text) { return text.find_first_of("\r\n") != std::string_view::npos; }

// In valid JSON a raw line break is white space between values, so that a blank means the same.
void join_lines(std::string& out, std::size_t from) {
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

// A payload that is not one line of JSON stands as a JSON string: text escaped, other bytes in base64.
void append_payload_line(std::string& out, const event::StoredEvent& event) {
    if (event.form == event::PayloadForm::base64) {
        out += '"';
        codec::append_base64(out, event.payload);
        out += '"';
        return;
    }
    if (event.form == event::PayloadForm::text &&
        !codec::validate_json(event.payload, {.max_bytes = SIZE_MAX})) {
        codec::append_quoted(out, event.payload);
        return;
    }
    out += event.payload;
}

// Links are followed as far as there is something to follow.
bool is_inside(const std::string& path, const std::string& directory) {
    std::error_code problem;
    const auto inner = std::filesystem::weakly_canonical(path, problem);
    const auto outer = std::filesystem::weakly_canonical(directory, problem);
    if (problem || outer.empty()) return false;
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

class FileTarget final : public Target {
public:
    FileTarget(std::unique_ptr<os::File> file, std::uint64_t size, TargetRun run)
        : file_(std::move(file)), written_(size), mark_(size), run_(std::move(run)) {}

    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) override {
        for (const Outgoing& outgoing : batch)
            append_file_line(buffer_, run_.shape, outgoing.event, outgoing.meta, run_.run);
        if (buffer_.size() >= write_bytes) TARN_TRY(write_buffer());
        return std::vector<Sent>(batch.size());
    }

    Status flush() override {
        TARN_TRY(write_buffer());
        if (mark_ == written_) return {};
        TARN_TRY(file_->sync());
        mark_ = written_;
        return {};
    }

    std::size_t max_batch() const override { return 1000; }
    std::uint64_t mark() const override { return mark_; }

private:
    static constexpr std::size_t write_bytes = 1 << 20;

    Status write_buffer() {
        if (buffer_.empty()) return {};
        TARN_TRY(file_->write_at(written_, buffer_));
        written_ += buffer_.size();
        buffer_.clear();
        return {};
    }

    std::unique_ptr<os::File> file_;
    std::uint64_t written_;
    std::uint64_t mark_;
    TargetRun run_;
    std::string buffer_;
};

}  // namespace

void append_file_line(std::string& out, event::Shape shape, const event::StoredEvent& event,
                      const event::Meta& meta, std::string_view run) {
    const std::size_t from = out.size();
    if (shape == event::Shape::payload)
        append_payload_line(out, event);
    else
        event::append_shape(out, shape, event, meta, {.run = run, .attempt = 1});
    if (spans_lines(std::string_view(out).substr(from))) join_lines(out, from);
    out += '\n';
}

Status check_file_place(os::FileSystem& fs, const std::string& path, const std::string& data_directory) {
    if (is_inside(path, data_directory))
        return fail(Code::bad_target,
                    fmt::format("file:{} lies in the data directory {}", path, data_directory),
                    {.next = "name a file outside it: what is inside is Tarn's own"});
    TARN_ASSIGN(const auto info, fs.stat(path));
    if (info && info->is_directory)
        return fail(Code::bad_target, fmt::format("file:{} is a directory", path),
                    {.next = "name a file in it"});
    const std::string folder = os::parent_of(path);
    TARN_ASSIGN(const auto parent, fs.stat(folder));
    if (!parent)
        return fail(Code::bad_target, fmt::format("file:{}: there is no directory {}", path, folder),
                    {.next = fmt::format("mkdir -p {}", folder)});
    if (!parent->is_directory)
        return fail(Code::bad_target, fmt::format("file:{}: {} is not a directory", path, folder),
                    {.next = "name a file in a directory"});
    if (info || !os::refuses_new_files(folder)) return {};
    Error error = make_error(Code::bad_target, fmt::format("file:{}: {} may not be written", path, folder),
                             {.next = "name a file elsewhere, or allow this user to write there"});
    error.kind = ErrorKind::denied;
    return fail(std::move(error));
}

Status check_file_is_free(os::FileSystem& fs, const std::string& path) {
    TARN_ASSIGN(const auto info, fs.stat(path));
    if (!info) return {};
    if (info->is_directory)
        return fail(Code::bad_target, fmt::format("file:{} is a directory", path),
                    {.next = "name a file in it"});
    if (info->size == 0) return {};
    return fail(Code::bad_target,
                fmt::format("file:{} exists and holds {}: a run writes only into a new or empty file", path,
                            format_bytes(info->size)),
                {.next = "move it away, or plan with another file"});
}

Result<std::unique_ptr<Target>> open_file_target(os::FileSystem& fs, const std::string& path, TargetRun run) {
    TARN_ASSIGN(std::unique_ptr<os::File> file, fs.open(path, os::OpenMode::create));
    TARN_TRY(fs.sync_directory(os::parent_of(path)));
    TARN_ASSIGN(const std::uint64_t size, file->size());
    const std::uint64_t keep = run.resume_mark.value_or(0);
    if (size < keep)
        return fail(Code::plan_stale,
                    fmt::format("file:{} has {} bytes, the run had written {}: it was changed from outside",
                                path, size, keep),
                    {.next = "start the plan again with an empty file: tarn replay run PLAN"});
    // What stands behind the mark was written but not recorded: it is sent again, so that every event is
    // there once.
    if (size > keep) TARN_TRY(file->truncate(keep));
    return std::make_unique<FileTarget>(std::move(file), keep, std::move(run));
}

}  // namespace tarn::replay
