#include "pattern/test_text.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>

#include "codec/json.h"
#include "pattern/address.h"

namespace tarn::pattern {
namespace {

std::string named(std::string_view name, const std::string& operand) {
    return fmt::format("{{\"{}\":{}}}", name, operand);
}

std::string number_text(double value) { return fmt::format("{}", value); }

std::string range_text(const Test& test) {
    if (test.low == test.high) return fmt::format("[\"=\",{}]", number_text(test.low));
    std::string terms;
    if (!std::isinf(test.low))
        terms += fmt::format("\"{}\",{}", test.low_closed ? ">=" : ">", number_text(test.low));
    if (!std::isinf(test.high))
        terms += fmt::format("{}\"{}\",{}", terms.empty() ? "" : ",", test.high_closed ? "<=" : "<",
                             number_text(test.high));
    return "[" + terms + "]";
}

std::string wildcard_text(const Test& test) {
    std::string text;
    for (std::size_t i = 0; i < test.parts.size(); ++i) {
        if (i > 0) text += '*';
        for (const char c : test.parts[i]) {
            if (c == '*' || c == '\\') text += '\\';
            text += c;
        }
    }
    return codec::quoted(text);
}

// How many bits the two have in common, from the first on.
int common_bits(const Test& test) {
    int bits = 0;
    for (std::size_t i = test.from.v6 ? 0 : 12; i < 16; ++i) {
        const auto differ = static_cast<std::uint8_t>(test.from.bytes[i] ^ test.to.bytes[i]);
        bits += std::countl_zero(differ);
        if (differ != 0) break;
    }
    return bits;
}

std::string network_text(const Test& test) {
    if (test.from == test.to) return codec::quoted(address_text(test.from));
    return named("cidr", codec::quoted(fmt::format("{}/{}", address_text(test.from), common_bits(test))));
}

std::string fold_text(const Test& test) {
    return named("equals-ignore-case", codec::quoted(test.spelled.empty() ? test.text : test.spelled));
}

// What stands inside anything-but: the operand without its operator, and the operator.
std::string_view inner_name(Test::Kind kind) {
    switch (kind) {
        case Test::Kind::prefix:
        case Test::Kind::prefix_fold:
            return "prefix";
        case Test::Kind::suffix:
        case Test::Kind::suffix_fold:
            return "suffix";
        case Test::Kind::equal_fold:
            return "equals-ignore-case";
        case Test::Kind::wildcard:
            return "wildcard";
        default:
            return "";
    }
}

std::string inner_text(const Test& test) {
    switch (test.kind) {
        case Test::Kind::wildcard:
            return wildcard_text(test);
        case Test::Kind::number:
            return test.text;
        case Test::Kind::equal_fold:
            return codec::quoted(test.spelled.empty() ? test.text : test.spelled);
        default:
            return codec::quoted(test.text);
    }
}

std::string anything_but_text(const Test& test) {
    std::string operands;
    for (const Test& inner : test.except) operands += (operands.empty() ? "" : ",") + inner_text(inner);
    if (test.except.size() != 1) operands = "[" + operands + "]";
    const std::string_view name = test.except.empty() ? "" : inner_name(test.except.front().kind);
    return named("anything-but", name.empty() ? operands : named(name, operands));
}

}  // namespace

std::string address_text(const Address& address) {
    const auto& bytes = address.bytes;
    if (!address.v6) return fmt::format("{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
    std::string text;
    for (std::size_t i = 0; i < 16; i += 2)
        text += fmt::format("{}{:x}", i == 0 ? "" : ":", bytes[i] << 8 | bytes[i + 1]);
    return text;
}

std::string test_text(const Test& test) {
    switch (test.kind) {
        case Test::Kind::text:
            if (parse_address(test.text)) return named("exactly", codec::quoted(test.text));
            return codec::quoted(test.text);
        case Test::Kind::literal:
        case Test::Kind::number:
            return test.text;
        case Test::Kind::range:
            return named("numeric", range_text(test));
        case Test::Kind::address:
            return network_text(test);
        case Test::Kind::prefix:
            return named("prefix", codec::quoted(test.text));
        case Test::Kind::suffix:
            return named("suffix", codec::quoted(test.text));
        case Test::Kind::equal_fold:
            return fold_text(test);
        case Test::Kind::prefix_fold:
            return named("prefix", fold_text(test));
        case Test::Kind::suffix_fold:
            return named("suffix", fold_text(test));
        case Test::Kind::wildcard:
            return named("wildcard", wildcard_text(test));
        case Test::Kind::anything_but:
            return anything_but_text(test);
        case Test::Kind::exists:
            return named("exists", "true");
        case Test::Kind::absent:
            return named("exists", "false");
    }
    return "";
}

}  // namespace tarn::pattern
