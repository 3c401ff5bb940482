#include "server/jobs.h"

#include <fmt/core.h>

namespace tarn::server {

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

Jobs::~Jobs() { stop_all(); }

Result<std::string> Jobs::start(const std::string& kind, const std::string& subject, JobBody body) {
    TARN_ASSIGN(const std::uint64_t number, catalog_.next_number("job"));
    auto job = std::make_shared<Job>();
    job->id = fmt::format("jb-{}", number);
    job->kind = kind;
    job->subject = subject;
    job->started = clock_.now();
    TARN_TRY(catalog_.put_document({"job", job->id, job->started, job->to_json()}));
    const std::lock_guard lock(mutex_);
    jobs_[job->id] = job;
    job->thread = std::thread([this, job = job.get(), body = std::move(body)] {
        const JobContext context{job->stop, [job](codec::Json progress) {
                                     const std::lock_guard lock(job->mutex);
                                     job->progress = std::move(progress);
                                 }};
        finish(*job, body(context));
    });
    return job->id;
}

void Jobs::finish(Job& job, Result<codec::Json> outcome) {
    {
        const std::lock_guard lock(job.mutex);
        job.ended = clock_.now();
        if (outcome) {
            job.state = "finished";
            job.result = std::move(*outcome);
        } else {
            job.state = outcome.error().kind == ErrorKind::interrupted ? "interrupted" : "failed";
            job.error = error_json(outcome.error());
        }
    }
    // The job's own outcome stands; a catalog that cannot keep its record must not turn it into a failure.
    (void)catalog_.put_document({"job", job.id, job.started, job.to_json()});
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
        if (const auto found = jobs_.find(id); found != jobs_.end()) return found->second->to_json();
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
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(id);
    if (found == jobs_.end())
        return fail(Code::unknown_job, fmt::format("no job {} is running", id), {.next = "tarn job list"});
    found->second->stop = true;
    return {};
}

std::string Jobs::running_on(std::string_view subject) {
    const std::lock_guard lock(mutex_);
    std::string newest;
    for (const auto& [id, job] : jobs_) {
        const std::lock_guard job_lock(job->mutex);
        if (job->subject == subject && job->state == "running") newest = id;
    }
    return newest;
}

void Jobs::stop_all() {
    std::map<std::string, std::shared_ptr<Job>, std::less<>> jobs;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [id, job] : jobs_) job->stop = true;
        jobs = jobs_;
    }
    for (const auto& [id, job] : jobs)
        if (job->thread.joinable()) job->thread.join();
}

}  // namespace tarn::server
