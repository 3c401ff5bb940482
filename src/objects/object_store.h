// Immutable objects under names like "raw/bank~1/dt=2026-11-20/hh=18/0-0-2511.ndjson.zst". Put once, read in
// ranges, listed. Every implementation passes object_store_conformance (objects/conformance.h). Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "os/file_system.h"

namespace tarn::objects {

struct ObjectEntry {
    std::string name;
    std::uint64_t size = 0;
};

class ObjectStore {
public:
    virtual ~ObjectStore() = default;
    // Durable under its name when it returns. object_exists when the name is taken: nothing is changed then.
    virtual Status put_if_absent(const std::string& name, std::string_view bytes) = 0;
    // The whole object, or `length` bytes from `offset` (fewer at the end). object_missing when absent.
    virtual Result<std::string> get(const std::string& name) = 0;
    virtual Result<std::string> get_range(const std::string& name, std::uint64_t offset,
                                          std::uint64_t length) = 0;
    virtual Result<std::uint64_t> size(const std::string& name) = 0;  // object_missing when absent
    virtual Result<std::vector<ObjectEntry>> list(const std::string& prefix) = 0;  // sorted by name
    virtual Status remove(const std::string& name) = 0;  // removing what is absent succeeds
    // Where a program on this machine can open the object, "" when there is no such place.
    virtual std::string local_path(const std::string& name) = 0;
};

// Objects as files below `root`: temporary file, sync, link (put-if-absent), sync directory. Names are
// checked (bad_object_name): relative, no empty, "." or ".." part, only [A-Za-z0-9._=~%+@-] between slashes.
std::unique_ptr<ObjectStore> make_local_object_store(os::FileSystem& fs, std::string root);

}  // namespace tarn::objects
