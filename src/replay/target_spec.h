// A target declared in tarn.yaml and reached as target:NAME; either a service or a program:
//
//   targets:
//     billing: {url: https://billing.example/events, mode: batched, batch: 100, secret_file: billing.secret}
//     loader: {exec: [python3, load.py], timeout: 60s}
//
// It stands in the catalog without any secret: these are read from their files when a run opens the target.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "codec/json.h"

namespace tarn::replay {

enum class HttpMode : std::uint8_t { automatic, binary, structured, batched };

struct TargetSpec {
    // `value`, or what stands in `file`.
    struct Header {
        std::string name, value, file;
    };

    std::string name;
    std::size_t batch = 100;  // events in a batch; of a program: lines that it may be behind with
    std::int64_t timeout_us = 30'000'000;
    bool is_idempotent = false;  // it recognises an idempotency key that it has had

    std::string url;  // "" = a program
    HttpMode mode = HttpMode::automatic;
    std::size_t connections = 16;
    std::string secret_file;
    std::vector<Header> headers;
    bool allow_private = false;

    std::vector<std::string> command;
    std::string directory;  // where it works: `dir`, else the folder of the file that declares it

    bool is_program() const { return url.empty(); }
    // Relative paths are below `directory`. bad_config: "target NAME: MEMBER: what it expects".
    static Result<TargetSpec> from_json(const std::string& name, const codec::Json& json,
                                        const std::string& directory);
    codec::Json to_json() const;
    // Of the declaration: another one sends something else, or elsewhere.
    std::string version() const;
    // Where it sends to, for people.
    std::string place() const;
};

inline constexpr std::string_view target_document = "target";  // the kind of its document in the catalog

// unknown_target names the nearest.
Result<TargetSpec> declared_target(catalog::Catalog& catalog, const std::string& name);

// "python3 'my loader.py'" as a list: cut at blanks, unless they stand in quotes. bad_target.
Result<std::vector<std::string>> command_of(std::string_view text);

}  // namespace tarn::replay
