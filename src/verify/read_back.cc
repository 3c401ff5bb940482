#include "verify/read_back.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "net/http_client.h"
#include "state/touch_reader.h"

namespace tarn::verify {
namespace {

using codec::Json;

constexpr std::size_t at_once = 8;
constexpr std::size_t max_waiting = 64;
constexpr int max_attempts = 5;
constexpr std::int64_t first_pause_us = 100'000;
constexpr std::int64_t timeout_us = 30'000'000;
constexpr std::size_t paths_an_event = 5;

// An event and what the service may answer for it.
struct Question {
    std::uint64_t index = 0;
    std::string url, key, event_text;
    std::string payload, sent;
    std::optional<std::string> data;
};

enum class Outcome : std::uint8_t { same_bytes, same_json, different, missing, unreadable };

struct Answer {
    std::uint64_t index = 0;
    Outcome outcome = Outcome::unreadable;
    std::vector<state::Difference> differences;
};

Status check_url(const std::string& url) {
    const bool is_http = url.starts_with("http://") || url.starts_with("https://");
    const bool names_event =
        std::ranges::any_of(std::initializer_list<const char*>{"{id}", "{key}", "{position}"},
                            [&url](const char* part) { return url.find(part) != std::string::npos; });
    if (is_http && names_event) return {};
    return fail(Code::bad_usage,
                fmt::format("--read-back {}: expected a URL with {{id}}, {{key}} or {{position}}", url),
                {.next = "for example --read-back 'http://127.0.0.1:9000/orders/{id}'"});
}

std::string filled_in(std::string url, std::string_view name, std::string_view value) {
    const std::string part = fmt::format("{{{}}}", name), text = net::percent_encode(value);
    for (auto at = url.find(part); at != std::string::npos; at = url.find(part, at + text.size()))
        url.replace(at, part.size(), text);
    return url;
}

bool is_retried(const Result<net::ClientResponse>& response) {
    if (!response)
        return response.error().kind == ErrorKind::unavailable ||
               response.error().kind == ErrorKind::outcome_unknown;
    return response->status == 429 || response->status == 503;
}

// Compares one answer. The document that was sent carries the run's marks, which a service need not keep.
class Judge {
public:
    explicit Judge(const Leniency& leniency) : leniency_(leniency), sent_leniency_(leniency) {
        sent_leniency_.ignored.insert(sent_leniency_.ignored.end(), {"tarnrun", "tarnattempt"});
    }

    Answer judge(const Question& question, const Result<net::ClientResponse>& response) const {
        if (!response) return not_right(question, Outcome::unreadable, "", response.error().message);
        if (response->status == 404 || response->status == 410)
            return not_right(question, Outcome::missing, "", {});
        if (response->status != 200)
            return not_right(question, Outcome::unreadable, "", fmt::format("HTTP {}", response->status));
        return judge_body(question, response->body);
    }

private:
    Answer judge_body(const Question& question, const std::string& body) const {
        if (body == question.payload || body == question.sent || body == question.data)
            return {question.index, Outcome::same_bytes, {}};
        const auto document = Json::parse(body);
        if (!document)
            return not_right(question, Outcome::different, question.data.value_or(question.payload), body);
        const auto fits = [&](const std::string& text, const Leniency& leniency) {
            const auto expected = Json::parse(text);
            return expected &&
                   compare_json(*expected, *document, leniency, [](const auto&) { return false; });
        };
        if ((question.data && fits(*question.data, leniency_)) || fits(question.payload, leniency_) ||
            fits(question.sent, sent_leniency_))
            return {question.index, Outcome::same_json, {}};
        return tell_paths(question, body, document->has("specversion"));
    }

    Answer tell_paths(const Question& question, const std::string& body, bool is_whole_event) const {
        Answer answer{question.index, Outcome::different, {}};
        const std::string& expected =
            is_whole_event ? question.sent : question.data.value_or(question.payload);
        compare_texts(expected, body, is_whole_event ? sent_leniency_ : leniency_,
                      [&](const PathDifference& difference) {
                          answer.differences.push_back({"read back",
                                                        question.key,
                                                        difference.path,
                                                        difference.before,
                                                        difference.after,
                                                        {question.event_text}});
                          return answer.differences.size() < paths_an_event;
                      });
        return answer;
    }

