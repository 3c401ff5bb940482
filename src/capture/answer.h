// The answers to POST events, as the contract words them.
#pragma once

#include <string>
#include <vector>

#include "log/log.h"
#include "net/http.h"

namespace tarn::capture {

// How many bad events an answer names; all of them are in quarantine.
inline constexpr std::size_t max_named_errors = 100;

// An event of a request that went to quarantine.
struct BadEvent {
    Error error;            // its place is in the request's body
    std::size_t index = 0;  // in the batch: gives the sequence, and with it the quarantine id
};

struct Gist {
    std::size_t events = 0;  // submitted, quarantined ones included
    std::size_t quarantined = 0;
    std::uint64_t empty_lines = 0;
    std::uint64_t dropped = 0;  // replayed ones, where the stream drops them
    std::vector<BadEvent> bad;  // the first max_named_errors
};

// "qr-977": the sequence of the entry in the log.
std::string quarantine_id(Sequence sequence);
// How many of the batch's events are in quarantine, by its ranges.
std::uint64_t quarantined_in(const log::Appended& appended);

net::Response accepted_answer(const Gist& gist, const log::Appended& appended);
// The one event was bad and its bytes are in quarantine under `sequence`.
net::Response quarantined_answer(Error error, const std::string& stream, Sequence sequence);

}  // namespace tarn::capture
