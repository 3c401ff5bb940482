#include "net/http_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tarn::net {
namespace {

using Progress = RequestParser::Progress;

struct Parsed {
    std::vector<ParsedRequest> requests;
    int failed_status = 0;  // 0: not failed
    std::string message;
    bool incomplete = false;  // the last request wants more
};

Parsed parse(std::string_view bytes, const ParserLimits& limits = {},
             std::size_t piece = std::string_view::npos) {
    RequestParser parser(limits);
    Parsed out;
    while (!bytes.empty()) {
        std::string_view part = bytes.substr(0, piece);
        bytes.remove_prefix(part.size());
        while (!part.empty()) {
            const Progress progress = parser.feed(part);
            if (progress == Progress::failed) {
                out.failed_status = parser.failure().status;
                out.message = parser.failure().error.message;
                return out;
            }
            if (progress == Progress::complete) out.requests.push_back(parser.take());
        }
    }
    out.incomplete = !parser.idle();
    return out;
}

// A GET whose head has one more line.
std::string get_with(std::string_view line) {
    return "GET / HTTP/1.1\r\nHost: x\r\n" + std::string(line) + "\r\n\r\n";
}
std::string get_target(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}
std::string chunked(std::string_view body) {
    return "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
}

int status_of(std::string_view bytes, const ParserLimits& limits = {}) {
    const Parsed whole = parse(bytes, limits);
    const Parsed pieces = parse(bytes, limits, 1);
    EXPECT_EQ(whole.failed_status, pieces.failed_status) << bytes;
    EXPECT_EQ(whole.message, pieces.message) << bytes;
    EXPECT_EQ(whole.requests.size(), pieces.requests.size()) << bytes;
    return whole.failed_status;
}

std::string body_of(std::string_view bytes) {
    const Parsed parsed = parse(bytes);
    EXPECT_EQ(parsed.requests.size(), 1u) << parsed.message;
    return parsed.requests.empty() ? "" : parsed.requests.front().request.body;
}

TEST(RequestParser, ReadsARequest) {
    const Parsed parsed = parse(
        "POST /v1/streams/orders/events?key=a%20b&flag&t=1+1 HTTP/1.1\r\nHost: localhost:8470\r\n"
        "Content-Type: \t application/json \r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    ASSERT_EQ(parsed.requests.size(), 1u);
    const Request& request = parsed.requests[0].request;
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/streams/orders/events");
    EXPECT_EQ(request.parameter("key"), "a b");
    EXPECT_EQ(request.parameter("flag"), "");
    EXPECT_EQ(request.parameter("t"), "1 1");
    EXPECT_EQ(request.parameter("none"), std::nullopt);
    EXPECT_EQ(request.header("content-type"), "application/json");
    EXPECT_EQ(request.body, "{\"a\":1}");
    EXPECT_TRUE(parsed.requests[0].keep_alive);
    EXPECT_FALSE(parsed.requests[0].http_1_0);
    EXPECT_FALSE(parsed.incomplete);
}

TEST(RequestParser, SeparatesPipelinedRequestsHoweverTheyAreCut) {
    std::string bytes;
    for (int i = 0; i < 5; ++i) {
        bytes += get_target("/" + std::to_string(i));
        bytes += chunked("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: dropped\r\n\r\n");
        bytes += "POST /n HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    }
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Parsed parsed = parse(bytes, {}, piece);
        ASSERT_EQ(parsed.requests.size(), 15u) << "pieces of " << piece;
        EXPECT_EQ(parsed.requests[12].request.path, "/4");
        EXPECT_EQ(parsed.requests[13].request.body, "abcde");
        EXPECT_EQ(parsed.requests[13].request.header("trailer"), std::nullopt);
        EXPECT_EQ(parsed.requests[14].request.body, "abc");
    }
}

TEST(RequestParser, RefusesTwoWaysToFindTheEnd) {
    EXPECT_EQ(
        status_of(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        400);
    EXPECT_EQ(
        status_of(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        400);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
              400);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
              400);
    EXPECT_EQ(status_of(get_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")), 400);
    EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
}

TEST(RequestParser, RefusesOtherTransferCodings) {
    for (const char* coding : {"gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked",
                               "chunked;q=1", "\"chunked\"", ""})
        EXPECT_EQ(status_of(get_with("Transfer-Encoding: " + std::string(coding))), 501) << coding;
    EXPECT_EQ(status_of(get_with("Transfer-Encoding: chunked\x0b")), 400);
    EXPECT_EQ(status_of(get_with("Transfer-Encoding : chunked")), 400);
}

TEST(RequestParser, RefusesLengthsThatAreNotPlainNumbers) {
    for (const char* length : {"+4", "-4", "0x4", "4,4", "4, 4", "4 4", "4a", "", "\"4\"", "4.0", "1e1"})
        EXPECT_EQ(status_of(get_with("Content-Length: " + std::string(length))), 400) << length;
    EXPECT_EQ(status_of(get_with("Content-Length: 99999999999999999999")), 413);
    EXPECT_EQ(status_of(get_with("Content-Length: 67108865")), 413);
    EXPECT_EQ(body_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 004\r\n\r\nabcd"), "abcd");
}

TEST(RequestParser, RefusesLinesWithoutCrLf) {
    EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: x\n\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\n\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\r\n\r\n"), 400);
    EXPECT_EQ(status_of("GET / HTTP/1.1\rHost: x\r\n\r\n"), 400);
    EXPECT_EQ(status_of("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParser, SkipsOneEmptyLineBeforeARequest) {
    EXPECT_EQ(parse("\r\n" + get_target("/a")).requests.size(), 1u);
    EXPECT_EQ(status_of("\r\n\r\n" + get_target("/a")), 400);
    EXPECT_FALSE(parse(get_target("/a") + "\r\n").incomplete);
}

TEST(RequestParser, RefusesBadHeaderLines) {
    for (const char* line : {" folded: x", "\tfolded: x", "no colon", ": no name", "name : blank", "na me: x",
                             "n\x01: x", "n(: x", "n\xC3\xA9: x", "name: a\x01 b", "name: a\x7F"})
        EXPECT_EQ(status_of(get_with(line)), 400) << line;
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"), 400);
    const std::string nul("A: b\0c", 6);
    EXPECT_EQ(status_of(get_with(nul)), 400);
    EXPECT_EQ(status_of(get_with("A: caf\xC3\xA9")), 0);
    EXPECT_EQ(status_of(get_with("A:")), 0);
}

TEST(RequestParser, RefusesBadRequestLines) {
    for (const char* line :
         {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /  HTTP/1.1", " GET / HTTP/1.1",
          "GET\t/\tHTTP/1.1", "GET / http/1.1", "GET / HTTP/1.1x", "GET / HTTP/11", "GET / a HTTP/1.1",
          "G(T / HTTP/1.1", "GET", "GET / HTTP/1.", "GET / XTTP/1.1", "/ HTTP/1.1"})
        EXPECT_EQ(status_of(std::string(line) + "\r\nHost: x\r\n\r\n"), 400) << line;
    EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    EXPECT_EQ(status_of("GET / HTTP/1.2\r\nHost: x\r\n\r\n"), 505);
    EXPECT_EQ(status_of("GET / HTTP/0.9\r\n\r\n"), 505);
    EXPECT_EQ(status_of("\x16\x03\x01\x02"), 400);
    EXPECT_EQ(status_of(std::string(33, 'A') + " / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

TEST(RequestParser, KnowsTheFormsOfATarget) {
    EXPECT_EQ(parse(get_target("http://X/a?b=c")).requests.at(0).request.path, "/a");
    EXPECT_EQ(parse(get_target("HTTP://x")).requests.at(0).request.path, "/");
    EXPECT_EQ(parse(get_target("http://x?b=c")).requests.at(0).request.parameter("b"), "c");
    EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").requests.at(0).request.path, "*");
    EXPECT_EQ(parse("GET http://y/ HTTP/1.0\r\n\r\n").requests.at(0).request.header("host"), "y");
    for (const char* target : {"*", "x:443", "a/b", "https://x/", "ftp://x/", "http://", "http:///a",
                               "http://u@x/", "http://other/", "/a#b", "/a\x7F", "/\xC3\xA9", "?a"})
        EXPECT_EQ(status_of(get_target(target)), 400) << target;
    EXPECT_EQ(status_of("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"), 400);
}

TEST(RequestParser, DecodesTargetsStrictly) {
    EXPECT_EQ(parse(get_target("/a%2fb%C3%A9+c")).requests.at(0).request.path, "/a/b\xC3\xA9+c");
    EXPECT_EQ(parse(get_target("/?%26=%3D=&&=")).requests.at(0).request.parameter("&"), "==");
    for (const char* target : {"/%", "/%4", "/%zz", "/%4g", "/a?b=%", "/a?%x1=b", "/%00", "/%0a", "/%7F"})
        EXPECT_EQ(status_of(get_target(target)), 400) << target;
}

TEST(RequestParser, WantsExactlyOneGoodHost) {
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
    EXPECT_EQ(status_of(get_with("Host: x")), 400);
    EXPECT_EQ(status_of(get_with("hOST: y")), 400);
    for (const char* host : {"a b", "a/b", "u@h", "a,b", "a\xC3\xA9", "a\\b", "<x>"})
        EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 400) << host;
    for (const char* host : {"localhost:8470", "[::1]:80", "127.0.0.1", ""})
        EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 0) << host;
}

TEST(RequestParser, ReadsChunks) {
    EXPECT_EQ(body_of(chunked("3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n")), "abc0123456789");
    EXPECT_EQ(body_of(chunked("3;name=\"v; w\";b\r\nabc\r\n00000000;x\r\nA: b\r\nContent-Length: 9\r\n\r\n")),
              "abc");
    EXPECT_EQ(body_of(chunked("0\r\n\r\n")), "");
}

TEST(RequestParser, RefusesBadChunks) {
    for (const char* body : {"-1\r\n",
                             "+1\r\na\r\n0\r\n\r\n",
                             "0x1\r\na\r\n",
                             "\r\n",
                             ";x\r\n",
                             "g\r\n",
                             "1 \r\na\r\n",
                             "1 ;x\r\na\r\n",
                             " 1\r\na\r\n",
                             "1\na\r\n",
                             "1\r\na\n",
                             "1\r\nab\r\n",
                             "1\r\naXX",
                             "1\r\na\r\r\n",
                             "000000001\r\na\r\n",
                             "fffffffff\r\n",
                             "ffffffffffffffff1\r\n",
                             "1;\x01\r\na\r\n",
                             "1;\ra\r\na\r\n",
                             "1;a\nb\r\n",
                             "0\r\nA b\r\n\r\n",
                             "0\r\n folded\r\n\r\n",
                             "0\r\nA: b\n\r\n",
                             "0\r\n\n",
                             "1_0\r\n"})
        EXPECT_EQ(status_of(chunked(body)), 400) << body;
}

TEST(RequestParser, HasALimitForEverything) {
    ParserLimits limits;
    limits.max_head_bytes = 2000;
    limits.max_target_bytes = 100;
    limits.max_headers = 5;
    limits.max_body_bytes = 20;
    limits.max_query_parameters = 3;
    limits.max_chunk_extension_bytes = 10;
    const std::string x100(100, 'x');

    EXPECT_EQ(status_of(get_target("/" + x100.substr(1)), limits), 0);
    EXPECT_EQ(status_of(get_target("/" + x100), limits), 414);
    EXPECT_EQ(status_of("GET /" + x100 + x100, limits), 414) << "without waiting for the end of the line";
    EXPECT_EQ(status_of(get_target("/?a&b&c"), limits), 0);
    EXPECT_EQ(status_of(get_target("/?a&b&c&d"), limits), 400);

    EXPECT_EQ(status_of(get_with("a:1\r\nb:2\r\nc:3\r\nd:4"), limits), 0);
    EXPECT_EQ(status_of(get_with("a:1\r\nb:2\r\nc:3\r\nd:4\r\ne:5"), limits), 431);
    EXPECT_EQ(status_of(get_with("a: " + std::string(1950, 'x')), limits), 0);
    EXPECT_EQ(status_of(get_with("a: " + std::string(1990, 'x')), limits), 431);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\na: " + std::string(2000, 'x'), limits), 431);

    EXPECT_EQ(
        status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n" + std::string(20, 'b'), limits),
        0);
    EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n", limits), 413);
    EXPECT_EQ(status_of(chunked("14\r\n" + std::string(20, 'b') + "\r\n0\r\n\r\n"), limits), 0);
    EXPECT_EQ(status_of(chunked("15\r\n"), limits), 413);
    EXPECT_EQ(status_of(chunked("14\r\n" + std::string(20, 'b') + "\r\n1\r\n"), limits), 413);
    EXPECT_EQ(status_of(chunked("FFFFFFFF\r\n"), limits), 413);

    EXPECT_EQ(status_of(chunked("1;23456789\r\nb\r\n0\r\n\r\n"), limits), 0);
    EXPECT_EQ(status_of(chunked("1;234567\r\nb\r\n1;234\r\nb\r\n0\r\n\r\n"), limits), 400)
        << "counted over all chunks";
    EXPECT_EQ(status_of(chunked("1;" + x100), limits), 400);
    EXPECT_EQ(status_of(chunked("0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\n\r\n"), limits), 0);
    EXPECT_EQ(status_of(chunked("0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\ne:1\r\nf:1\r\n\r\n"), limits), 431);
    EXPECT_EQ(status_of(chunked("0\r\na:" + std::string(2000, 'x')), limits), 431);
}

TEST(RequestParser, TellsWhetherTheConnectionGoesOn) {
    const auto keep_alive = [](std::string_view bytes) { return parse(bytes).requests.at(0).keep_alive; };
    EXPECT_TRUE(keep_alive(get_target("/")));
    EXPECT_FALSE(keep_alive(get_with("Connection: Close")));
    EXPECT_FALSE(keep_alive(get_with("Connection: foo , close")));
    EXPECT_FALSE(keep_alive(get_with("Connection: keep-alive\r\nConnection: close")));
    EXPECT_TRUE(keep_alive(get_with("Connection: closed")));
    EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\n\r\n").requests.at(0).http_1_0);
}

TEST(RequestParser, AsksForContinueOnlyBeforeTheBody) {
    RequestParser parser;
    std::string_view head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    EXPECT_EQ(parser.feed(head), Progress::incomplete);
    EXPECT_TRUE(parser.wants_continue());
    std::string_view first = "a";
    EXPECT_EQ(parser.feed(first), Progress::incomplete);
    EXPECT_FALSE(parser.wants_continue());
    std::string_view second = "b";
    EXPECT_EQ(parser.feed(second), Progress::complete);
    EXPECT_EQ(parser.take().request.body, "ab");
    EXPECT_FALSE(parser.wants_continue());

    EXPECT_EQ(status_of(get_with("Expect: the-unexpected")), 417);
    EXPECT_EQ(
        status_of("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"),
        413);
}

TEST(RequestParser, NamesThePlaceOfAFault) {
    RequestParser parser;
    std::string_view bytes = "GET / HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n";
    EXPECT_EQ(parser.feed(bytes), Progress::failed);
    EXPECT_EQ(parser.failure().error.place.line, 3u);
    EXPECT_EQ(parser.failure().error.place.byte, 25u);
    EXPECT_EQ(parser.feed(bytes), Progress::failed) << "and stays failed";
}

TEST(RequestParser, ReservesNoMemoryForAPromise) {
    RequestParser parser;
    std::string_view bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\nx";
    EXPECT_EQ(parser.feed(bytes), Progress::incomplete);
    EXPECT_EQ(parser.body_bytes(), 1u);
    EXPECT_LT(parser.buffered_bytes(), 1000u);
    EXPECT_FALSE(parser.idle());
}

}  // namespace
}  // namespace tarn::net
