#include "net/http_client.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "net/http_server.h"
#include "net/http_test_socket.h"

namespace tarn::net {
namespace {

// Gives back what it was asked.
class Mirror final : public Handler {
public:
    void handle(Request request, Respond respond) override {
        Response response;
        if (request.path == "/lines") {
            response.stream = [](BodyWriter& body) {
                for (int i = 0; i < 100'000; ++i)
                    if (!body.write("a line of a stream\n")) return;
            };
            return respond(std::move(response));
        }
        if (request.path == "/missing")
            return respond(error_response(make_error(Code::unknown_route, "no /missing here")));
        if (request.path == "/moved") {
            response.status = 302;
            response.headers = {{"location", "/elsewhere"}};
            return respond(std::move(response));
        }
        response.content_type = std::string(request.header("content-type").value_or("none"));
        response.headers = {{"X-Seen", std::string(request.header("x-sent").value_or("none"))},
                            {"x-expect", std::string(request.header("expect").value_or("none"))},
                            {"x-agent", std::string(request.header("user-agent").value_or("none"))}};
        response.body = request.method + " " + request.path + " " + request.body;
        respond(std::move(response));
    }
};

class ClientTest : public testing::Test {
protected:
    void SetUp() override {
        ServerOptions options;
        options.port = 0;
        auto server = HttpServer::start(options, mirror_);
        ASSERT_TRUE(server) << server.error().text();
        server_ = std::move(*server);
    }
    ClientRequest request(std::string method, std::string_view path, std::string body = "") const {
        ClientRequest out;
        out.method = std::move(method);
        out.url = "http://127.0.0.1:" + std::to_string(server_->port()) + std::string(path);
        out.body = std::move(body);
        return out;
    }

    Mirror mirror_;
    std::unique_ptr<HttpServer> server_;
    HttpClient client_;
};

TEST_F(ClientTest, SendsEveryMethod) {
    for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
        const std::string body = std::string(method) == "GET" ? "" : std::string("some\0bytes", 10);
        const auto answer = client_.send(request(method, "/a%20b", body));
        ASSERT_TRUE(answer) << answer.error().text();
        EXPECT_EQ(answer->status, 200);
        EXPECT_EQ(answer->body, std::string(method) + " /a b " + body);
    }
    const auto head = client_.send(request("HEAD", "/x"));
    ASSERT_TRUE(head);
    EXPECT_EQ(head->body, "");
    EXPECT_EQ(find_header(head->headers, "content-length"), "8");
    EXPECT_EQ(client_.send(request("GET", "/after-head"))->body, "GET /after-head ");
}

TEST_F(ClientTest, SendsHeadersAndAddsNone) {
    ClientRequest asked = request("POST", "/", std::string(2 << 20, 'b'));
    asked.headers = {{"x-sent", "1; 2"}, {"content-type", "application/x-ndjson"}};
    const auto answer = client_.send(asked);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body.size(), 7u + (2 << 20));
    EXPECT_EQ(find_header(answer->headers, "x-seen"), "1; 2") << "names come lower-case";
    EXPECT_EQ(find_header(answer->headers, "content-type"), "application/x-ndjson");
    EXPECT_EQ(find_header(answer->headers, "x-expect"), "none");
    EXPECT_EQ(find_header(client_.send(request("POST", "/", "b"))->headers, "content-type"), "none");
}

TEST_F(ClientTest, RefusesHeadersThatWouldSplitTheRequest) {
    ClientRequest asked = request("GET", "/");
    asked.headers = {{"x", "a\r\nb: c"}};
    EXPECT_EQ(client_.send(asked).error().code, Code::http_malformed);
    asked.headers = {{"x\n", "a"}};
    EXPECT_EQ(client_.send(asked).error().code, Code::http_malformed);
    asked = request("GET / HTTP/1.1\r\n", "/");
    EXPECT_EQ(client_.send(asked).error().code, Code::http_malformed);
}

TEST_F(ClientTest, GivesBackErrorAnswersAndRedirectsAsTheyAre) {
    const auto missing = client_.send(request("GET", "/missing"));
    ASSERT_TRUE(missing);
    EXPECT_EQ(missing->status, 404);
    EXPECT_EQ(parse_error_response(missing->status, missing->body).code, Code::unknown_route);
    EXPECT_EQ(client_.send(request("GET", "/moved"))->status, 302);
}

TEST_F(ClientTest, StreamsWhatComes) {
    std::size_t seen = 0;
    const auto answer = client_.stream(request("GET", "/lines"), [&](std::string_view bytes) {
        seen += bytes.size();
        return true;
    });
    ASSERT_TRUE(answer) << answer.error().text();
    EXPECT_EQ(seen, 100'000u * std::string_view("a line of a stream\n").size());
    EXPECT_EQ(answer->body, "");

    int calls = 0;
    const auto stopped =
        client_.stream(request("GET", "/lines"), [&](std::string_view) { return ++calls < 2; });
    ASSERT_TRUE(stopped) << stopped.error().text();
    EXPECT_EQ(calls, 2);

    const auto refused = client_.stream(request("GET", "/missing"), [](std::string_view) { return false; });
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 404);
    EXPECT_EQ(parse_error_response(404, refused->body).code, Code::unknown_route)
        << "the error is kept, not streamed";
}

TEST_F(ClientTest, NothingSentIsAnotherErrorThanNoAnswer) {
    ClientRequest asked = request("POST", "/", "b");
    server_->stop(0);
    EXPECT_EQ(client_.send(asked).error().code, Code::cannot_connect);
    asked.url = "http://no-such-host.invalid/";
    EXPECT_EQ(client_.send(asked).error().code, Code::cannot_connect);
    for (const char* url : {"ftp://127.0.0.1/", "file:///etc/hostname", "http://", "not a url"}) {
        asked.url = url;
        EXPECT_EQ(client_.send(asked).error().code, Code::bad_target) << url;
    }
}

ClientRequest post_to(const ScriptedPeer& peer) {
    ClientRequest out;
    out.method = "POST";
    out.url = peer.url("/");
    out.body = "{}";
    return out;
}

TEST(ClientOutcome, IsUnknownWhenThePeerClosesWithoutAnAnswer) {
    ScriptedPeer peer([](int fd, int) { ScriptedPeer::read_head(fd); });
    HttpClient client;
    const auto answer = client.send(post_to(peer));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Code::no_answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::outcome_unknown);
}

