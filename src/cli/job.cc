// tarn job: long work.
#include "cli/commands.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/jobs/" + net::percent_encode(context.arguments.get_or("JOB", ""));
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json jobs, client->get("/v1/jobs"));
    context.out.list(jobs, {"job", "kind", "subject", "state", "started", "ended"});
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json job, client->get(path_of(context)));
    context.out.document(job);
    return 0;
}

Result<int> cancel(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json job, client->post(path_of(context) + "/cancel", codec::Json::object()));
    context.out.document(job);
    return 0;
}

}  // namespace

std::vector<Command> job_commands() {
    const Positional job{"JOB", "such as jb-3"};
    return {
        {"job list", "imports and runs, newest first", {}, {}, "Example:\n  tarn job list\n", list},
        {"job show", "one job: state, progress, result", {job}, {}, "Example:\n  tarn job show jb-3\n", show},
        {"job cancel",
         "stop it at its next checkpoint",
         {job},
         {},
         "Example:\n  tarn job cancel jb-3\n\nIts state is then stopped (a run: tarn replay resume) or "
         "interrupted (an import: give the command again).",
         cancel},
    };
}

}  // namespace tarn::cli
