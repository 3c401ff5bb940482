// Which target can be read again, and how.
#include <fmt/core.h>

#include "replay/targets.h"
#include "verify/checks.h"

namespace tarn::verify {
namespace {

Check cannot_be_read(std::string_view what, std::string_view next = "") {
    return {.name = "target",
            .ok = true,
            .detail = fmt::format(
                "{} cannot be re-read: only the sender's word stands, its acknowledgements{}", what, next),
            .evidence = Evidence::sender};
}

}  // namespace

namespace {

Result<Check> check_by_kind(const Subject& subject) {
    TARN_ASSIGN(const replay::TargetAddress address,
                replay::TargetAddress::parse(subject.plan["target"].as_string()));
    switch (address.kind) {
        case replay::TargetKind::null:
            return cannot_be_read("null:");
        case replay::TargetKind::http:
            return cannot_be_read(address.place, " (--read-back URL reads events back)");
        case replay::TargetKind::file:
            return check_file(subject, address.place);
        case replay::TargetKind::stream:
            return check_stream(subject, address.place);
        case replay::TargetKind::function:
        case replay::TargetKind::exec:
        case replay::TargetKind::declared:
            return cannot_be_read(address.text());
        case replay::TargetKind::projection:
            return check_store(subject);
    }
    return cannot_be_read(address.text());
}

}  // namespace

Result<Check> check_target(const Subject& subject) {
    TARN_ASSIGN(Check check, check_by_kind(subject));
    if (!subject.via().empty())
        check.detail += fmt::format("; bytes were transformed by function:{}{}", subject.via(),
                                    check.evidence == Evidence::target ? " and are not compared" : "");
    return check;
}

}  // namespace tarn::verify