    static Answer not_right(const Question& question, Outcome outcome, std::string before,
                            std::optional<std::string> after) {
        if (before.empty()) before = question.payload;
        return {
            question.index,
            outcome,
            {{"read back", question.key, "", std::move(before), std::move(after), {question.event_text}}}};
    }

    const Leniency& leniency_;
    Leniency sent_leniency_;
};

// Threads that ask; questions wait in a queue of bounded length, answers are taken in as they come.
class Askers {
public:
    Askers(os::Clock& clock, const std::atomic<bool>& stop, const Judge& judge)
        : clock_(clock), stop_(stop), judge_(judge) {
        for (std::size_t i = 0; i < at_once; ++i) threads_.emplace_back([this] { work(); });
    }
    ~Askers() { join(); }
    Askers(const Askers&) = delete;
    Askers& operator=(const Askers&) = delete;

    Status ask(Question question) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_.size() < max_waiting; });
        if (stop_) return fail(Code::interrupted, "the verification was stopped");
        waiting_.push_back(std::move(question));
        changed_.notify_all();
        return {};
    }
    // All questions are answered then.
    void join() {
        {
            const std::scoped_lock lock(mutex_);
            ending_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_)
            if (thread.joinable()) thread.join();
    }

    std::uint64_t counts[5] = {};                       // by outcome; after join()
    std::map<std::uint64_t, Answer> first_differences;  // by index, the first ones that came

private:
    void work() {
        net::HttpClient client;
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            const Question question = std::move(waiting_.front());
            waiting_.pop_front();
            changed_.notify_all();
            lock.unlock();
            Answer answer = judge_.judge(question, get(client, question.url));
            lock.lock();
            take(std::move(answer));
        }
    }

    Result<net::ClientResponse> get(net::HttpClient& client, const std::string& url) {
        net::ClientRequest request;
        request.url = url;
        request.timeout_us = timeout_us;
        for (int attempt = 1;; ++attempt) {
            Result<net::ClientResponse> response = client.send(request);
            if (attempt == max_attempts || stop_ || !is_retried(response)) return response;
            clock_.sleep_us(first_pause_us << (attempt - 1));
        }
    }

    void take(Answer answer) {
        ++counts[static_cast<std::size_t>(answer.outcome)];
        if (!answer.differences.empty() && first_differences.size() < Differences::shown)
            first_differences.emplace(answer.index, std::move(answer));
    }

    os::Clock& clock_;
    const std::atomic<bool>& stop_;
    const Judge& judge_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Question> waiting_;  // guarded by mutex_, as all below and the public members
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

// Which events are asked for: all that were acknowledged, or the last of each key.
class Chosen {
public:
    static Result<Chosen> of(const Subject& subject, const std::string& url) {
        Chosen chosen;
        chosen.by_key_ = url.find("{id}") == std::string::npos && url.find("{position}") == std::string::npos;
        if (!chosen.by_key_) return chosen;
        std::uint64_t index = 0;
        TARN_TRY(subject.replay.for_each_entry(
            subject.run(), [&](const replay::ManifestEntry& entry, std::string_view outcome) {
                if (outcome == "acknowledged") chosen.last_[entry.key_hash] = index;
                ++index;
                return Status();
            }));
        return chosen;
    }
    bool has(const replay::FedEvent& fed) const {
        if (!by_key_) return true;
        const auto last = last_.find(fed.entry.key_hash);
        return last != last_.end() && last->second == fed.index;
    }
    bool by_key() const { return by_key_; }

private:
    bool by_key_ = false;
    std::unordered_map<std::uint64_t, std::uint64_t> last_;
};

