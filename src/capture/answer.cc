#include "capture/answer.h"

#include <fmt/core.h>

#include "codec/json.h"
#include "event/attributes.h"

namespace tarn::capture {
namespace {

void append_bad(std::string& out, const BadEvent& bad, Sequence first_sequence) {
    const Place& place = bad.error.place;
    out += fmt::format(R"({{"line":{},"column":{},"byte":{},"code":"{}","message":)", place.line,
                       place.column, place.byte.value_or(0), bad.error.code_text());
    codec::append_quoted(out, event::to_valid_utf8(bad.error.message));
    out += ",\"quarantine\":\"";
    out += quarantine_id(first_sequence + bad.index);
    out += "\"}";
}

void append_positions(std::string& out, const log::Appended& appended) {
    out += ",\"positions\":[";
    bool first = true;
    for (const log::Range& range : appended.ranges) {
        if (range.partition == quarantine_partition) continue;
        out += fmt::format(R"({}{{"partition":{},"first":{},"last":{}}})", first ? "" : ",", range.partition,
                           range.first, range.last);
        first = false;
    }
    out += ']';
}

void append_errors(std::string& out, const Gist& gist, const log::Appended& appended) {
    if (gist.bad.empty()) return;
    out += ",\"errors\":[";
    for (std::size_t i = 0; i < gist.bad.size(); ++i) {
        if (i != 0) out += ',';
        append_bad(out, gist.bad[i], appended.first_sequence);
    }
    out += gist.bad.size() < gist.quarantined ? "],\"errors_complete\":false" : "],\"errors_complete\":true";
}

}  // namespace

std::string quarantine_id(Sequence sequence) { return fmt::format("qr-{}", sequence); }

std::uint64_t quarantined_in(const log::Appended& appended) {
    for (const log::Range& range : appended.ranges)
        if (range.partition == quarantine_partition) return range.last - range.first + 1;
    return 0;
}

net::Response accepted_answer(const Gist& gist, const log::Appended& appended) {
    const std::uint64_t quarantined = quarantined_in(appended);
    net::Response response;
    std::string& out = response.body;
    out.reserve(128);
    out += fmt::format(R"({{"accepted":{},"quarantined":{})", appended.events - quarantined, quarantined);
    append_positions(out, appended);
    // A repeated request whose events fall out differently now (the stream's settings changed) has no errors
    // to show that would belong to the first one.
    if (appended.events == gist.events && quarantined == gist.quarantined) append_errors(out, gist, appended);
    if (gist.dropped != 0) out += fmt::format(",\"dropped\":{}", gist.dropped);
    if (gist.empty_lines != 0) out += fmt::format(",\"empty_lines\":{}", gist.empty_lines);
    if (appended.repeated) out += ",\"repeated\":true";
    out += '}';
    return response;
}

net::Response quarantined_answer(Error error, const std::string& stream, Sequence sequence) {
    const std::string id = quarantine_id(sequence);
    if (error.next.empty())
        error.next =
            fmt::format("its bytes are kept as {}: tarn query 'SELECT * FROM \"{}\".quarantine'", id, stream);
    net::Response response = net::error_response(error);
    auto body = codec::Json::parse(response.body);
    if (!body) return response;
    codec::Json inner = (*body)["error"];
    codec::Json where = inner["where"].is_object() ? inner["where"] : codec::Json::object();
    where.set("quarantine", id);
    inner.set("where", std::move(where));
    body->set("error", std::move(inner));
    response.body = body->dump();
    return response;
}

}  // namespace tarn::capture
