// Does some object name a key twice? A stack of the keys of the objects that are open while a document is
// walked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tarn::codec {

// Keeps its memory between documents. Keys must stay valid until clear().
class KeyStack {
public:
    void clear();
    std::size_t size() const { return keys_.size(); }
    void push(std::string_view key) { keys_.push_back({key, fingerprint(key)}); }
    // The object whose keys began at `start` has ended: its keys are taken off. True when two are equal.
    bool close(std::size_t start);

private:
    struct Key {
        std::string_view text;
        std::uint64_t fingerprint;
    };
    static std::uint64_t fingerprint(std::string_view key);
    bool has_equal_few(std::size_t start) const;
    bool has_equal_many(std::size_t start);

    std::vector<Key> keys_;
};

}  // namespace tarn::codec