TEST(ClientOutcome, IsUnknownWhenTheAnswerIsCutOff) {
    for (const char* beginning : {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
                                  "HTTP/1.1 200 OK\r\nContent-Le", "no HTTP at all\r\n\r\n"}) {
        ScriptedPeer peer([&](int fd, int) {
            ScriptedPeer::read_head(fd);
            ScriptedPeer::write(fd, beginning);
        });
        HttpClient client;
        const auto answer = client.send(post_to(peer));
        ASSERT_FALSE(answer) << beginning;
        EXPECT_EQ(answer.error().code, Code::no_answer) << beginning;
    }
}

TEST(ClientOutcome, IsUnknownWhenNoAnswerComesInTime) {
    ScriptedPeer peer([](int fd, int) {
        while (!ScriptedPeer::read_head(fd).empty()) {
        }
    });
    HttpClient client;
    ClientRequest asked = post_to(peer);
    asked.timeout_us = 50'000;
    EXPECT_EQ(client.send(asked).error().code, Code::no_answer);
}

// A peer that answers the first request of each connection, and closes after having read the second.
TEST(ClientOutcome, APostIsNeverSentTwiceBehindTheCallersBack) {
    std::atomic<int> seen = 0;
    ScriptedPeer peer([&](int fd, int) {
        const auto read_one = [&] {
            const std::string head = ScriptedPeer::read_head(fd);
            if (head.empty()) return false;
            char body[2];
            if (head.starts_with("POST")) {
                EXPECT_EQ(::recv(fd, body, 2, MSG_WAITALL), 2);
            }
            ++seen;
            return true;
        };
        if (!read_one()) return;
        ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        (void)read_one();
    });
    HttpClient client;
    EXPECT_EQ(client.send(post_to(peer))->body, "ok");
    const auto second = client.send(post_to(peer));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::no_answer);
    EXPECT_EQ(seen, 2);

    ClientRequest get;
    get.url = peer.url("/");
    EXPECT_EQ(client.send(get)->body, "ok");
    EXPECT_EQ(client.send(get)->body, "ok") << "asking twice does no harm: on a new connection";
    EXPECT_EQ(seen, 5);
}

TEST(ClientOutcome, GoesOnAfterThePeerClosedAnIdleConnection) {
    ScriptedPeer peer([](int fd, int) {
        const std::string head = ScriptedPeer::read_head(fd);
        char body[2];
        if (head.empty()) return;
        EXPECT_EQ(::recv(fd, body, 2, MSG_WAITALL), 2);
        ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    });
    HttpClient client;
    for (int i = 0; i < 3; ++i) {
        const auto answer = client.send(post_to(peer));
        ASSERT_TRUE(answer) << answer.error().text();
        EXPECT_EQ(answer->body, "ok");
    }
    EXPECT_EQ(peer.connections(), 3);
}

}  // namespace
}  // namespace tarn::net
