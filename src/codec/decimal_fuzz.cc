// Decimal arithmetic on any text: laws that hold for whatever is accepted.
#include <cstdio>
#include <cstdlib>

#include "codec/decimal.h"

namespace {

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tarn::codec;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t middle = text.find(' ');
    if (middle == std::string_view::npos) return 0;
    const std::string_view a = text.substr(0, middle), b = text.substr(middle + 1);
    const auto order = decimal_cmp(a, b);
    const auto sum = decimal_add(a, b);
    if (!order) {
        require(!sum && !decimal_mul(a, b), "what is not a number is none anywhere");
        return 0;
    }
    require(decimal_cmp(b, a) == -*order, "comparison is antisymmetric");
    if (sum) {
        require(decimal_add(b, a) == *sum, "addition commutes");
        const auto back = decimal_sub(*sum, b);
        require(!back || decimal_cmp(*back, a) == 0, "a + b - b is a");
        const auto difference = decimal_sub(a, b);
        require(!difference || decimal_cmp(*difference, "0") == *order, "the sign of a - b is the order");
    }
    if (const auto product = decimal_mul(a, b))
        require(decimal_mul(b, a) == *product, "multiplication commutes");
    return 0;
}
