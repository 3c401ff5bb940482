#include "net/http_server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "net/event_loop.h"
#include "net/http_test_socket.h"

namespace tarn::net {
namespace {

// Answers what the path asks for. Requests to /later are kept until the test answers them.
class TestHandler final : public Handler {
public:
    void handle(Request request, Respond respond) override {
        if (request.path == "/later") return keep(std::move(request), std::move(respond));
        if (request.path == "/drop") return;
        if (request.path == "/throw") throw std::runtime_error("a handler should not");
        if (request.path == "/stream") return respond(streamed(request));
        if (request.path == "/follow") return respond(followed());
        if (request.path == "/held") return respond(held());
        Response response;
        if (request.path == "/none") response.status = 204;
        if (request.path == "/split")
            response.headers = {{"a", "b\r\nc: d"}, {"x y", "z"}, {"Content-Length", "7"}};
        response.content_type = "text/plain";
        response.body = request.method + " " + request.path + " " + request.body;
        if (request.path == "/large") response.body = std::string(3 << 20, 'L');
        respond(std::move(response));
    }

    // Waits until `count` requests to /later are kept.
    void wait_for_kept(std::size_t count) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return kept_.size() >= count; });
    }
    void answer_kept(std::size_t index) {
        std::unique_lock lock(mutex_);
        auto [request, respond] = std::move(kept_.at(index));
        lock.unlock();
        respond(text("kept " + std::string(request.parameter("n").value_or(""))));
    }
    void forget_kept() {
        const std::lock_guard lock(mutex_);
        kept_.clear();
    }
    void release_held() {
        const std::lock_guard lock(mutex_);
        released_ = true;
        changed_.notify_all();
    }
    void wait_until_receiver_gone() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return receiver_gone_; });
    }

    static Response text(std::string body) {
        Response response;
        response.content_type = "text/plain";
        response.body = std::move(body);
        return response;
    }

private:
    void keep(Request request, Respond respond) {
        const std::lock_guard lock(mutex_);
        kept_.emplace_back(std::move(request), std::move(respond));
        changed_.notify_all();
    }
    static Response streamed(const Request& request) {
        Response response;
        const int lines = std::stoi(std::string(request.parameter("lines").value_or("3")));
        response.stream = [lines](BodyWriter& body) {
            for (int i = 0; i < lines; ++i)
                if (!body.write("line " + std::to_string(i) + "\n")) return;
        };
        return response;
    }
    // Writes once, then waits for release_held.
    Response held() {
        Response response;
        response.stream = [this](BodyWriter& body) {
            EXPECT_TRUE(body.write("begun"));
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return released_; });
        };
        return response;
    }
    // Writes until nobody listens.
    Response followed() {
        Response response;
        response.stream = [this](BodyWriter& body) {
            while (body.write(std::string(10'000, 'f'))) {
            }
            EXPECT_TRUE(body.receiver_gone());
            const std::lock_guard lock(mutex_);
            receiver_gone_ = true;
            changed_.notify_all();
        };
        return response;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::pair<Request, Respond>> kept_;
    bool receiver_gone_ = false;
    bool released_ = false;
};

std::string get(std::string_view target, std::string_view more = "") {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}
std::string post(std::string_view target, std::string_view body) {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}
std::string lines_text(int lines) {
    std::string out;
    for (int i = 0; i < lines; ++i) out += "line " + std::to_string(i) + "\n";
    return out;
}

class ServerTest : public testing::Test {
protected:
    void start(ServerOptions options = {}) {
        options.port = 0;
        auto server = HttpServer::start(options, handler_);
        ASSERT_TRUE(server) << server.error().text();
        server_ = std::move(*server);
    }
    std::uint16_t port() const { return server_->port(); }

    TestHandler handler_;
    std::unique_ptr<HttpServer> server_;
};

TEST_F(ServerTest, AnswersOnAKeptConnection) {
    start();
    TestSocket client(port());
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(client.send(post("/echo", "body " + std::to_string(i))));
        const auto answer = client.read_answer();
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, "POST /echo body " + std::to_string(i));
        EXPECT_EQ(answer.head.find("connection: close"), std::string::npos);
    }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrderWhateverOrderTheyAreDoneIn) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/later?n=0") + get("/later?n=1") + get("/echo") + get("/later?n=3")));
    handler_.wait_for_kept(3);
    handler_.answer_kept(2);
    handler_.answer_kept(1);
    handler_.answer_kept(0);
    EXPECT_EQ(client.read_answer().body, "kept 0");
    EXPECT_EQ(client.read_answer().body, "kept 1");
    EXPECT_EQ(client.read_answer().body, "GET /echo ");
    EXPECT_EQ(client.read_answer().body, "kept 3");
}

