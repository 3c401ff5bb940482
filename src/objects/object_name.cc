#include "objects/object_name.h"

#include <fmt/core.h>

namespace tarn::objects {

namespace {

constexpr std::size_t max_name_bytes = 1024;  // S3's limit for a key
constexpr std::size_t max_part_bytes = 255;   // a file name's

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._=~%+@-").find(c) != std::string_view::npos;
}

bool is_valid_part(std::string_view part) {
    if (part.empty() || part == "." || part == ".." || part.size() > max_part_bytes) return false;
    for (const char c : part)
        if (!is_name_character(c)) return false;
    return true;
}

}  // namespace

bool is_valid_object_name(std::string_view name) {
    if (name.size() > max_name_bytes) return false;
    for (;;) {
        const auto slash = name.find('/');
        if (!is_valid_part(name.substr(0, slash))) return false;
        if (slash == std::string_view::npos) return true;
        name.remove_prefix(slash + 1);
    }
}

Status check_object_name(std::string_view name) {
    if (is_valid_object_name(name)) return {};
    return fail(
        Code::bad_object_name,
        fmt::format(
            "\"{}\": expected a relative path of [A-Za-z0-9._=~%+@-] without empty, \".\" or \"..\" parts",
            name.substr(0, 200)));
}

}  // namespace tarn::objects
