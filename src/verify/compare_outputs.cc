// Two functions get the same frozen events, side by side; what they answer is compared and thrown away. As
// many events are under way as the functions can work on; of a key, one.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

#include "state/touch_reader.h"
#include "verify/document.h"
#include "verify/verify.h"

namespace tarn::verify {
namespace {

using codec::Json;
using replay::ComparedFunction;
using replay::FunctionAnswer;

constexpr std::size_t paths_an_event = 10;
constexpr std::size_t paths_counted = 100;
constexpr std::size_t shown_bytes = 2000;  // of one side of a difference
constexpr std::int64_t not_sent_pause_us = 50'000;

struct Pair {
    std::uint64_t index = 0, key_hash = 0;
    std::string key, event_text;
    replay::FunctionCall call;
    FunctionAnswer answers[2];
    int answered = 0;
};

bool has_failed(const FunctionAnswer& answer) { return answer.end != FunctionAnswer::End::done; }

std::optional<std::string> cut(std::optional<std::string> text) {
    if (!text || text->size() <= shown_bytes) return text;
    text->resize(shown_bytes);
    while (!text->empty() && !codec::is_valid_utf8(*text)) text->pop_back();
    return *text + "…";
}

std::string shown(const FunctionAnswer& answer) {
    return has_failed(answer) ? "error: " + answer.error : answer.output;
}

// Counts what the pairs come to. Used by one thread.
class Tally {
public:
    explicit Tally(const Leniency& leniency) : leniency_(leniency) {}

    void take(const Pair& pair) {
        const FunctionAnswer &before = pair.answers[0], &after = pair.answers[1];
        ++compared;
        failed[0] += has_failed(before);
        failed[1] += has_failed(after);
        if (has_failed(before) != has_failed(after) || (has_failed(before) && before.error != after.error)) {
            ++different;
            return add(pair, {"", shown(before), shown(after)});
        }
        if (has_failed(before)) return;
        std::size_t told = 0;
        const bool is_equal =
            compare_texts(before.output, after.output, leniency_, [&](const PathDifference& difference) {
                add(pair, difference);
                return ++told < paths_an_event;
            });
        different += !is_equal;
    }

    Json paths_json() const {
        Json list = Json::array();
        std::vector<std::pair<std::string, Path>> sorted(paths_.begin(), paths_.end());
        std::ranges::stable_sort(sorted, std::greater(), [](const auto& one) { return one.second.count; });
        for (const auto& [path, seen] : sorted)
            list.push(Json::object().set("path", path).set("count", seen.count).set("first", seen.first));
        return list;
    }

    std::uint64_t compared = 0, different = 0, failed[2] = {};
    Differences differences;

private:
    struct Path {
        std::uint64_t count = 0;
        std::string first;  // event
    };

    void add(const Pair& pair, const PathDifference& difference) {
        differences.add({"output",
                         pair.key,
                         difference.path,
                         cut(difference.before),
                         cut(difference.after),
                         {pair.event_text}});
        auto known = paths_.find(difference.path);
        if (known == paths_.end() && paths_.size() == paths_counted) return;
        if (known == paths_.end()) known = paths_.emplace(difference.path, Path{0, pair.event_text}).first;
        ++known->second.count;
    }

    const Leniency& leniency_;
    std::map<std::string, Path> paths_;
};

// Keeps pairs under way and hands complete ones over in the order of the events.
class Comparer {
public:
    Comparer(const Parts& parts, std::vector<ComparedFunction>& functions, std::string order, Tally& tally)
        : parts_(parts),
          functions_(functions),
          order_(std::move(order)),
          capacity_(std::max<std::size_t>(
              1, std::min(functions[0].at_work->instances(), functions[1].at_work->instances()) * 2)),
          tally_(tally) {}
    // Answers come into this object: none may be missing when it goes.
    ~Comparer() { (void)finish(); }
    Comparer(const Comparer&) = delete;
    Comparer& operator=(const Comparer&) = delete;

    Status add(std::unique_ptr<Pair> pair) {
        {
            std::unique_lock lock(mutex_);
            wait(lock, [&] { return has_room(*pair); });
            TARN_TRY(go_on());
            keys_.insert(pair->key_hash);
        }
        Pair& started = *pair;
        {
            const std::scoped_lock lock(mutex_);
            under_way_.emplace(pair->index, std::move(pair));
        }
        call(started, 0);
        call(started, 1);
        return {};
    }

    Status finish() {
        std::unique_lock lock(mutex_);
        wait(lock, [this] {
            return std::ranges::all_of(under_way_, [](const auto& one) { return one.second->answered == 2; });
        });
        hand_over();
        return go_on();
    }

private:
    // Calls again meanwhile what was taken back because somebody needed the function to be quiet.
    void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& is_done) {
        while (true) {
            changed_.wait(lock, [&] { return !again_.empty() || is_done(); });
            if (again_.empty()) return;
            const auto again = std::exchange(again_, {});
            lock.unlock();
            parts_.clock.sleep_us(not_sent_pause_us);
            for (const auto& [pair, side] : again) call(*pair, side);
            lock.lock();
        }
    }

    bool has_room(const Pair& pair) {
        hand_over();
        if (problem_ || parts_.stop) return true;
        if (under_way_.size() >= (order_ == "total" ? 1 : capacity_)) return false;
        return order_ == "none" || !keys_.contains(pair.key_hash);
    }

    Status go_on() const {
        if (problem_) return fail(*problem_);
        if (parts_.stop) return fail(Code::interrupted, "the comparison was stopped: nothing of it is kept");
        return {};
    }

