// Errors as values. An error's kind tells the caller what to do next; its code names the exact cause for
// people and for `tarn explain`; its text says what happened, where, what was expected, and the next step.
//
// Source of the principle: docs/decisions/0002-errors.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn {

// What the caller can do about it. Exit codes and HTTP statuses follow from the kind alone (see exit_code,
// http_status).
enum class ErrorKind : std::uint8_t {
    usage,            // the command line or request is malformed: read the help
    invalid,          // the input is wrong: correct it
    too_large,        // the input exceeds a limit: split it or raise the limit
    not_found,        // no such thing, or nothing selected
    conflict,         // the thing exists already or is in another state
    locked,           // somebody else owns it: wait or talk to the owner
    stale,            // what was planned is no longer true: plan again
    denied,           // not allowed
    unsupported,      // not built yet, or a newer format: upgrade
    config,           // the configuration is wrong
    overloaded,       // try again after a pause
    unavailable,      // the other side cannot be reached: nothing happened, retry
    out_of_space,     // free disk space
    outcome_unknown,  // it may or may not have happened: find out before doing it again
    interrupted,      // stopped at a checkpoint: resume
    corrupt,          // stored bytes are damaged: tarn fsck
    io,               // the operating system refused
    internal,         // a broken assumption in Tarn: report it
};

// The codes, one per cause: `Code::json_syntax` is TARN-1203. The table with kinds and explanations:
// error_codes.def.
enum class Code : std::uint16_t {
#define TARN_ERROR(number, name, kind, title, explanation) name = number,
#include "base/error_codes.def"
#undef TARN_ERROR
};

struct CodeInfo {
    Code code;
    std::string_view name;
    ErrorKind kind;
    std::string_view title;        // half a sentence
    std::string_view explanation;  // a paragraph: why it happens and what to do
};

// All codes in ascending order; nullptr-free. `find_code` takes 1203 and returns nullptr when there is no
// such code.
const CodeInfo* find_code(int number);
const CodeInfo& info(Code code);

// Where in some input an error was found. Zero-valued parts are unknown. Lines and columns count from 1; a
// column counts bytes; `byte` is the offset in the whole input from 0.
struct Place {
    std::string source;  // file, stream, segment, …
    std::uint64_t line = 0;
    std::uint64_t column = 0;
    std::optional<std::uint64_t> byte;

    // "events.ndjson:3:17", "segment 0017.log: byte 40960", "" when nothing is known.
    std::string text() const;
};

struct Error {
    Code code;
    ErrorKind kind;
    std::string message;
    Place place;
    std::string next;     // the next command or step, empty when there is none
    std::string excerpt;  // the offending line, for people; may be empty

    // "TARN-1203"
    std::string code_text() const;
    // One line: "error TARN-1203: place: message".
    std::string text() const;
};

// Extra parts of an error, for designated initialisers.
struct ErrorParts {
    Place place = {};
    std::string next = {};
    std::string excerpt = {};
};

// An error of the code's own kind.
Error make_error(Code code, std::string message, ErrorParts parts = {});
// An io error from errno, ENOSPC and EDQUOT becoming out_of_space. `what` names the call and the path.
Error make_errno_error(int errno_value, std::string_view what);

int exit_code(ErrorKind kind);
int http_status(ErrorKind kind);
std::string_view kind_name(ErrorKind kind);

}  // namespace tarn
