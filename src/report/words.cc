#include "report/words.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"

namespace tarn::report {

using codec::Json;

bool has_been_verified(const Json& verify) { return verify["checked"].as_bool() || verify.has("equal"); }
bool is_verified_equal(const Json& verify) {
    return has_been_verified(verify) && verify["equal"].as_bool(true) && verify["differences"].size() == 0;
}

namespace {

// "check counts", "checks counts and target"
std::string failed_checks(const Json& verify) {
    std::string names;
    std::size_t count = 0;
    for (const Json& check : verify["checks"].elements()) {
        if (check["ok"].as_bool()) continue;
        names += (count++ == 0 ? "" : ", ") + check["name"].as_string();
    }
    if (count == 0) return "a check";
    return (count == 1 ? "check " : "checks ") + names;
}

}  // namespace

Verdict verdict_of(const Json& report) {
    const Json& counts = report["counts"];
    if (has_been_verified(report["verify"]) && !is_verified_equal(report["verify"])) return Verdict::wrong;
    if (counts["failed"].as_uint() > 0 || report["state"].as_string() == "failed" ||
        report["order"]["violations"].as_uint() > 0)
        return Verdict::wrong;
    if (counts["held"].as_uint() + counts["unknown"].as_uint() + counts["remaining"].as_uint() > 0)
        return Verdict::doubtful;
    return has_been_verified(report["verify"]) ? Verdict::right : Verdict::doubtful;
}

std::string reason_of(const Json& report) {
    const Json& counts = report["counts"];
    const Json& verify = report["verify"];
    if (has_been_verified(verify) && !is_verified_equal(verify))
        return verify["differences"].size() > 0
                   ? fmt::format("verification found {} differences",
                                 format_count(std::max<std::uint64_t>(verify["differences_total"].as_uint(),
                                                                      verify["differences"].size())))
                   : failed_checks(verify) + " of the verification did not hold";
    if (report["state"].as_string() == "failed")
        return fmt::format("it stopped: {}", report["error"]["message"].as_string().empty()
                                                 ? "an event failed"
                                                 : report["error"]["message"].as_string());
    if (counts["failed"].as_uint() > 0)
        return fmt::format("{} events failed and {} wait behind them", count(counts["failed"]),
                           count(counts["held"]));
    if (report["order"]["violations"].as_uint() > 0) return "events overtook each other within a key";
    if (counts["unknown"].as_uint() > 0)
        return fmt::format("the outcome of {} events is unknown", count(counts["unknown"]));
    if (counts["remaining"].as_uint() > 0)
        return fmt::format("{} events are still to be sent", count(counts["remaining"]));
    if (!has_been_verified(verify)) return "every event was settled, but nothing has been verified yet";
    if (!verify["target_read"].as_bool(true))
        return "every event was acknowledged and verification found no difference, but the target cannot be "
               "read";
    return "every event arrived and verification found no difference";
}

std::string count(const Json& number) { return format_count(number.as_uint()); }

std::string counts_line(const Json& counts) {
    std::string line = fmt::format("{} selected =", count(counts["selected"]));
    const char* separator = " ";
    for (const char* part : {"acknowledged", "skipped", "failed", "held", "unknown", "remaining"}) {
        if (std::string_view(part) == "remaining" && counts[part].as_uint() == 0) continue;
        line += fmt::format("{}{} {}", separator, count(counts[part]), part);
        separator = " + ";
    }
    return line;
}

std::string destination_of(const Json& document) {
    const std::string& into = document["into"].as_string();
    return into.empty() ? document["target"].as_string() : into;
}

std::string duration_text(double seconds) {
    return format_duration(static_cast<std::int64_t>(seconds * 1e6));
}

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7F)
            out += c;
        else
            out += "·";
    }
    return out;
}

}  // namespace tarn::report
