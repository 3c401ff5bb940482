// Any bytes as a .zip: its members lie within it, or an error says why not.
#include <cstdlib>
#include <cstring>

#include "capture/zip_directory.h"

namespace {

class Memory final : public tarn::os::File {
public:
    explicit Memory(std::string_view bytes) : bytes_(bytes) {}
    tarn::Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const override {
        if (offset >= bytes_.size()) return std::size_t{0};
        const auto part = bytes_.substr(static_cast<std::size_t>(offset), out.size());
        if (!part.empty()) std::memcpy(out.data(), part.data(), part.size());
        return part.size();
    }
    tarn::Result<std::uint64_t> size() const override { return bytes_.size(); }
    tarn::Status write_at(std::uint64_t, std::string_view) override { return {}; }
    tarn::Status sync() override { return {}; }
    tarn::Status truncate(std::uint64_t) override { return {}; }

private:
    std::string_view bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Memory file(std::string_view(reinterpret_cast<const char*>(data), size));
    const auto members = tarn::capture::read_zip_directory(file);
    if (!members) return 0;
    for (const auto& member : *members) {
        const auto begin = tarn::capture::zip_data_begin(file, member);
        if (begin && (*begin > size || member.packed_size > size - *begin)) std::abort();
    }
    return 0;
}
