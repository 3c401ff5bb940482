// Functions that do what they must not: each ends with a name for what it did, nothing of it is left, and
// another function is served meanwhile. Slower ones (real fork bombs, 1 GB of output): tests/real-functions.
#include <gmock/gmock.h>

#include <latch>

#include "functions/function_host_fixture.h"

namespace tarn::functions {
namespace {

using testing::HasSubstr;

// A client of the Runtime API in sockets: it sends what it likes.
constexpr std::string_view raw_client = R"(
import os, socket, sys, time
host, port = os.environ['AWS_LAMBDA_RUNTIME_API'].split(':')

def connect():
    return socket.create_connection((host, int(port)))

def receive(c):
    data = b''
    while b'\r\n\r\n' not in data: data += c.recv(65536)
    head, _, body = data.partition(b'\r\n\r\n')
    headers = dict(line.lower().split(b': ', 1) for line in head.split(b'\r\n')[1:])
    while len(body) < int(headers[b'content-length']): body += c.recv(65536)
    return int(head.split()[1]), headers, body

def next(c):
    c.sendall(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n')
    status, headers, body = receive(c)
    return headers[b'lambda-runtime-aws-request-id'].decode(), body

def head(id, length, more=''):
    return f'POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n'.encode()

def answer(c, id, body):
    c.sendall(head(id, len(body)) + body)
    return receive(c)[0]

)";

class MisbehaviourTest : public FunctionHostTest {
protected:
    MisbehaviourTest() {
        std::filesystem::create_directories(directory_ / "good");
        std::ofstream(directory_ / "good" / "app.py")
            << "def handler(event, context):\n    return 'served'\n";
    }

    FunctionSpec bad(FunctionSpec spec) {
        spec.timeout_us = 400'000;
        spec.environment = {{"TARN_TEST_MARK", directory_.string()}};
        return spec;
    }
    FunctionSpec bad_handler(const std::string& code) { return bad(python(code)); }
    FunctionSpec bad_client(const std::string& code) {
        write("app.py", std::string(raw_client) + code);
        return bad({.name = "f",
                    .runtime = "command",
                    .directory = directory_.string(),
                    .command = {"python3", "-u", "app.py"}});
    }

    // Calls the bad one; while it is at it, the good one must answer.
    InvocationResult call_beside_a_good_one(const FunctionSpec& spec) {
        declare(spec);
        declare({.name = "good",
                 .runtime = "python",
                 .directory = (directory_ / "good").string(),
                 .handler = "app.handler"});
        std::latch over(1);
        InvocationResult result;
        EXPECT_TRUE(host_->invoke("f", {"{}", ""}, [&](InvocationResult ended) {
            result = std::move(ended);
            over.count_down();
        }));
        for (int i = 0; i < 3; ++i) EXPECT_EQ(call("{}", "", "good").payload, R"("served")");
        over.wait();
        return result;
    }

    // Everything that carries this test's mark in its environment, also what has other parents by now.
    std::vector<std::string> processes_left() {
        std::vector<std::string> left;
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
            std::ifstream file(entry.path() / "environ");
            const std::string environment{std::istreambuf_iterator<char>(file), {}};
            if (environment.find("TARN_TEST_MARK=" + directory_.string()) != std::string::npos)
                left.push_back(entry.path().filename());
        }
        return left;
    }
    void TearDown() override {
        host_.reset();
        EXPECT_THAT(processes_left(), testing::IsEmpty());
        // Keepers are children of ours: one that nobody has waited for would be a zombie.
        std::ifstream children("/proc/thread-self/children");
        EXPECT_EQ(std::string(std::istreambuf_iterator<char>(children), {}), "");
    }
};

TEST_F(MisbehaviourTest, it_hangs_and_ignores_signals) {
    const auto result = call_beside_a_good_one(bad_handler(
        "import signal, time\n"
        "for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(each, signal.SIG_IGN)\n"
        "def handler(event, context):\n"
        "    while True: time.sleep(0.01)\n"));
    EXPECT_EQ(result.end, InvocationEnd::timed_out);
}

TEST_F(MisbehaviourTest, it_leaves_processes_everywhere) {
    auto spec = bad_handler(
        "import os, signal, time\n"
        "def handler(event, context):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    for i in range(60):\n"
        "        if os.fork() == 0:\n"
        "            if i % 3 == 1: os.setsid()\n"
        "            if i % 3 == 2 and os.fork() > 0: os._exit(0)\n"
        "            while True: time.sleep(0.05)\n"
        "    os._exit(5)\n");
    spec.memory_bytes = 4ull << 30;  // each counts the pages that it shares
    spec.timeout_us = 10'000'000;
    const auto result = call_beside_a_good_one(spec);
    EXPECT_EQ(result.end, InvocationEnd::crashed);
    EXPECT_THAT(result.error_message, HasSubstr("exit status 5"));
}

TEST_F(MisbehaviourTest, it_starts_too_many_processes) {
    auto spec = bad_handler(
        "import os, time\n"
        "def handler(event, context):\n"
        "    for i in range(11): os.fork()\n"
        "    while True: time.sleep(1)\n");
    spec.timeout_us = 30'000'000;
    spec.memory_bytes = 64ull << 30;  // each has its own copy of Python's pages
    const auto result = call_beside_a_good_one(spec);
    EXPECT_EQ(result.end, InvocationEnd::crashed);
    EXPECT_THAT(result.error_message, HasSubstr("1,000 are allowed"));
}

TEST_F(MisbehaviourTest, it_wants_ten_gibibytes) {
    auto spec = bad_handler(
        "def handler(event, context):\n"
        "    try: hog = bytearray(10 << 30)\n"
        "    except MemoryError: hog = []\n"
        "    while True: hog.append(bytearray(8 << 20))\n");
    spec.memory_bytes = 64u << 20;
    spec.timeout_us = 10'000'000;
    const auto result = call_beside_a_good_one(spec);
    EXPECT_TRUE(result.error_type == "Runtime.OutOfMemory" || result.error_type == "MemoryError")
        << result.error_type << ": " << result.error_message;
}

TEST_F(MisbehaviourTest, it_takes_all_descriptors) {
    const auto result =
        call_beside_a_good_one(bad_handler("import os\n"
                                           "def handler(event, context):\n"
                                           "    while True: os.dup(0)\n"));
    EXPECT_NE(result.end, InvocationEnd::returned);
}

TEST_F(MisbehaviourTest, it_opens_connections_without_end) {
    const auto descriptors = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                             std::filesystem::directory_iterator());
    };
    const auto before = descriptors();
    auto spec = bad_client(
        "kept = []\n"
        "for i in range(500):\n"
        "    c = socket.socket(); c.setblocking(False); c.connect_ex((host, int(port))); kept.append(c)\n"
        "time.sleep(1000)\n");
    spec.init_timeout_us = 400'000;
    declare(spec);
    const auto result = call_beside_a_good_one(spec);
    EXPECT_EQ(result.end, InvocationEnd::init_failed);
    EXPECT_LT(descriptors() - before, 100);
}