TEST_F(ServerTest, TakesMorePipelinedRequestsThanItKeepsUnanswered) {
    start();
    TestSocket client(port());
    constexpr std::size_t count = 3000;
    std::string all = get("/later?n=first");
    for (std::size_t i = 1; i < count; ++i) all += get("/" + std::to_string(i));
    std::thread sender([&] { EXPECT_TRUE(client.send(all)); });
    handler_.wait_for_kept(1);
    handler_.answer_kept(0);
    EXPECT_EQ(client.read_answer().body, "kept first");
    for (std::size_t i = 1; i < count; ++i)
        ASSERT_EQ(client.read_answer().body, "GET /" + std::to_string(i) + " ");
    sender.join();
}

TEST_F(ServerTest, AnswersFromManyThreads) {
    start();
    constexpr int clients = 8;
    constexpr int rounds = 100;
    std::vector<std::thread> threads;
    for (int c = 0; c < clients; ++c)
        threads.emplace_back([&, c] {
            TestSocket client(port());
            for (int i = 0; i < rounds; ++i) {
                const std::string n = std::to_string(c) + "." + std::to_string(i);
                ASSERT_TRUE(client.send(get("/later?n=" + n)));
                ASSERT_EQ(client.read_answer().body, "kept " + n);
            }
        });
    threads.emplace_back([&] {
        for (std::size_t i = 0; i < clients * rounds; ++i) {
            handler_.wait_for_kept(i + 1);
            handler_.answer_kept(i);
        }
    });
    for (std::thread& thread : threads) thread.join();
}

TEST_F(ServerTest, SendsLargeAnswersToSlowReaders) {
    start();
    TestSocket client(port(), 4096);
    ASSERT_TRUE(client.send(get("/large") + get("/echo")));
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.body.size(), 3u << 20);
    EXPECT_EQ(answer.body.find_first_not_of('L'), std::string::npos);
    EXPECT_EQ(client.read_answer().body, "GET /echo ");
}

TEST_F(ServerTest, TakesLargeChunkedBodies) {
    start();
    TestSocket client(port());
    std::string request = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 40; ++i) request += "10000\r\n" + std::string(0x10000, 'c') + "\r\n";
    ASSERT_TRUE(client.send(request + "0\r\nTrailer: x\r\n\r\n"));
    EXPECT_EQ(client.read_answer().body.size(), 40u * 0x10000 + std::string_view("POST /echo ").size());
}

TEST_F(ServerTest, AnswersHeadAndNoContentWithoutABody) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n" + get("/none") +
                            "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n" + get("/z")));
    EXPECT_NE(client.read_answer(true).head.find("content-length: 11\r\n"), std::string::npos);
    const auto none = client.read_answer(true);
    EXPECT_EQ(none.status, 204);
    EXPECT_EQ(none.head.find("content-length"), std::string::npos);
    EXPECT_EQ(client.read_answer(true).status, 200);
    EXPECT_EQ(client.read_answer().body, "GET /z ");
}

TEST_F(ServerTest, HandlersCannotBreakTheFraming) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/split") + get("/z")));
    const auto answer = client.read_answer();
    EXPECT_NE(answer.head.find("a: b  c: d\r\n"), std::string::npos) << answer.head;
    EXPECT_EQ(answer.head.find("x y"), std::string::npos);
    EXPECT_EQ(answer.head.find("Content-Length"), std::string::npos);
    EXPECT_EQ(client.read_answer().body, "GET /z ");
}

TEST_F(ServerTest, ClosesWhenAsked) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/a", "Connection: close\r\n") + get("/b")));
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.body, "GET /a ");
    EXPECT_NE(answer.head.find("connection: close\r\n"), std::string::npos);
    EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(ServerTest, ServesHttp10) {
    start();
    TestSocket closing(port());
    ASSERT_TRUE(closing.send("GET /a HTTP/1.0\r\n\r\n"));
    EXPECT_EQ(closing.read_answer().body, "GET /a ");
    EXPECT_EQ(closing.read_to_end(), "");

    TestSocket kept(port());
    ASSERT_TRUE(
        kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\nConnection: "
                  "keep-alive\r\n\r\n"));
    const auto first = kept.read_answer();
    EXPECT_NE(first.head.find("connection: keep-alive\r\n"), std::string::npos);
    const auto second = kept.read_answer();
    EXPECT_EQ(second.head.find("chunked"), std::string::npos);
    EXPECT_EQ(second.body, lines_text(3)) << "ends with the connection";
}

