// The central directory at the end of a .zip: what its members are and where. Zip64 too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::capture {

struct ZipMember {
    std::string name;
    std::uint64_t header_at = 0;  // of the member's own header, its bytes follow it
    std::uint64_t packed_size = 0;
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
    std::uint16_t method = 0;  // 0 as it is, 8 deflate; others are not read
    bool is_encrypted = false;
};

// Files only, in the archive's order. truncated_archive when it is not a whole zip.
Result<std::vector<ZipMember>> read_zip_directory(const os::File& file);
// Where the member's bytes begin.
Result<std::uint64_t> zip_data_begin(const os::File& file, const ZipMember& member);

}  // namespace tarn::capture