Question question_of(const Subject& subject, const std::string& url, event::Shape shape,
                     const replay::FedEvent& fed, const event::Meta& meta, std::string_view stream) {
    const event::StoredEvent& event = *fed.event;
    Question question{.index = fed.index,
                      .url = filled_in(url, "id", meta.id),
                      .key = std::string(meta.key.value_or(meta.id)),
                      .event_text = {},
                      .payload = std::string(event.payload),
                      .sent = {},
                      .data = {}};
    question.url = filled_in(question.url, "key", meta.key.value_or(""));
    question.url = filled_in(question.url, "position",
                             event::position_text(event.position.partition, event.position.offset));
    state::Touch touch;
    touch.stream = stream;
    touch.position = event.position;
    touch.type = meta.type;
    touch.time = meta.time;
    question.event_text = touch.text();
    event::append_shape(question.sent, shape, event, meta,
                        {.run = subject.report["uid"].as_string(), .attempt = 1});
    if (const auto data = event::data_json(event, meta)) question.data = std::string(*data);
    return question;
}

Check check_of(const Askers& askers, const std::string& url, std::uint64_t asked, std::uint64_t without_key) {
    const auto count = [&askers](Outcome outcome) {
        return askers.counts[static_cast<std::size_t>(outcome)];
    };
    const std::uint64_t bytes = count(Outcome::same_bytes), json = count(Outcome::same_json),
                        different = count(Outcome::different), missing = count(Outcome::missing),
                        unreadable = count(Outcome::unreadable);
    Check check{.name = "target", .ok = bytes + json == asked, .detail = {}, .evidence = Evidence::target};
    check.counts = Json::object()
                       .set("asked", asked)
                       .set("same_bytes", bytes)
                       .set("same_json", json)
                       .set("different", different)
                       .set("missing", missing)
                       .set("unreadable", unreadable)
                       .set("without_key", without_key);
    check.detail = fmt::format("{} read back {} times: {} answers byte for byte, {} as equal JSON", url,
                               format_count(asked), format_count(bytes), format_count(json));
    const auto add = [&check](std::uint64_t number, std::string_view what) {
        if (number > 0) check.detail += fmt::format(", {} {}", format_count(number), what);
    };
    add(different, "different");
    add(missing, "missing");
    add(unreadable, "not to be read");
    add(without_key, "events without a key, not asked for");
    return check;
}

}  // namespace

Result<Check> check_read_back(const Parts& parts, const Subject& subject, const std::string& url,
                              const Leniency& leniency, Differences& differences) {
    TARN_TRY(check_url(url));
    TARN_ASSIGN(const event::Shape shape, event::parse_shape(subject.plan["shape"].as_string()));
    TARN_ASSIGN(const Chosen chosen, Chosen::of(subject, url));
    const bool needs_key = url.find("{key}") != std::string::npos;
    const Judge judge(leniency);
    Askers askers(parts.clock, parts.stop, judge);
    event::MetaReader reader;
    std::uint64_t asked = 0, without_key = 0;
    const auto visit = [&](const replay::FedEvent& fed, std::string_view stream,
                           std::string_view outcome) -> Status {
        if (outcome != "acknowledged" || !fed.event || !chosen.has(fed)) return {};
        const event::Meta& meta = reader.read(*fed.event, stream);
        if (needs_key && !meta.key) {
            ++without_key;
            return {};
        }
        ++asked;
        return askers.ask(question_of(subject, url, shape, fed, meta, stream));
    };
    const Status visited = subject.replay.for_each_event(subject.run(), visit);
    askers.join();
    TARN_TRY(visited);
    const std::uint64_t wrong = asked - askers.counts[0] - askers.counts[1];
    std::vector<state::Difference> list;
    for (auto& [index, answer] : askers.first_differences)
        list.insert(list.end(), std::make_move_iterator(answer.differences.begin()),
                    std::make_move_iterator(answer.differences.end()));
    const std::uint64_t total = std::max<std::uint64_t>(wrong, list.size());
    differences.add_all(std::move(list), total);
    return check_of(askers, url, asked, without_key);
}

}  // namespace tarn::verify