TEST_F(ServerTest, RefusesMalformedBytesAndCloses) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(
        get("/a") + "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
        get("/b")));
    EXPECT_EQ(client.read_answer().body, "GET /a ");
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 400);
    const Error error = parse_error_response(answer.status, answer.body);
    EXPECT_EQ(error.code, Code::http_malformed);
    EXPECT_NE(answer.head.find("connection: close\r\n"), std::string::npos);
    EXPECT_EQ(client.read_to_end(), "") << "what follows is not looked at";
}

TEST_F(ServerTest, RefusesATooLargeBodyWithoutReadingIt) {
    ServerOptions options;
    options.max_body_bytes = 1000;
    start(options);
    TestSocket client(port());
    ASSERT_TRUE(client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"));
    (void)client.send(
        std::string(4'000'000, 'x'));  // a client that does not listen while it sends still gets its answer
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(parse_error_response(413, answer.body).code, Code::too_large);
}

TEST_F(ServerTest, ContinuesWhenExpected) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(
        client.send(get("/later") +
                    "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
    handler_.wait_for_kept(1);
    handler_.answer_kept(0);
    EXPECT_EQ(client.read_answer().body, "kept ") << "earlier answers first";
    EXPECT_EQ(client.read_answer().status, 100);
    ASSERT_TRUE(client.send("abc"));
    EXPECT_EQ(client.read_answer().body, "POST /echo abc");
}

TEST_F(ServerTest, AnswersForHandlersThatDoNot) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/drop") + get("/throw") + get("/a")));
    EXPECT_EQ(client.read_answer().status, 500);
    EXPECT_EQ(client.read_answer().status, 500);
    EXPECT_EQ(client.read_answer().body, "GET /a ");
}

TEST_F(ServerTest, AnswersAClientThatHasClosedItsHalf) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/later?n=1")));
    client.close_sending_half();
    handler_.wait_for_kept(1);
    handler_.answer_kept(0);
    EXPECT_EQ(client.read_answer().body, "kept 1");
    EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(ServerTest, DropsAnswersOfClientsThatHaveGone) {
    start();
    {
        TestSocket client(port());
        ASSERT_TRUE(client.send(get("/later?n=gone")));
        handler_.wait_for_kept(1);
    }
    handler_.answer_kept(0);
    TestSocket next(port());
    ASSERT_TRUE(next.send(get("/a")));
    EXPECT_EQ(next.read_answer().body, "GET /a ");
}

TEST_F(ServerTest, StreamsInChunksAndGoesOn) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/stream?lines=300000") + get("/a") + get("/stream?lines=0") + get("/b")));
    const auto answer = client.read_answer();
    EXPECT_TRUE(answer.whole);
    EXPECT_EQ(answer.body, lines_text(300000));
    EXPECT_EQ(client.read_answer().body, "GET /a ");
    EXPECT_EQ(client.read_answer().body, "");
    EXPECT_EQ(client.read_answer().body, "GET /b ");
}

TEST_F(ServerTest, StreamsStopWhenTheReceiverGoes) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/follow")));
    ASSERT_TRUE(client.receive());
    client.close();
    handler_.wait_until_receiver_gone();
}

TEST_F(ServerTest, StreamsStopWithTheServer) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/follow")));
    ASSERT_TRUE(client.receive());
    server_->stop(0);
    handler_.wait_until_receiver_gone();
}

TEST_F(ServerTest, HasALimitOnStreams) {
    start();
    struct Release {
        TestHandler& handler;
        ~Release() { handler.release_held(); }
    } release{handler_};
    std::vector<std::unique_ptr<TestSocket>> clients;
    for (std::size_t i = 0; i < EventLoop::max_streams; ++i) {
        clients.push_back(std::make_unique<TestSocket>(port()));
        ASSERT_TRUE(clients.back()->send(get("/held")));
        ASSERT_TRUE(clients.back()->receive());
    }
    TestSocket next(port());
    ASSERT_TRUE(next.send(get("/held") + get("/a")));
    const auto answer = next.read_answer();
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.head.find("retry-after: "), std::string::npos);
    EXPECT_EQ(next.read_answer().body, "GET /a ");
    handler_.release_held();
    for (const auto& client : clients) EXPECT_EQ(client->read_answer().body, "begun");
}

TEST_F(ServerTest, HasALimitOnConnections) {
    ServerOptions options;
    options.max_connections = 2;
    start(options);
    TestSocket first(port());
    TestSocket second(port());
    ASSERT_TRUE(first.send(get("/a")) && second.send(get("/a")));
    EXPECT_EQ(first.read_answer().status, 200);
    EXPECT_EQ(second.read_answer().status, 200);
    TestSocket third(port());
    EXPECT_EQ(third.read_answer().status, 503);
    EXPECT_EQ(third.read_to_end(), "");
    first.close();
    // The server sees the close before or with the next accept, or refuses once more.
    int status = 0;
    while (status != 200) {
        TestSocket again(port());
        (void)again.send(get("/a"));
        status = again.read_answer().status;
    }
}

