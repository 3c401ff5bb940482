// Hostile JSON: simdjson's yes must be the scanner's yes, facts must agree, slices must stay inside,
// documents come back, and the splitter must give the same for any pieces.
#include <cstdio>
#include <cstdlib>

#include "codec/json.h"
#include "codec/json_scanner.h"

namespace {

using namespace tarn::codec;

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

void walk(std::string_view value, int depth) {
    if (depth > 130) return;
    for_each_member(value, [&](std::string_view key, std::string_view member) {
        require(find_member(value, key).has_value(), "a member that is there is found");
        walk(member, depth + 1);
        return true;
    });
    if (type_of(value) == JsonType::array) {
        for_each_element(value, [&](std::string_view element) {
            walk(element, depth + 1);
            return true;
        });
    }
    const auto text = scalar_text(value);
    if (text && type_of(value) == JsonType::string)
        require(unescape(quoted(*text)) == *text, "a text comes back");
}

std::string split(std::string_view text, std::size_t piece) {
    JsonArraySplitter splitter("a", 1 << 16);
    std::string seen;
    const auto keep = [&](std::string_view element, std::uint64_t offset) -> tarn::Status {
        require(text.substr(offset, element.size()) == element, "an element is cut out byte-exact");
        seen += element;
        seen += '\n';
        return {};
    };
    for (std::size_t at = 0; at < text.size(); at += piece) {
        const std::string copy(text.substr(at, piece));
        if (const auto status = splitter.feed(copy, keep); !status) return seen + status.error().text();
    }
    const auto status = splitter.finish();
    return status ? seen : seen + status.error().text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto quick = validate_json(text);
    const auto strict = scan_json(text, {});
    if (trim_json(text).empty()) return 0;
    require(quick.has_value() == strict.has_value(), "validate_json and scan_json agree");
    if (quick) {
        require(quick->type == strict->type, "the type agrees");
        require(quick->duplicate_keys == strict->duplicate_keys, "duplicate keys agree");
        require(quick->has_newline == strict->has_newline, "line breaks agree");
        walk(text, 0);
        const auto document = Json::parse(text);
        require(document.has_value(), "valid text parses");
        require(Json::parse(document->dump()) == *document, "a document comes back");
    } else {
        require(quick.error().place.byte.value_or(size + 1) <= size, "the place lies inside");
        require(is_valid_utf8(quick.error().message), "the message is UTF-8");
        require(is_valid_utf8(quick.error().excerpt), "the excerpt is UTF-8");
    }
    const std::string whole = split(text, size);
    require(split(text, 1) == whole, "the splitter gives the same byte by byte");
    require(split(text, 7) == whole, "the splitter gives the same in pieces of seven");
    return 0;
}
