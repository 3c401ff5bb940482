#include "functions/output_lines.h"

#include <algorithm>

namespace tarn::functions {
namespace {

constexpr std::size_t kept_lines = 1000;
constexpr std::size_t longest_line = 8192;

void append_bounded(std::string& line, std::string_view bytes) {
    line += bytes.substr(0, longest_line - std::min(longest_line, line.size()));
}

}  // namespace

void LineBuffer::add(std::string_view bytes, const Take& take) {
    for (std::size_t end; (end = bytes.find('\n')) != std::string_view::npos; bytes.remove_prefix(end + 1)) {
        append_bounded(partial_, bytes.substr(0, end));
        this->end(take);
    }
    append_bounded(partial_, bytes);
}

void LineBuffer::end(const Take& take) {
    if (!partial_.empty()) take(std::move(partial_));
    partial_.clear();
}

const LogLine& OutputLines::add(LogLine line) {
    line.number = next_number_++;
    if (lines_.size() == kept_lines) lines_.pop_front();
    return lines_.emplace_back(std::move(line));
}

std::vector<LogLine> OutputLines::newest(const LogSelection& selection) const {
    std::vector<LogLine> chosen;
    for (auto line = lines_.rbegin(); line != lines_.rend() && chosen.size() < selection.limit; ++line) {
        if (line->number <= selection.after) break;
        if (selection.request_id.empty() || line->request_id == selection.request_id) chosen.push_back(*line);
    }
    std::ranges::reverse(chosen);
    return chosen;
}

std::string OutputLines::tail(std::size_t bytes) const {
    std::string text;
    for (auto line = lines_.rbegin(); line != lines_.rend() && text.size() + line->text.size() < bytes;
         ++line)
        text.insert(0, line->text + "\n");
    return text;
}

}  // namespace tarn::functions
