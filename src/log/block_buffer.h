// Memory that grows at its end and begins at a block of the disk, for direct writes (os::OpenMode::direct).
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "os/file_system.h"

namespace tarn::log {

class BlockBuffer {
public:
    // `bytes` more at the end, for the caller to fill. Pointers from before are dead.
    char* grow(std::size_t bytes) {
        const std::size_t before = size_;
        if (before + bytes > capacity_) reallocate(std::max(before + bytes, 2 * capacity_));
        size_ += bytes;
        return bytes_.get() + before;
    }
    void clear() { size_ = 0; }

    char* data() { return bytes_.get(); }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }
    std::string_view view(std::size_t begin, std::size_t end) const {
        return {bytes_.get() + begin, end - begin};
    }

private:
    struct Free {
        void operator()(char* bytes) const {
            ::operator delete[](bytes, std::align_val_t{os::direct_block_bytes});
        }
    };
    void reallocate(std::size_t capacity) {
        std::unique_ptr<char[], Free> larger(
            static_cast<char*>(::operator new[](capacity, std::align_val_t{os::direct_block_bytes})));
        if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
        bytes_ = std::move(larger);
        capacity_ = capacity;
    }

    std::unique_ptr<char[], Free> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace tarn::log
