#include "net/output_queue.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tarn::net {
namespace {

constexpr std::size_t largest_copied_body = 16u << 10;
constexpr std::size_t largest_open_piece = 64u << 10;
constexpr std::size_t pieces_per_call = 64;

}  // namespace

std::string& OutputQueue::tail() {
    if (!tail_is_open_ || pieces_.empty() || pieces_.back().size() >= largest_open_piece)
        pieces_.emplace_back();
    tail_is_open_ = true;
    return pieces_.back();
}

void OutputQueue::append_body(std::string&& body) {
    if (body.size() <= largest_copied_body) {
        tail().append(body);
        return;
    }
    pieces_.push_back(std::move(body));
    tail_is_open_ = false;
}

std::size_t OutputQueue::size() const {
    std::size_t total = 0;
    for (const std::string& piece : pieces_) total += piece.size();
    return total - first_offset_;
}

OutputQueue::Sent OutputQueue::send_to(int socket, std::size_t& sent_bytes) {
    while (!empty()) {
        std::array<iovec, pieces_per_call> vectors;
        std::size_t count = 0;
        for (std::string& piece : pieces_) {
            if (count == vectors.size()) break;
            const std::size_t skip = count == 0 ? first_offset_ : 0;
            vectors[count++] = {piece.data() + skip, piece.size() - skip};
        }
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = count;
        const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN || errno == EWOULDBLOCK ? Sent::blocked : Sent::broken;
        }
        sent_bytes += static_cast<std::size_t>(sent);
        drop_sent(static_cast<std::size_t>(sent));
    }
    return Sent::all;
}

void OutputQueue::drop_sent(std::size_t bytes) {
    first_offset_ += bytes;
    while (!pieces_.empty() && first_offset_ >= pieces_.front().size()) {
        first_offset_ -= pieces_.front().size();
        // The last open buffer is kept for the next answer, unless it grew large.
        if (pieces_.size() == 1 && tail_is_open_ && pieces_.front().capacity() <= largest_open_piece) {
            pieces_.front().clear();
            return;
        }
        pieces_.pop_front();
    }
    if (pieces_.empty()) tail_is_open_ = false;
}

}  // namespace tarn::net