TEST_F(MisbehaviourTest, it_never_asks_for_work) {
    auto spec = bad_client("time.sleep(1000)\n");
    spec.init_timeout_us = 300'000;
    const auto result = call_beside_a_good_one(spec);
    EXPECT_EQ(result.end, InvocationEnd::init_failed);
    EXPECT_EQ(result.error_type, "Sandbox.Timedout");
    EXPECT_THAT(host_->find("f")->last_error, HasSubstr("did not ask for an invocation"));
}

TEST_F(MisbehaviourTest, it_answers_bytes_that_are_no_http) {
    const auto result = call_beside_a_good_one(
        bad_client("c = connect(); next(c); c.sendall(os.urandom(100000)); time.sleep(1000)\n"));
    EXPECT_EQ(result.end, InvocationEnd::timed_out);
}

TEST_F(MisbehaviourTest, it_ends_in_the_middle_of_its_answer) {
    const auto result = call_beside_a_good_one(bad_client(
        "c = connect(); id, _ = next(c); c.sendall(head(id, 1000) + b'{\"half\":'); os._exit(7)\n"));
    EXPECT_EQ(result.end, InvocationEnd::crashed);
    EXPECT_THAT(result.error_message, HasSubstr("exit status 7"));
}

TEST_F(MisbehaviourTest, it_stops_in_the_middle_of_its_answer) {
    const auto result = call_beside_a_good_one(bad_client(
        "c = connect(); id, _ = next(c); c.sendall(head(id, 1000) + b'{\"half\":'); time.sleep(1000)\n"));
    EXPECT_EQ(result.end, InvocationEnd::timed_out);
}

TEST_F(MisbehaviourTest, it_answers_twice_and_for_others) {
    const auto result = call_beside_a_good_one(
        bad_client("c = connect()\n"
                   "while True:\n"
                   "    id, body = next(c)\n"
                   "    print(answer(c, 'nobody', b'0'), answer(c, id, b'1'), answer(c, id, b'2'))\n"));
    EXPECT_EQ(result.payload, "1");
    EXPECT_EQ(call("{}").payload, "1") << "it goes on";
    host_->remove("good");
    const auto lines = host_->logs("f", {.limit = 1});
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].text, "400 202 400");
}

TEST_F(MisbehaviourTest, it_does_not_answer_but_asks_again) {
    const auto result =
        call_beside_a_good_one(bad_client("c = connect()\n"
                                          "while True: next(c)\n"));
    EXPECT_EQ(result.end, InvocationEnd::failed);
    EXPECT_EQ(result.error_type, "Runtime.NoAnswer");
}

TEST_F(MisbehaviourTest, it_answers_more_than_the_listener_takes) {
    auto spec = bad_client(
        "c = connect(); id, _ = next(c)\n"
        "c.sendall(head(id, 100_000_000)); print(receive(c)[0])\n"
        "c = connect(); next(c)\n");
    spec.timeout_us = 30'000'000;
    const auto result = call_beside_a_good_one(spec);
    EXPECT_EQ(result.error_type, "Runtime.NoAnswer");
    EXPECT_EQ(result.log_tail, "413\n");
}

// What is printed without a line feed belongs to the invocation that printed it.
TEST_F(MisbehaviourTest, it_ends_no_line) {
    declare(bad_handler("import sys\ndef handler(event, context):\n    sys.stdout.write('no end')\n"));
    const auto first = call("{}");
    const auto second = call("{}");
    const auto lines = host_->logs("f", {.request_id = first.request_id});
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].text, "no end");
    EXPECT_EQ(second.log_tail, "no end");
}

}  // namespace
}  // namespace tarn::functions
