// The bytes a connection still has to send, in order. Small pieces are gathered into one buffer, large ones
// are moved in uncopied; one call to the kernel sends as many as it takes. Single-threaded.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace tarn::net {

class OutputQueue {
public:
    enum class Sent : std::uint8_t { all, blocked, broken };

    // The buffer that small pieces are appended to; valid until the next call.
    std::string& tail();
    void append(std::string_view bytes) { tail().append(bytes); }
    // Copies small bodies, takes over large ones.
    void append_body(std::string&& body);

    bool empty() const {
        return pieces_.empty() || (pieces_.size() == 1 && first_offset_ == pieces_.front().size());
    }
    std::size_t size() const;
    // Sends until all is sent or the socket is full. `sent_bytes` grows by what went out.
    Sent send_to(int socket, std::size_t& sent_bytes);

private:
    void drop_sent(std::size_t bytes);

    std::deque<std::string> pieces_;
    std::size_t first_offset_ = 0;  // of the first piece, already sent
    bool tail_is_open_ = false;     // the last piece may be appended to
};

}  // namespace tarn::net
