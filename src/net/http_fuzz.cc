// The request parser on arbitrary bytes: cut into pieces as the input's first bytes say, they must give the
// same requests and the same failure as in one piece; and no byte may be taken twice or lost.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_parser.h"

namespace {

using tarn::net::ParsedRequest;
using tarn::net::ParserLimits;
using tarn::net::RequestParser;

struct Outcome {
    std::vector<ParsedRequest> requests;
    int failed_status = 0;
    std::string message;
    std::string place;
    bool idle = true;

    bool same_as(const Outcome& other) const {
        if (requests.size() != other.requests.size() || failed_status != other.failed_status) return false;
        if (message != other.message || place != other.place || idle != other.idle) return false;
        for (std::size_t i = 0; i < requests.size(); ++i)
            if (!same(requests[i], other.requests[i])) return false;
        return true;
    }
    static bool same(const ParsedRequest& a, const ParsedRequest& b) {
        return a.keep_alive == b.keep_alive && a.http_1_0 == b.http_1_0 &&
               a.request.method == b.request.method && a.request.path == b.request.path &&
               a.request.query == b.request.query && a.request.headers == b.request.headers &&
               a.request.body == b.request.body;
    }
};

void require(bool condition) {
    if (!condition) std::abort();
}

// Feeds one piece; false when the parser has failed.
bool feed_piece(RequestParser& parser, std::string_view piece, Outcome& outcome) {
    while (!piece.empty()) {
        const std::size_t before = piece.size();
        const auto progress = parser.feed(piece);
        require(piece.size() <= before);
        if (progress == RequestParser::Progress::failed) {
            outcome.failed_status = parser.failure().status;
            outcome.message = parser.failure().error.message;
            outcome.place = parser.failure().error.place.text();
            return false;
        }
        if (progress == RequestParser::Progress::incomplete) {
            require(piece.empty());
            return true;
        }
        require(piece.size() < before);
        outcome.requests.push_back(parser.take());
    }
    return true;
}

Outcome run(std::string_view bytes, std::string_view cuts) {
    ParserLimits limits;  // small, so that the fuzzer reaches them
    limits.max_head_bytes = 512;
    limits.max_target_bytes = 128;
    limits.max_headers = 8;
    limits.max_query_parameters = 4;
    limits.max_body_bytes = 256;
    limits.max_chunk_extension_bytes = 32;
    RequestParser parser(limits);
    Outcome outcome;
    for (std::size_t i = 0; !bytes.empty(); ++i) {
        const std::size_t length =
            cuts.empty() ? bytes.size() : 1 + static_cast<unsigned char>(cuts[i % cuts.size()]);
        const std::string piece(
            bytes.substr(0, length));  // a copy: a parser that keeps views into it is found out
        bytes.remove_prefix(piece.size());
        if (!feed_piece(parser, piece, outcome)) break;
        require(parser.body_bytes() <= limits.max_body_bytes);
    }
    outcome.idle = parser.idle();
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t cut_bytes = 4;
    if (size < cut_bytes) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string_view bytes = input.substr(cut_bytes);
    const Outcome whole = run(bytes, {});
    require(whole.same_as(run(bytes, input.substr(0, cut_bytes))));
    require(whole.same_as(run(bytes, std::string_view("\0", 1))));  // byte by byte
    return 0;
}
