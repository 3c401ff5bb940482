// What passes between QueryService and its worker.
//
// Request: one JSON document on the worker's standard input, ended by closing it.
// Answer: frames, each `length (4 bytes, little endian) | kind (1 byte) | body (length bytes)`:
//   'c'  columns, JSON: [{"name","type","number","boolean","nested"}]        once, before rows
//   'r'  rows: value after value, row after row; a value is a varint (0 = NULL, else 1 + bytes) and its bytes
//   'e'  end, JSON: {"rows","events_read","why":[…],"positions":{…}}          once, last
//   'x'  error, JSON: {"code","message","next","place":{…}}                   instead of the end
// An answer that stops before 'e' or 'x' is a worker that died: it is never taken for a short result.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "lake/scan.h"
#include "query/query.h"

namespace tarn::query {

struct WorkerRequest {
    std::string sql;
    std::uint64_t memory_bytes = 0;
    std::int64_t timeout_us = 0;
    std::string store_root;                  // of the local object store
    std::vector<lake::StreamView> views;     // of the streams that the SQL names
    std::vector<std::string> other_streams;  // for hints only

    codec::Json to_json() const;
    static Result<WorkerRequest> from_json(const codec::Json& json);
};

// What the worker knows at the end of a query.
struct WorkerEnd {
    std::uint64_t rows = 0;
    std::uint64_t events_read = 0;
    std::vector<std::string> why;  // what was damaged and left out
    codec::Json positions;

    codec::Json to_json() const;
    static WorkerEnd from_json(const codec::Json& json);
};

enum class FrameKind : char { columns = 'c', rows = 'r', end = 'e', error = 'x' };

struct Frame {
    FrameKind kind;
    std::string_view body;
};

void append_frame(std::string& out, FrameKind kind, std::string_view body);
void append_value(std::string& rows, std::optional<std::string_view> value);

// Cuts frames out of a stream of bytes.
class FrameReader {
public:
    void feed(std::string_view bytes);
    // nullopt: more bytes are needed. The frame dies with the next call. query_worker when the bytes are no
    // frames.
    Result<std::optional<Frame>> next();

private:
    std::string buffer_;
    std::size_t used_ = 0;
};

// Takes one value off the front of `rows`. query_worker when it is cut off.
Result<std::optional<std::string_view>> take_value(std::string_view& rows);

codec::Json columns_json(const std::vector<QueryColumn>& columns);
std::vector<QueryColumn> columns_from_json(const codec::Json& json);
codec::Json error_json(const Error& error);
Error error_from_json(const codec::Json& json);

}  // namespace tarn::query
