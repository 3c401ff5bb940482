// Damaged raw lines and meta: refused or read, never outside the line.
#include <cstdlib>

#include "event/raw_line.h"
#include "event/shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tarn::event;
    // A copy of its own, so that reading past the end is found.
    const std::string line(reinterpret_cast<const char*>(data), size);
    std::string scratch;
    const auto event = parse_raw_line({}, line, scratch, true);
    if (!event) return 0;
    MetaReader reader;
    std::string out;
    for (const Shape shape : {Shape::cloudevents, Shape::eventbridge, Shape::payload})
        append_shape(out, shape, *event, reader.read(*event, "s"), {.run = "rn-1", .attempt = 1});
    append_raw_line(out, *event);
    return out.empty() ? 1 : 0;
}
