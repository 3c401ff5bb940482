#include "server/jobs.h"

#include <fmt/core.h>

namespace tarn::server {
namespace {

constexpr std::uint64_t kept_jobs = 1000;

}  // namespace

codec::Json error_json(const Error& error) {
    codec::Json where;
    where.set("source", error.place.source);
    if (error.place.line != 0) where.set("line", error.place.line).set("column", error.place.column);
    if (error.place.byte) where.set("byte", *error.place.byte);
    codec::Json json;
    json.set("code", error.code_text()).set("kind", kind_name(error.kind)).set("message", error.message);
    json.set("where", std::move(where)).set("next", error.next);
    if (!error.excerpt.empty()) json.set("excerpt", error.excerpt);
    return json;
}

std::string error_line(const Error& error) {
    codec::Json line;
    line.set("complete", false).set("error", error_json(error));
    return line.dump() + "\n";
}

Jobs::~Jobs() { stop_all(); }

Result<std::string> Jobs::start(const std::string& kind, const std::string& subject, JobBody body) {
    TARN_ASSIGN(const std::uint64_t number, catalog_.next_number("job"));
    if (number % kept_jobs == 0) TARN_TRY(forget_oldest());
    auto job = std::make_shared<Job>();
    job->number = number;
    job->id = fmt::format("jb-{}", number);
    job->kind = kind;
    job->subject = subject;
    job->started = clock_.now();
    TARN_TRY(catalog_.put_document({"job", job->id, job->started, job->to_json()}));
    const std::lock_guard lock(mutex_);
    reap();
    jobs_[number] = job;
    job->thread = std::thread([this, job = job.get(), body = std::move(body)]() mutable {
        const JobContext context{job->stop, [job](codec::Json progress) {
                                     const std::lock_guard lock(job->mutex);
                                     job->progress = std::move(progress);
                                 }};
        finish(*job, body(context));
    });
    return job->id;
}

void Jobs::finish(Job& job, Result<JobEnd> outcome) {
    {
        const std::lock_guard lock(job.mutex);
        job.ended = clock_.now();
        if (outcome) {
            job.state = outcome->stopped ? "stopped" : "finished";
            job.result = std::move(outcome->result);
        } else {
            job.state = outcome.error().kind == ErrorKind::interrupted ? "interrupted" : "failed";
            job.error = error_json(outcome.error());
        }
    }
    // The job's own outcome stands; a catalog that cannot keep its record must not turn it into a failure.
    job.kept = catalog_.put_document({"job", job.id, job.started, job.to_json()}).has_value();
    job.ended_for_good = true;
}

// What the catalog tells need not stand here. What it could not keep stays for those who ask, but not for
// ever.
void Jobs::reap() {
    std::size_t unkept = 0;
    for (auto each = jobs_.end(); each != jobs_.begin();) {
        --each;
        Job& job = *each->second;
        if (!job.ended_for_good) continue;
        if (job.thread.joinable()) job.thread.join();
        if (!job.kept && ++unkept <= kept_jobs) continue;
        each = jobs_.erase(each);
    }
}

std::shared_ptr<Jobs::Job> Jobs::find(std::string_view id) {
    for (const auto& [number, job] : jobs_)
        if (job->id == id) return job;
    return nullptr;
}

Status Jobs::forget_oldest() {
    TARN_ASSIGN(const auto documents, catalog_.documents("job"));  // newest first
    const std::lock_guard lock(mutex_);
    for (std::size_t i = kept_jobs; i < documents.size(); ++i) {
        const auto running = find(documents[i].id);
        if (running && !running->ended_for_good) continue;
        TARN_TRY(catalog_.delete_document("job", documents[i].id));
    }
    return {};
}

codec::Json Jobs::Job::to_json() {
    const std::lock_guard lock(mutex);
    codec::Json json;
    json.set("schema_version", 1)
        .set("job", id)
        .set("kind", kind)
        .set("subject", subject)
        .set("state", state);
    json.set("started", format_rfc3339(started));
    json.set("ended", ended ? codec::Json(format_rfc3339(*ended)) : codec::Json());
    json.set("progress", progress).set("result", result).set("error", error);
    return json;
}

Result<codec::Json> Jobs::show(std::string_view id) {
    {
        const std::lock_guard lock(mutex_);
        reap();
        if (const auto job = find(id)) return job->to_json();
    }
    TARN_ASSIGN(const auto stored, catalog_.document("job", id));
    if (!stored)
        return fail(Code::unknown_job, fmt::format("there is no job {}", id), {.next = "tarn job list"});
    codec::Json body = stored->body;
    // Nobody is running it any more: its host ended first.
    if (body["state"].as_string() == "running") body.set("state", "interrupted");
    return body;
}

Result<codec::Json> Jobs::list() {
    TARN_ASSIGN(const auto stored, catalog_.documents("job"));
    codec::Json items = codec::Json::array();
    for (const auto& document : stored) {
        TARN_ASSIGN(codec::Json job, show(document.id));
        items.push(std::move(job));
    }
    codec::Json out;
    out.set("schema_version", 1).set("items", std::move(items)).set("complete", true);
    return out;
}

Status Jobs::cancel(std::string_view id) {
    TARN_ASSIGN(const codec::Json shown, show(id));
    const std::lock_guard lock(mutex_);
    const auto job = find(id);
    if (job == nullptr || shown["state"].as_string() != "running")
        return fail(Code::run_state, fmt::format("job {} is {} already", id, shown["state"].as_string()),
                    {.next = fmt::format("tarn job show {}", id)});
    job->stop = true;
    return {};
}

std::string Jobs::running_on(std::string_view subject) {
    const std::lock_guard lock(mutex_);
    for (auto each = jobs_.rbegin(); each != jobs_.rend(); ++each) {
        const std::lock_guard job_lock(each->second->mutex);
        if (each->second->subject == subject && each->second->state == "running") return each->second->id;
    }
    return "";
}

void Jobs::stop_all() {
    Running jobs;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [number, job] : jobs_) job->stop = true;
        jobs.swap(jobs_);  // nobody else joins them
    }
    for (const auto& [number, job] : jobs)
        if (job->thread.joinable()) job->thread.join();
}

}  // namespace tarn::server