    void hand_over() {
        while (!under_way_.empty() && under_way_.begin()->second->answered == 2) {
            tally_.take(*under_way_.begin()->second);
            under_way_.erase(under_way_.begin());
        }
    }

    void call(Pair& pair, int side) {
        functions_[static_cast<std::size_t>(side)].at_work->call(
            pair.call, [this, &pair, side](FunctionAnswer answer) { take(pair, side, std::move(answer)); });
    }

    void take(Pair& pair, int side, FunctionAnswer answer) {
        const std::scoped_lock lock(mutex_);
        changed_.notify_all();
        if (answer.end == FunctionAnswer::End::not_sent && !parts_.stop) {
            again_.emplace_back(&pair, side);
            return;
        }
        const auto& info = functions_[static_cast<std::size_t>(side)].info;
        if (answer.end == FunctionAnswer::End::could_not_run && !problem_)
            problem_ = make_error(Code::function_cannot_run,
                                  fmt::format("function {} cannot run: {}", info.name, answer.error),
                                  {.next = fmt::format("tarn function logs {}", info.name)});
        else if (!answer.version.empty() && answer.version != info.version && !problem_)
            problem_ = make_error(Code::plan_stale,
                                  fmt::format("function {} was version {} and became {} under way", info.name,
                                              info.version, answer.version),
                                  {.next = "compare again"});
        pair.answers[side] = std::move(answer);
        // Its key is free for the next event when both are through.
        if (++pair.answered == 2) keys_.erase(keys_.find(pair.key_hash));
    }

    const Parts& parts_;
    std::vector<ComparedFunction>& functions_;
    const std::string order_;
    const std::size_t capacity_;
    Tally& tally_;
    std::mutex mutex_;
    std::condition_variable changed_;
    // Guarded by mutex_, as all that follows; by index.
    std::map<std::uint64_t, std::unique_ptr<Pair>> under_way_;
    std::multiset<std::uint64_t> keys_;
    std::optional<Error> problem_;
    std::vector<std::pair<Pair*, int>> again_;
};

Json function_json(const ComparedFunction& function, std::uint64_t failed) {
    return Json::object()
        .set("name", function.info.name)
        .set("version", function.info.version)
        .set("failed", failed);
}

}  // namespace

Result<Json> compare_outputs(const Parts& parts, const CompareRequest& request) {
    std::string plan_id = request.plan_or_run;
    if (!plan_id.starts_with("pl-")) {
        TARN_ASSIGN(const Json report, parts.replay.show_run(request.plan_or_run));
        plan_id = report["plan"].as_string();
    }
    TARN_ASSIGN(const Json plan, parts.replay.show_plan(plan_id));
    TARN_ASSIGN(const event::Shape shape, event::parse_shape(plan["shape"].as_string()));
    TARN_ASSIGN(auto functions,
                parts.replay.open_for_comparison(plan_id, {request.before, request.after}, request.allow));
    Tally tally(request.leniency);
    std::uint64_t unreadable = 0;
    {
        Comparer comparer(parts, functions, plan["order"].as_string(), tally);
        event::MetaReader reader;
        const auto visit = [&](const replay::FedEvent& fed, std::string_view stream,
                               std::string_view) -> Status {
            if (!fed.event) {
                ++unreadable;
                return {};
            }
            const event::Meta& meta = reader.read(*fed.event, stream);
            auto pair = std::make_unique<Pair>();
            pair->index = fed.index;
            pair->key_hash = fed.entry.key_hash;
            pair->key = std::string(meta.key.value_or(meta.id));
            state::Touch touch;
            touch.stream = stream;
            touch.position = fed.event->position;
            touch.type = meta.type;
            touch.time = meta.time;
            pair->event_text = touch.text();
            pair->call = {.stream = std::string(stream),
                          .position = fed.event->position,
                          .document = {},
                          .subscription = "",
                          .run = plan_id,
                          .attempt = 1};
            event::append_shape(pair->call.document, shape, *fed.event, meta);
            return comparer.add(std::move(pair));
        };
        TARN_TRY(parts.replay.for_each_event(plan_id, visit));
        TARN_TRY(comparer.finish());
    }
    Check check{.name = "outputs", .ok = tally.different == 0 && unreadable == 0, .detail = {}};
    check.detail = fmt::format("{} and {} answered {} events: {} alike, {} differently",
                               functions[0].info.name, functions[1].info.name, format_count(tally.compared),
                               format_count(tally.compared - tally.different), format_count(tally.different));
    if (tally.failed[0] + tally.failed[1] > 0)
        check.detail +=
            fmt::format("; {} failed on {}, {} on {}", functions[0].info.name, format_count(tally.failed[0]),
                        functions[1].info.name, format_count(tally.failed[1]));
    if (unreadable > 0)
        check.detail +=
            fmt::format("; {} events can no longer be read as they were frozen", format_count(unreadable));
    Json document = document_of({check}, tally.differences);
    document.set("plan", plan_id)
        .set("run", request.plan_or_run == plan_id ? Json() : Json(request.plan_or_run))
        .set("compared_with", nullptr)
        .set("outputs", Json::object()
                            .set("before", function_json(functions[0], tally.failed[0]))
                            .set("after", function_json(functions[1], tally.failed[1]))
                            .set("compared", tally.compared)
                            .set("alike", tally.compared - tally.different)
                            .set("different", tally.different)
                            .set("unreadable", unreadable)
                            .set("by_path", tally.paths_json()))
        .set("schema_version", 1);
    return document;
}

}  // namespace tarn::verify
