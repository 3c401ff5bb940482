// What a command is: declared as data, so that one file (parse.cc) can turn all of them into a command line,
// help texts and completions, and each command has a file of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"
#include "cli/output.h"

namespace tarn::cli {

struct Positional {
    std::string name;  // "STREAM"
    std::string help;
    bool required = true;
    bool many = false;  // takes all that follow; the last one only
};

struct Option {
    std::string name;   // "--since"
    std::string value;  // "T"; "" for a flag
    std::string help;
    bool many = false;
};

// The values of one call.
class Arguments {
public:
    void add(const std::string& name, std::string value) { values_.emplace_back(name, std::move(value)); }
    bool flag(std::string_view name) const { return get(name).has_value(); }
    std::optional<std::string> get(std::string_view name) const;
    std::string get_or(std::string_view name, std::string_view otherwise) const;
    std::vector<std::string> all(std::string_view name) const;

private:
    std::vector<std::pair<std::string, std::string>> values_;
};

struct Globals {
    std::string data = "./tarn-data";
    std::string server;
    bool yes = false;
    bool quiet = false;
    bool colour = true;
    std::optional<Format> format;  // -o
};

// What a running command has at hand. Lives for one command; the referenced parts outlive it.
struct Context {
    Context(const Arguments& arguments, const Globals& globals, std::string command, Output& out)
        : arguments(arguments), globals(globals), command(std::move(command)), out(out) {}

    const Arguments& arguments;
    const Globals& globals;
    std::string command;  // "tarn replay plan"
    Output& out;

    // Connects at the first call.
    Result<Client*> client();
    // For commands that answer in words: a document only when -o asks for one.
    bool wants_document() const { return globals.format.has_value() && !out.is_for_people(); }
    // Asks on a terminal; without one needs --yes. `question` says count and target.
    Status confirm(const std::string& question) const;

private:
    std::unique_ptr<Client> client_;
};

// The exit code, or an error that is printed and gives the code of its kind.
using Run = Result<int> (*)(Context&);

struct Command {
    std::string path;     // "replay plan"
    std::string summary;  // one line
    std::vector<Positional> positionals;
    std::vector<Option> options;
    std::string details;  // examples first, then what else a user needs, exit codes last
    Run run = nullptr;
    bool hidden = false;
    // -o takes table, json, ndjson and csv everywhere, and these: "text", "text html".
    std::string_view also = "";
};

// Every command; each file of commands appends its own.
const std::vector<Command>& all_commands();

// Parses and runs; the program's exit code.
int run_command_line(int argc, char** argv);

}  // namespace tarn::cli
