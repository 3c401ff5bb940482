#include "duck/api.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <map>
#include <memory>
#include <mutex>
#include <string_view>

namespace tarn::duck {
namespace {

constexpr std::string_view how_to_get_it =
    "./x setup fetches libduckdb.so; it must stand beside the tarn binary";

Failure refuse(const std::string& library_path, std::string_view what) {
    return fail(Code::query_engine, fmt::format("{}: {}", library_path, what),
                {.next = std::string(how_to_get_it)});
}

Result<std::unique_ptr<const Api>> load(const std::string& library_path) {
    auto loaded = std::make_unique<Api>();
    Api& api = *loaded;
    void* library = ::dlopen(library_path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        const char* reason = ::dlerror();
        return refuse(library_path, reason != nullptr ? reason : "cannot be loaded");
    }
#define TARN_DUCK_LOAD(name)                                                            \
    api.name = reinterpret_cast<decltype(api.name)>(::dlsym(library, "duckdb_" #name)); \
    if (api.name == nullptr) return refuse(library_path, "has no function duckdb_" #name);
    TARN_DUCK_FUNCTIONS(TARN_DUCK_LOAD)
#undef TARN_DUCK_LOAD
    const std::string_view version = api.library_version();
    if (!version.starts_with("v1.5.") && !version.starts_with("v2."))
        return refuse(library_path, fmt::format("is DuckDB {}; Tarn works with 1.5 and 2", version));
    return loaded;
}

}  // namespace

Result<const Api*> load_api(const std::string& library_path) {
    static std::mutex mutex;
    static std::map<std::string, std::unique_ptr<const Api>> loaded;
    const std::scoped_lock lock(mutex);
    auto& api = loaded[library_path];
    if (api == nullptr) {
        TARN_ASSIGN(api, load(library_path));
    }
    return api.get();
}

}  // namespace tarn::duck
