#include "replay/fixed_layout.h"
#include "replay/targets.h"

namespace tarn::replay {

Result<std::vector<Sent>> NullTarget::send(const std::vector<Outgoing>& batch) {
    std::string bytes;
    bytes.reserve(batch.size() * 16);
    for (const Outgoing& outgoing : batch) {
        put<std::uint64_t>(bytes, outgoing.event.hash.high);
        put<std::uint64_t>(bytes, outgoing.event.hash.low);
    }
    hash_.update(bytes);
    events_ += batch.size();
    return std::vector<Sent>(batch.size());
}

}  // namespace tarn::replay
