// What is left of a damaged log, for reading alone: docs/decisions/0007-damaged-log.md.
#include <fmt/core.h>

#include "log/salvage.h"

namespace tarn::log {
namespace {

class DamagedLog final : public Log {
public:
    DamagedLog(Salvaged salvaged, Error damage)
        : salvaged_(std::move(salvaged)), damage_(std::move(damage)) {}

    void submit(const Batch&, Done done) override { done(fail(damage_)); }
    std::optional<Appended> find_origin(std::string_view) override { return std::nullopt; }
    Sequence durable_end() const override { return salvaged_.end; }
    Tail tail(Sequence from) override;
    // Nothing is given up while it is not known what can be saved.
    Status release(Sequence) override { return {}; }
    std::uint64_t bytes_since(Sequence from) const override;
    const Recovery& recovery() const override { return salvaged_.report; }
    std::optional<Error> poisoned() const override { return std::nullopt; }
    std::optional<Error> damage() const override { return damage_; }
    void commit() override {}
    void on_durable(std::function<void(Sequence)>) override {}

private:
    const Salvaged salvaged_;
    const Error damage_;
};

Tail DamagedLog::tail(Sequence from) {
    Tail tail;
    tail.end_sequence = salvaged_.end;
    std::size_t passed = 0;  // stretches that lie before `from`
    for (const Stretch& stretch : salvaged_.stretches) {
        if (stretch.until <= from)
            ++passed;
        else
            tail.extents.push_back(stretch.extent);
    }
    for (const Gap& gap : salvaged_.gaps) {
        if (gap.until <= from) continue;
        tail.gaps.push_back(gap);
        tail.gaps.back().extent -= std::min(gap.extent, passed);
    }
    return tail;
}

std::uint64_t DamagedLog::bytes_since(Sequence from) const {
    std::uint64_t bytes = 0;
    for (const Stretch& stretch : salvaged_.stretches)
        if (stretch.until > from) bytes += stretch.extent.end - stretch.extent.begin;
    return bytes;
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open_damaged(os::FileSystem& fs, const std::string& directory,
                                               const Baseline& baseline, const Error& why) {
    TARN_ASSIGN(Salvaged salvaged, salvage(fs, directory, baseline));
    Error damage = make_error(
        Code::log_corrupt,
        fmt::format("{}; what still verifies is served for reading, nothing more is captured", why.message),
        {.place = why.place,
         .next = "tarn fsck lists what is damaged; put a good copy of the file in its place and "
                 "start again, or move on: tarn explain TARN-3104"});
    return std::make_unique<DamagedLog>(std::move(salvaged), std::move(damage));
}

}  // namespace tarn::log
