#include "os/confine.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

// Sanitizers reserve terabytes of address space for their shadow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TARN_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TARN_SANITIZED 1
#endif
#endif

namespace tarn::os {
namespace {

#ifdef TARN_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

Status lower(__rlimit_resource resource, std::uint64_t value, const char* name) {
    rlimit now{};
    if (::getrlimit(resource, &now) != 0) return fail(make_errno_error(errno, name));
    const rlim_t limit = std::min<rlim_t>(value, now.rlim_max);
    const rlimit bounds{limit, limit};
    if (::setrlimit(resource, &bounds) != 0) return fail(make_errno_error(errno, name));
    return {};
}

}  // namespace

Status give_up_privileges() {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return fail(make_errno_error(errno, "prctl PR_SET_PDEATHSIG"));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(make_errno_error(errno, "prctl PR_SET_NO_NEW_PRIVS"));
    if (::prctl(PR_SET_DUMPABLE, 0) != 0) return fail(make_errno_error(errno, "prctl PR_SET_DUMPABLE"));
    return {};
}

Status confine(const Confinement& limits) {
    ::signal(SIGXFSZ, SIG_IGN);  // the write fails with EFBIG instead
    TARN_TRY(lower(RLIMIT_FSIZE, 0, "setrlimit RLIMIT_FSIZE"));
    TARN_TRY(lower(RLIMIT_CORE, 0, "setrlimit RLIMIT_CORE"));
    TARN_TRY(lower(RLIMIT_NOFILE, limits.open_files, "setrlimit RLIMIT_NOFILE"));
    if (limits.cpu_seconds != 0) TARN_TRY(lower(RLIMIT_CPU, limits.cpu_seconds, "setrlimit RLIMIT_CPU"));
    if (limits.address_space_bytes != 0 && !sanitized)
        TARN_TRY(lower(RLIMIT_AS, limits.address_space_bytes, "setrlimit RLIMIT_AS"));
    return {};
}

void ignore_broken_pipes() { ::signal(SIGPIPE, SIG_IGN); }

}  // namespace tarn::os
