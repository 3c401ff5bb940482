// {"numeric": ["=", 5]}, {"numeric": [">", 0, "<=", 5]}
#include <fmt/core.h>

#include <limits>

#include "codec/json_scan.h"
#include "pattern/expression.h"

namespace tarn::pattern {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kNext =
    R"(give one comparison, ["=", 5], or a range from below, [">", 0, "<=", 5])";

// The list, term by term; past its end the closing bracket.
class Terms {
public:
    explicit Terms(std::string_view array) : elements_(array), end_(closing(array)) {}
    std::string_view next() {
        std::string_view term;
        return elements_.next(term) ? term : end_;
    }
    bool is_end(std::string_view term) const { return term.data() == end_.data(); }

private:
    codec::scan::Elements elements_;
    std::string_view end_;
};

// How Event Ruler quotes a token in a message.
std::string quoted(std::string_view term) {
    if (is_string(term)) return codec::unescape(term);
    return std::string(is_array(term) || is_object(term) ? term.substr(0, 1) : term);
}

Failure refuse(const Source& source, std::string_view term, std::string message) {
    return source.refuse(term, std::move(message), std::string(kNext));
}

Result<Test> between(Source& source, std::string_view from, bool from_closed, std::string_view to,
                     bool to_closed) {
    Test test{.kind = Test::Kind::range};
    TARN_ASSIGN(const Test low, compile_number(source, from));
    TARN_ASSIGN(const Test high, compile_number(source, to));
    if (low.low >= high.low) return refuse(source, to, "Bottom must be less than top");
    test.low = low.low;
    test.low_closed = from_closed;
    test.high = high.low;
    test.high_closed = to_closed;
    return test;
}

// After a lower bound: nothing, or an upper bound.
Result<Test> from_below(Source& source, Terms& terms, std::string_view bound, bool closed) {
    const std::string_view term = terms.next();
    if (terms.is_end(term)) {
        TARN_ASSIGN(Test test, compile_number(source, bound));
        test = {.kind = Test::Kind::range, .low = test.low, .high = kInfinity, .low_closed = closed};
        return test;
    }
    if (!is_string(term)) return refuse(source, term, "Bad value in numeric range: " + quoted(term));
    const std::string op = codec::unescape(term);
    if (op != "<" && op != "<=") return refuse(source, term, "Bad numeric range operator: " + op);
    const std::string_view top = terms.next();
    if (terms.is_end(top) || !is_number(top))
        return refuse(source, top, fmt::format("Value of {} must be numeric", op));
    if (const std::string_view more = terms.next(); !terms.is_end(more))
        return refuse(source, more, "Too many terms in numeric range expression");
    return between(source, bound, closed, top, op == "<=");
}

}  // namespace

Result<Test> compile_numeric(Source& source, std::string_view array) {
    Terms terms(array);
    const std::string_view first = terms.next();
    if (terms.is_end(first) || !is_string(first))
        return refuse(source, first, "Invalid member in numeric match: " + quoted(first));
    const std::string op = codec::unescape(first);
    if (op != "=" && op != ">=" && op != ">" && op != "<=" && op != "<")
        return refuse(source, first, "Unrecognized numeric range operator: " + op);
    const std::string_view bound = terms.next();
    if (terms.is_end(bound) || !is_number(bound))
        return refuse(source, bound, fmt::format("Value of {} must be numeric", op == "=" ? "equals" : op));
    if (op.starts_with('>')) return from_below(source, terms, bound, op == ">=");
    if (const std::string_view more = terms.next(); !terms.is_end(more))
        return refuse(source, more, "Too many elements in numeric expression");
    TARN_ASSIGN(Test test, compile_number(source, bound));
    if (op == "=") return test;
    test = {.kind = Test::Kind::range, .low = -kInfinity, .high = test.low, .high_closed = op == "<="};
    return test;
}

}  // namespace tarn::pattern
