// Writes the head of an answer. What a handler puts into headers cannot break the framing: control bytes
// become spaces, and the framing headers are ours alone.
#pragma once

#include <cstdint>
#include <string>

#include "net/http.h"

namespace tarn::net {

enum class Framing : std::uint8_t {
    none,     // no body by definition: 1xx, 204, 304
    length,   // Content-Length
    chunked,  // Transfer-Encoding: chunked
    until_close
};

struct HeadFacts {
    Framing framing = Framing::length;
    std::size_t body_bytes = 0;
    bool keep_alive = true;
    bool http_1_0 = false;
};

void append_response_head(std::string& out, const Response& response, const HeadFacts& facts);
// 204 and 304 have no body whatever a handler says.
bool status_forbids_body(int status);

}  // namespace tarn::net
