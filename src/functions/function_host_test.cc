// Real processes under the real host: this test program is its own keeper.
#include "functions/function_host.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "functions/function_host_fixture.h"
#include "os/keeper.h"

namespace tarn::functions {
namespace {

using testing::HasSubstr;

TEST_F(FunctionHostTest, a_python_handler_answers) {
    declare(python(
        "def handler(event, context):\n"
        "    print('working on', event['a'])\n"
        "    return {'twice': event['a'] * 2, 'who': context.function_name,\n"
        "            'at': context.client_context.custom['TARN_POSITION'], 'id': context.aws_request_id}\n"));
    const auto result = call(R"({"a":21})", R"({"custom":{"TARN_POSITION":"bank 0:7"}})");
    EXPECT_EQ(result.end, InvocationEnd::returned) << result.error_message;
    EXPECT_EQ(result.payload,
              fmt::format(R"({{"twice": 42, "who": "f", "at": "bank 0:7", "id": "{}"}})", result.request_id));
    EXPECT_EQ(result.log_tail, "working on 21\n");
    ASSERT_EQ(host_->logs("f", {}).size(), 1u);
    EXPECT_EQ(host_->logs("f", {})[0].text, "working on 21");
    EXPECT_EQ(host_->logs("f", {})[0].request_id, result.request_id);
}

TEST_F(FunctionHostTest, an_exception_is_the_functions_error_with_its_stack) {
    declare(python("def handler(event, context):\n    raise ValueError('bad amount \\u00e9')\n"));
    const auto result = call("{}");
    EXPECT_EQ(result.end, InvocationEnd::failed);
    EXPECT_EQ(result.error_type, "ValueError");
    EXPECT_EQ(result.error_message, "bad amount \u00e9");
    EXPECT_THAT(result.stack_trace, HasSubstr("app.py"));
    EXPECT_THAT(result.log_tail, HasSubstr("Traceback"));
    EXPECT_EQ(call("{}").end, InvocationEnd::failed) << "the same process goes on";
    EXPECT_EQ(host_->find("f")->instances, 1u);
}

TEST_F(FunctionHostTest, an_answer_that_is_not_json_is_an_error) {
    declare(python("def handler(event, context):\n    return float('nan')\n"));
    const auto result = call("{}");
    EXPECT_EQ(result.end, InvocationEnd::failed);
    EXPECT_EQ(result.error_type, "Runtime.MarshalError");
}

TEST_F(FunctionHostTest, a_missing_module_fails_the_start_and_a_better_version_works) {
    auto spec = python("import nothing_of_that_name\n");
    declare(spec);
    const auto result = call("{}");
    EXPECT_EQ(result.end, InvocationEnd::init_failed);
    EXPECT_EQ(result.error_type, "Runtime.ImportModuleError");
    EXPECT_THAT(result.error_message, HasSubstr("nothing_of_that_name"));
    EXPECT_EQ(host_->find("f")->state, "failing");
    declare(python("def handler(event, context):\n    return 1\n"));
    EXPECT_EQ(call("{}").payload, "1");
    EXPECT_EQ(host_->find("f")->last_error, "");
}

TEST_F(FunctionHostTest, a_syntax_error_names_its_place) {
    declare(python("def handler(event, context)\n    return 1\n"));
    const auto result = call("{}");
    EXPECT_EQ(result.error_type, "Runtime.UserCodeSyntaxError");
    EXPECT_THAT(result.error_message, HasSubstr("app.py:1"));
}

TEST_F(FunctionHostTest, a_wrong_handler_name_is_told) {
    auto spec = python("def other(event, context):\n    return 1\n");
    declare(spec);
    EXPECT_EQ(call("{}").error_type, "Runtime.HandlerNotFound");
}

TEST_F(FunctionHostTest, a_process_that_exits_in_the_middle_is_replaced) {
    declare(
        python("import os\n"
               "def handler(event, context):\n"
               "    if event['die']: os._exit(3)\n"
               "    return 'alive'\n"));
    const auto result = call(R"({"die":true})");
    EXPECT_EQ(result.end, InvocationEnd::crashed);
    EXPECT_EQ(result.error_type, "Runtime.ExitError");
    EXPECT_THAT(result.error_message, HasSubstr("exit status 3"));
    EXPECT_EQ(call(R"({"die":false})").payload, R"("alive")");
}

// The file is written by a grandchild that has left the process group; when it is killed too, nobody renames
// the lock file any more.
TEST_F(FunctionHostTest, at_the_deadline_everything_dies_also_what_forked_twice) {
    auto spec = python(
        "import os, time\n"
        "def handler(event, context):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            open('pid', 'w').write(str(os.getpid()))\n"
        "        time.sleep(1000)\n"
        "    while True: time.sleep(0.01)\n");
    spec.timeout_us = 500'000;
    declare(spec);
    const auto result = call("{}");
    EXPECT_EQ(result.end, InvocationEnd::timed_out);
    EXPECT_EQ(result.error_type, "Sandbox.Timedout");
    host_.reset();  // waits for all of it
    const std::string pid = read("pid");
    ASSERT_NE(pid, "");
    EXPECT_FALSE(std::filesystem::exists("/proc/" + pid)) << "an orphan is left";
}

TEST_F(FunctionHostTest, one_that_eats_memory_is_ended) {
    auto spec = python(
        "def handler(event, context):\n"
        "    hog = []\n"
        "    while True: hog.append(bytearray(8 << 20))\n");
    spec.memory_bytes = 64u << 20;
    declare(spec);
    const auto result = call("{}");
    // Python itself may be refused memory by the hard limit first.
    EXPECT_TRUE(result.error_type == "Runtime.OutOfMemory" || result.error_type == "MemoryError")
        << result.error_type;
}

TEST_F(FunctionHostTest, an_answer_above_six_mebibytes_is_refused) {
    declare(python("def handler(event, context):\n    return 'x' * event\n"));
    const auto result = call("7000000");
    EXPECT_EQ(result.end, InvocationEnd::refused);
    EXPECT_EQ(result.error_type, "Function.ResponseSizeTooLarge");
    EXPECT_EQ(call("3").payload, R"("xxx")");
}

TEST_F(FunctionHostTest, output_without_end_is_cut_and_not_in_the_way) {
    declare(
        python("def handler(event, context):\n"
               "    for i in range(50000): print('line', i, 'x' * 80)\n"
               "    return 'done'\n"));
    const auto result = call("{}");
    EXPECT_EQ(result.payload, R"("done")");
    EXPECT_LE(result.log_tail.size(), 4096u);
    EXPECT_LE(host_->logs("f", {.limit = 100'000}).size(), 1000u);
}

TEST_F(FunctionHostTest, invocations_run_side_by_side_up_to_the_maximum) {
    auto spec = python(
        "import os, time\n"
        "def handler(event, context):\n"
        "    time.sleep(0.05)\n"
        "    return os.getpid()\n");
    spec.max_instances = 3;
    declare(spec);
    constexpr int calls = 60;
    std::latch open(calls);
    std::mutex mutex;
    std::set<std::string> pids;
    for (int i = 0; i < calls; ++i)
        ASSERT_TRUE(host_->invoke("f", {"{}", ""}, [&](InvocationResult result) {
            {
                const std::lock_guard lock(mutex);
                EXPECT_EQ(result.end, InvocationEnd::returned) << result.error_message;
                pids.insert(result.payload);
            }
            open.count_down();
        }));
    open.wait();
    EXPECT_GT(pids.size(), 1u);
    EXPECT_LE(pids.size(), 3u);
}

TEST_F(FunctionHostTest, new_code_takes_over_and_what_runs_ends_on_the_old) {
    const auto code = [](int number) {
        return fmt::format(
            "import os, time\n"
            "def handler(event, context):\n"
            "    open('begun', 'w').close()\n"
            "    while not os.path.exists('go'): time.sleep(0.001)\n"
            "    return {}\n",
            number);
    };
    declare(python(code(1)));
    const std::string old_version = host_->find("f")->version;
    std::latch over(1);
    InvocationResult first;
    ASSERT_TRUE(host_->invoke("f", {"{}", ""}, [&](InvocationResult result) {
        first = std::move(result);
        over.count_down();
    }));
    while (!std::filesystem::exists(directory_ / "begun")) std::this_thread::yield();
    declare(python(code(2)));
    write("go", "");
    EXPECT_EQ(call("{}").payload, "2");
    over.wait();
    EXPECT_EQ(first.payload, "1");
    EXPECT_EQ(first.version, old_version);
    EXPECT_EQ(call("{}").version, host_->find("f")->version);
    EXPECT_NE(call("{}").version, old_version);
}

// Without the pauses it would start as often as a process can be made while the other one works.
TEST_F(FunctionHostTest, what_cannot_start_is_tried_less_and_less_often) {
    auto failing = python("import os\nprint('tried')\nos._exit(3)\n");
    declare(failing);
    std::filesystem::create_directories(directory_ / "good");
    write("good/app.py", "def handler(event, context):\n    return 1\n");
    auto good = failing;
    good.name = "good";
    good.directory = (directory_ / "good").string();
    declare(good);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(call("{}", "", "good").payload, "1");
    const auto tried = host_->logs("f", {.limit = 1000}).size();
    EXPECT_GE(tried, 1u);
    EXPECT_LE(tried, 12u);  // the pauses double from 0.1 s: the twelfth try comes after a minute and a half
    EXPECT_EQ(host_->find("f")->state, "failing");
}

TEST_F(FunctionHostTest, a_removed_function_ends_its_invocations_as_stopped) {
    declare(python("import time\ndef handler(event, context):\n    time.sleep(1000)\n"));
    std::latch open(2);
    std::atomic<int> stopped = 0;
    for (int i = 0; i < 2; ++i)
        ASSERT_TRUE(host_->invoke("f", {"{}", ""}, [&](const InvocationResult& result) {
            if (result.end == InvocationEnd::stopped) ++stopped;
            open.count_down();
        }));
    host_->remove("f");
    open.wait();
    EXPECT_EQ(stopped, 2);
    EXPECT_FALSE(host_->invoke("f", {"{}", ""}, [](const InvocationResult&) {}));
}

TEST_F(FunctionHostTest, any_program_that_speaks_the_protocol_is_a_function) {
    if (!have("curl")) GTEST_SKIP() << "SKIPPED: needs curl";
    write("bootstrap.sh",
          "api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\n"
          "while true; do\n"
          "  body=$(curl -s -D headers $api/next) || exit 1\n"
          "  id=$(grep -i lambda-runtime-aws-request-id headers | tr -d '\\r' | cut -d' ' -f2)\n"
          "  curl -s -o /dev/null -d \"{\\\"echo\\\":$body}\" $api/$id/response || exit 1\n"
          "done\n");
    FunctionSpec spec{.name = "f",
                      .runtime = "command",
                      .directory = directory_.string(),
                      .command = {"sh", "bootstrap.sh"}};
    declare(spec);
    EXPECT_EQ(call(R"({"n":1})").payload, R"({"echo":{"n":1}})");
}

TEST_F(FunctionHostTest, a_program_that_is_not_there_is_told) {
    declare({.name = "f", .runtime = "command", .directory = directory_.string(), .command = {"./absent"}});
    const auto result = call("{}");
    EXPECT_EQ(result.end, InvocationEnd::init_failed);
    EXPECT_THAT(result.error_message, HasSubstr("127"));
}

class NodeTest : public FunctionHostTest {
protected:
    void SetUp() override {
        if (!have("node")) GTEST_SKIP() << "SKIPPED: needs node";
    }
    FunctionSpec node(const std::string& file, const std::string& code) {
        write(file, code);
        return {.name = "f", .runtime = "node", .directory = directory_.string(), .handler = "app.handler"};
    }
};

TEST_F(NodeTest, handlers_of_three_kinds) {
    declare(node("app.mjs", "export const handler = async (event) => ({ sum: event.a + event.b });\n"));
    EXPECT_EQ(call(R"({"a":1,"b":2})").payload, R"({"sum":3})");
    std::filesystem::remove(directory_ / "app.mjs");
    declare(node("app.js",
                 "exports.handler = (event, context, callback) => setTimeout(() => callback(null, "
                 "context.functionName), 1);\n"));
    EXPECT_EQ(call("{}").payload, R"("f")");
    declare(node("app.js", "exports.handler = () => 'plain';\n"));
    EXPECT_EQ(call("{}").payload, R"("plain")");
}

TEST_F(NodeTest, errors_and_missing_handlers_are_told) {
    declare(node("app.mjs", "export const handler = () => { throw new RangeError('too far'); };\n"));
    const auto result = call("{}");
    EXPECT_EQ(result.error_type, "RangeError");
    EXPECT_EQ(result.error_message, "too far");
    declare(node("app.mjs", "export const other = 1;\n"));
    EXPECT_EQ(call("{}").error_type, "Runtime.HandlerNotFound");
}

}  // namespace
}  // namespace tarn::functions

int main(int argc, char** argv) {
    if (argc > 4 && std::string_view(argv[1]) == "__keep")
        return tarn::os::run_keeper(std::strtoull(argv[2], nullptr, 10), argv[3], {argv + 5, argv + argc});
    testing::InitGoogleMock(&argc, argv);
    return RUN_ALL_TESTS();
}
