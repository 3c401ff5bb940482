// For tests of targets: a service that answers as it is told, and a program that does.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "codec/json.h"
#include "net/http_server.h"

namespace tarn::replay {

// Takes what CloudEvents' three modes bring, remembers it, and answers 200 unless something else was
// prepared.
class HttpReceiver : public net::Handler {
public:
    HttpReceiver() {
        server_ = std::move(*net::HttpServer::start({.address = "127.0.0.1", .port = 0}, *this));
    }
    ~HttpReceiver() override { server_->stop(0); }

    void handle(net::Request request, Respond respond) override {
        net::Response response;
        {
            const std::scoped_lock lock(mutex_);
            requests.push_back(request);
            response.status = 200;
            if (!prepared_.empty()) {
                response = prepared_.front();
                prepared_.erase(prepared_.begin());
            }
            if (response.status >= 200 && response.status < 300 && request.method == "POST")
                take(request, response);
            if (loses_answer_ && request.method == "POST") {
                loses_answer_ = false;
                lost_.push_back(std::move(respond));
                // A connection that is closed without an answer: nothing is held back for long.
                response.stream = [](net::BodyWriter& body) {
                    (void)body.write("x");
                    body.break_off();
                };
                return lost_.back()(std::move(response));
            }
        }
        respond(std::move(response));
    }

    std::string url() const { return fmt::format("http://127.0.0.1:{}/in", server_->port()); }
    std::vector<std::string> ids() {
        const std::scoped_lock lock(mutex_);
        return ids_;
    }
    void refuse(const std::string& id) { refused_.insert(id); }
    void answer_next(const std::vector<int>& statuses) {
        for (const int status : statuses)
            prepared_.push_back({.status = status, .headers = {}, .body = {}, .stream = {}});
    }
    void answer_next(net::Response response) { prepared_.push_back(std::move(response)); }
    void lose_next_answer() { loses_answer_ = true; }

    std::vector<net::Request> requests;  // not while requests are under way

private:
    void take(const net::Request& request, net::Response& response) {
        if (const auto id = request.header("ce-id")) return take_one(std::string(*id), response);
        const auto body = codec::Json::parse(request.body);
        if (!body) return;
        if (!body->is_array()) return take_one((*body)["id"].as_string(), response);
        codec::Json failures = codec::Json::array();
        for (std::size_t i = 0; i < body->size(); ++i) {
            const std::string id = body->elements()[i]["id"].as_string();
            if (refused_.contains(id))
                failures.push(codec::Json::object({{"index", i}, {"error", "refused"}}));
            else
                ids_.push_back(id);
        }
        if (failures.size() > 0 && response.body.empty())
            response.body = codec::Json::object({{"failures", failures}}).dump();
    }
    void take_one(const std::string& id, net::Response& response) {
        if (refused_.contains(id))
            response.status = 400;
        else
            ids_.push_back(id);
    }

    std::mutex mutex_;
    std::vector<net::Response> prepared_;
    std::vector<std::string> ids_;
    std::set<std::string> refused_;
    std::vector<Respond> lost_;
    std::atomic<bool> loses_answer_ = false;
    std::unique_ptr<net::HttpServer> server_;
};

// A shell script in a folder of its own: keeps the ids it is given in a file, refuses those named in another.
class TestProgram {
public:
    TestProgram() {
        std::string name = (std::filesystem::temp_directory_path() / "tarn-program-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        write("program", R"sh(#!/bin/sh
cd "$(dirname "$0")" || exit 1
while IFS= read -r line; do
  id=${line#*\"id\":\"}; id=${id%%\"*}
  printf '%s\n' "$line" >> lines
  if [ -e silent ]; then echo "the lights went out" >&2; exit 3; fi
  if grep -qxF "$id" refused; then echo '{"error":"refused"}'; continue; fi
  echo "$id" >> taken
  echo ok
done
)sh");
        std::filesystem::permissions(path(), std::filesystem::perms::owner_all);
        write("refused", "");
    }
    ~TestProgram() { std::filesystem::remove_all(folder_); }
    TestProgram(const TestProgram&) = delete;
    TestProgram& operator=(const TestProgram&) = delete;

    std::string path(const std::string& name = "program") const { return folder_ + "/" + name; }
    void refuse(const std::string& id) { write("refused", id + "\n"); }
    // Takes what comes next and ends instead of answering.
    void say_nothing() { write("silent", ""); }
    std::vector<std::string> ids() const { return lines("taken"); }
    std::vector<std::string> lines(const std::string& name) const {
        std::vector<std::string> all;
        std::ifstream in(path(name));
        for (std::string line; std::getline(in, line);) all.push_back(line);
        return all;
    }

private:
    void write(const std::string& name, const std::string& text) { std::ofstream(path(name)) << text; }

    std::string folder_;
};

}  // namespace tarn::replay