TEST_F(ServerTest, HasALimitOnBufferedBytes) {
    ServerOptions options;
    options.max_buffered_bytes = 100'000;
    start(options);
    TestSocket first(port());
    ASSERT_TRUE(first.send(post("/later", std::string(60'000, 'a'))));
    handler_.wait_for_kept(1);
    TestSocket second(port());
    ASSERT_TRUE(second.send(post("/echo", std::string(60'000, 'b'))));
    const auto busy = second.read_answer();
    EXPECT_EQ(busy.status, 503);
    EXPECT_NE(busy.head.find("retry-after: "), std::string::npos);
    handler_.answer_kept(0);
    EXPECT_EQ(first.read_answer().status, 200);
    TestSocket third(port());
    ASSERT_TRUE(third.send(post("/echo", std::string(60'000, 'c'))));
    EXPECT_EQ(third.read_answer().status, 200) << "what was answered is no longer counted";
}

TEST_F(ServerTest, ClosesIdleAndDrippingClientsButNotWaitingOnes) {
    ServerOptions options;
    options.idle_timeout_us = 50'000;
    start(options);
    TestSocket waiting(port());
    ASSERT_TRUE(waiting.send(get("/later?n=w")));
    handler_.wait_for_kept(1);

    TestSocket idle(port());
    EXPECT_EQ(idle.read_to_end(), "");
    TestSocket partial(port());
    ASSERT_TRUE(partial.send("GET / HTTP/1.1\r\nHo"));
    EXPECT_EQ(partial.read_answer().status, 408);
    TestSocket body(port());
    ASSERT_TRUE(body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"));
    EXPECT_EQ(body.read_answer().status, 408);
    TestSocket dripping(port());
    while (dripping.send("G")) {  // a byte now and then does not keep a request alive
        if (dripping.receive()) break;
    }

    handler_.answer_kept(0);
    EXPECT_EQ(waiting.read_answer().body, "kept w") << "it was our turn";
}

TEST_F(ServerTest, StopsAfterAnsweringWhatIsUnderWay) {
    start();
    TestSocket busy(port());
    TestSocket idle(port());
    ASSERT_TRUE(idle.send(get("/a")));
    EXPECT_EQ(idle.read_answer().status, 200);
    ASSERT_TRUE(busy.send(get("/later?n=1")));
    handler_.wait_for_kept(1);
    std::thread stopping([&] { server_->stop(60'000'000); });
    EXPECT_EQ(idle.read_to_end(), "") << "the stop has begun";
    EXPECT_FALSE(TestSocket(port()).connected() && TestSocket(port()).read_answer().status == 200);
    handler_.answer_kept(0);
    const auto answer = busy.read_answer();
    EXPECT_EQ(answer.body, "kept 1");
    EXPECT_NE(answer.head.find("connection: close\r\n"), std::string::npos);
    stopping.join();
    server_->stop(0);
}

// The grace of the stop is longer than a test may last.
TEST_F(ServerTest, AStopDoesNotWaitForThoseWhoDoNotTakeTheirAnswers) {
    start();
    TestSocket streamed(port()), large(port());
    ASSERT_TRUE(streamed.send(get("/follow")));
    ASSERT_TRUE(streamed.receive());
    ASSERT_TRUE(large.send(get("/large") + get("/large") + get("/large") + get("/large")));
    ASSERT_TRUE(large.receive());
    server_->stop(3600'000'000);
    handler_.wait_until_receiver_gone();
}

TEST_F(ServerTest, DropsAnswersThatComeAfterTheStop) {
    start();
    TestSocket client(port());
    ASSERT_TRUE(client.send(get("/later") + get("/later")));
    handler_.wait_for_kept(2);
    server_->stop(0);
    EXPECT_EQ(client.read_to_end(), "");
    handler_.answer_kept(0);
    server_.reset();
    handler_.answer_kept(1);
    handler_.forget_kept();
}

TEST_F(ServerTest, SaysWhenTheAddressIsTaken) {
    start();
    ServerOptions options;
    options.port = port();
    const auto second = HttpServer::start(options, handler_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::cannot_listen);
    EXPECT_NE(second.error().message.find(std::to_string(port())), std::string::npos);
    options.address = "not an address";
    EXPECT_EQ(HttpServer::start(options, handler_).error().code, Code::cannot_listen);
}

}  // namespace
}  // namespace tarn::net
