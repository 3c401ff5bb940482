#include "cli/line_batches.h"

#include <algorithm>

namespace tarn::cli {

void LineBatches::add(std::string_view bytes) {
    const std::size_t last = bytes.rfind('\n');
    if (last != std::string_view::npos) whole_ = waiting_.size() + last + 1;
    waiting_.append(bytes);
}

LineBatches::Batch LineBatches::take() {
    Batch batch;
    std::size_t end = 0;
    while (end < whole_ && batch.lines < limits_.lines) {
        const std::size_t next = waiting_.find('\n', end) + 1;
        if (next > limits_.bytes && end != 0) break;
        end = next;
        ++batch.lines;
    }
    batch.body = waiting_.substr(0, end);
    waiting_.erase(0, end);
    whole_ -= end;
    return batch;
}

LineBatches::Batch LineBatches::take_unfinished() {
    Batch batch{waiting_.substr(whole_), 1};
    waiting_.resize(whole_);
    return batch;
}

}  // namespace tarn::cli
