#include "base/error.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "base/hash128.h"

namespace tarn {
namespace {

constexpr std::array code_table = {
#define TARN_ERROR(number, name, kind, title, explanation) \
    CodeInfo{Code::name, #name, ErrorKind::kind, title, explanation},
#include "base/error_codes.def"
#undef TARN_ERROR
};

struct KindInfo {
    std::string_view name;
    int exit_code;
    int http_status;
};

KindInfo kind_info(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::usage:
            return {"usage", 2, 400};
        case ErrorKind::invalid:
            return {"invalid", 1, 400};
        case ErrorKind::too_large:
            return {"too_large", 1, 413};
        case ErrorKind::not_found:
            return {"not_found", 10, 404};
        case ErrorKind::conflict:
            return {"conflict", 11, 409};
        case ErrorKind::locked:
            return {"locked", 11, 423};
        case ErrorKind::stale:
            return {"stale", 5, 409};
        case ErrorKind::denied:
            return {"denied", 12, 403};
        case ErrorKind::unsupported:
            return {"unsupported", 2, 501};
        case ErrorKind::config:
            return {"config", 78, 400};
        case ErrorKind::overloaded:
            return {"overloaded", 1, 429};
        case ErrorKind::unavailable:
            return {"unavailable", 1, 503};
        case ErrorKind::out_of_space:
            return {"out_of_space", 1, 507};
        case ErrorKind::outcome_unknown:
            return {"outcome_unknown", 3, 504};
        case ErrorKind::interrupted:
            return {"interrupted", 130, 503};
        case ErrorKind::corrupt:
            return {"corrupt", 1, 500};
        case ErrorKind::io:
            return {"io", 1, 500};
        case ErrorKind::internal:
            return {"internal", 1, 500};
    }
    return {"internal", 1, 500};
}

}  // namespace

const CodeInfo* find_code(int number) {
    const auto found = std::ranges::find_if(
        code_table, [&](const CodeInfo& entry) { return static_cast<int>(entry.code) == number; });
    return found == code_table.end() ? nullptr : &*found;
}

const CodeInfo& info(Code code) {
    const CodeInfo* found = find_code(static_cast<int>(code));
    TARN_CHECK(found != nullptr);
    return *found;
}

std::string Place::text() const {
    std::string out = source;
    if (line != 0) {
        out += fmt::format("{}{}", out.empty() ? "line " : ":", line);
        if (column != 0) out += fmt::format(":{}", column);
    } else if (byte) {
        out += fmt::format("{}byte {}", out.empty() ? "" : ": ", *byte);
    }
    return out;
}

std::string Error::code_text() const { return fmt::format("TARN-{:04}", static_cast<int>(code)); }

std::string Error::text() const {
    const std::string where = place.text();
    return fmt::format("error {}: {}{}{}", code_text(), where, where.empty() ? "" : ": ", message);
}

Error make_error(Code code, std::string message, ErrorParts parts) {
    return Error{code,
                 info(code).kind,
                 std::move(message),
                 std::move(parts.place),
                 std::move(parts.next),
                 std::move(parts.excerpt)};
}

Error make_errno_error(int errno_value, std::string_view what) {
    const bool full = errno_value == ENOSPC || errno_value == EDQUOT;
    return make_error(full ? Code::disk_full : Code::io_failed,
                      fmt::format("{}: {}", what, std::strerror(errno_value)));
}

int exit_code(ErrorKind kind) { return kind_info(kind).exit_code; }
int http_status(ErrorKind kind) { return kind_info(kind).http_status; }
std::string_view kind_name(ErrorKind kind) { return kind_info(kind).name; }

std::string Hash128::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "tarn: internal check failed: %s at %s:%d\n", expression, file, line);
    std::abort();
}

}  // namespace tarn
