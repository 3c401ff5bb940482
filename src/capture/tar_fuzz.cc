// Any bytes as a .tar, in pieces of any size: members lie within the archive, and how it is cut changes
// nothing.
#include <cstdlib>
#include <vector>

#include "capture/tar_scanner.h"

namespace {

std::vector<tarn::capture::TarMember> scan(std::string_view bytes, std::size_t step) {
    std::vector<tarn::capture::TarMember> members;
    tarn::capture::TarScanner scanner(
        [&](tarn::capture::TarMember member) { members.push_back(std::move(member)); });
    for (; !bytes.empty(); bytes.remove_prefix(std::min(bytes.size(), step)))
        if (!scanner.feed(bytes.substr(0, step))) break;
    (void)scanner.finish();
    return members;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = scan(bytes, size + 1);
    const auto pieces = scan(bytes, 61);
    if (whole.size() != pieces.size()) std::abort();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        const auto& member = whole[i];
        if (member.at > size || member.size > size - member.at) std::abort();
        if (member.name != pieces[i].name || member.at != pieces[i].at) std::abort();
    }
    return 0;
}
