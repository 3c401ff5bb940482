// JsonArraySplitter: a walk through a document of any size that remembers only where it stands. Elements are
// cut out by their brackets and quotes; whether each is JSON is for the one who takes it to find out, so that
// one bad record costs only itself.
#include <fmt/core.h>

#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::codec {
namespace {

// Finds the end of one value over any number of pieces.
class ValueSkipper {
public:
    void begin(char first) {
        kind_ = first == '"' ? Kind::string : first == '{' || first == '[' ? Kind::container : Kind::literal;
        depth_ = 0;
        in_string_ = kind_ == Kind::string;
        escaped_ = false;
        at_quote_ = in_string_;
    }

    // Gives the place after the value and sets `done`, or end. The first call must begin with the value's
    // first byte.
    const char* feed(const char* p, const char* end, bool& done) {
        done = false;
        if (kind_ == Kind::literal) {
            p = scan::literal_end(p, end);
            done = p != end;
            return p;
        }
        if (at_quote_ && p != end) {
            ++p;
            at_quote_ = false;
        }
        while (p != end) {
            if (in_string_) {
                p = skip_string(p, end);
                if (in_string_) return p;
                if (kind_ == Kind::string) {
                    done = true;
                    return p;
                }
            }
            p = scan::next_structure(p, end);
            if (p == end) return p;
            const char c = *p++;
            if (c == '"') {
                in_string_ = true;
            } else if (c == '{' || c == '[') {
                ++depth_;
            } else if (--depth_ == 0) {
                done = true;
                return p;
            }
        }
        return p;
    }

private:
    enum class Kind : std::uint8_t { container, string, literal };

    // Up to behind the closing quote.
    const char* skip_string(const char* p, const char* end) {
        while (p != end) {
            if (escaped_) {
                escaped_ = false;
                ++p;
                continue;
            }
            p = scan::quote_or_backslash(p, end);
            if (p == end) return p;
            if (*p++ == '"') {
                in_string_ = false;
                return p;
            }
            escaped_ = true;
        }
        return p;
    }

    Kind kind_ = Kind::literal;
    std::size_t depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    bool at_quote_ = false;  // the opening quote of a string value is still to be passed
};

std::vector<std::string> split_path(std::string_view path) {
    std::vector<std::string> steps;
    while (!path.empty()) {
        const std::size_t dot = path.find('.');
        steps.emplace_back(path.substr(0, dot));
        path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    }
    return steps;
}

}  // namespace

struct JsonArraySplitter::State {
    using Sink = std::function<Status(std::string_view, std::uint64_t)>;
    enum class Expect : std::uint8_t {
        value,  // on the path: an object, or the array at its end
        key_or_close,
        key,
        in_key,
        colon,
        comma_or_close,  // in an object on the path
        skip,
        in_skip,  // a value beside the path
        element_or_close,
        element,
        in_element,
        element_end,
        end,
    };

    std::string path;
    std::vector<std::string> steps;
    std::size_t most = 0;

    Expect expect = Expect::value;
    std::size_t open = 0;  // objects of the path that are open; the next step to be found is steps[open - 1]
    bool found = false;
    ValueSkipper skipper;
    std::string kept;               // the part of a key or element that came in earlier pieces
    std::uint64_t value_start = 0;  // byte in the document
    std::uint64_t consumed = 0;     // bytes of earlier pieces

    const char* begin = nullptr;  // the piece being fed
    const char* end = nullptr;

    std::uint64_t byte_at(const char* p) const { return consumed + static_cast<std::uint64_t>(p - begin); }

    Failure fail_at(const char* p, Code code, std::string message) const {
        return fail(code, std::move(message), {.place = {.source = {}, .byte = byte_at(p)}});
    }
    Failure unexpected(const char* p, std::string_view expected) const {
        return fail_at(p, Code::json_syntax, fmt::format("not JSON: expected {}", expected));
    }

    Status feed(std::string_view bytes, const Sink& sink) {
        begin = bytes.data();
        end = begin + bytes.size();
        const char* p = begin;
        while (p != end) TARN_TRY(step(p, sink));
        consumed += bytes.size();
        return {};
    }

    Status step(const char*& p, const Sink& sink) {
        switch (expect) {
            case Expect::in_key:
                return in_key(p);
            case Expect::in_skip:
                return in_skip(p);
            case Expect::in_element:
                return in_element(p, sink);
            default:
                break;
        }
        p = scan::skip_space(p, end);
        if (p == end) return {};
        switch (expect) {
            case Expect::value:
                return on_path(p);
            case Expect::key_or_close:
            case Expect::key:
                return key(p);
            case Expect::colon:
                return colon(p);
            case Expect::comma_or_close:
                return comma_or_close(p);
            case Expect::skip:
                if (*p == ',' || *p == '}' || *p == ']') return unexpected(p, "a value");
                skipper.begin(*p);
                expect = Expect::in_skip;
                return {};
            case Expect::element_or_close:
            case Expect::element:
                return element(p);
            case Expect::element_end:
                return element_end(p);
            default:
                return unexpected(p, "nothing more");
        }
    }

    Status on_path(const char*& p) {
        const bool last = open == steps.size();
        if (*p != (last ? '[' : '{')) {
            if (open == 0)
                return fail_at(p, Code::no_records,
                               last ? "the document is not an array"
                                    : fmt::format("the document is not an object with {}", path));
            return fail_at(p, Code::no_records,
                           fmt::format("\"{}\" is not an {}", steps[open - 1], last ? "array" : "object"));
        }
        ++p;
        if (last) {
            found = true;
            expect = Expect::element_or_close;
        } else {
            ++open;
            expect = Expect::key_or_close;
        }
        return {};
    }

    Status key(const char*& p) {
        if (*p == '}' && expect == Expect::key_or_close) return close_object(p);
        if (*p != '"')
            return unexpected(p, expect == Expect::key ? "a key in quotes" : "a key in quotes or '}'");
        kept.clear();
        skipper.begin('"');
        expect = Expect::in_key;
        return {};
    }

    Status in_key(const char*& p) {
        bool done = false;
        const char* const from = p;
        p = skipper.feed(p, end, done);
        kept.append(from, p);
        if (kept.size() > most)
            return fail_at(p, Code::too_large, fmt::format("a key has more than {} bytes", most));
        if (done) expect = Expect::colon;
        return {};
    }

    Status colon(const char*& p) {
        if (*p != ':') return unexpected(p, "':'");
        ++p;
        expect = !found && unescape(kept) == steps[open - 1] ? Expect::value : Expect::skip;
        return {};
    }

    Status comma_or_close(const char*& p) {
        if (*p == '}') return close_object(p);
        if (*p != ',') return unexpected(p, "',' or '}'");
        ++p;
        expect = Expect::key;
        return {};
    }

    Status close_object(const char*& p) {
        ++p;
        --open;
        expect = open == 0 ? Expect::end : Expect::comma_or_close;
        return {};
    }

    Status in_skip(const char*& p) {
        bool done = false;
        p = skipper.feed(p, end, done);
        if (done) expect = Expect::comma_or_close;
        return {};
    }

    Status element(const char*& p) {
        if (*p == ']' && expect == Expect::element_or_close) return close_array(p);
        if (*p == ',' || *p == ']' || *p == '}')
            return unexpected(p, expect == Expect::element ? "a value" : "a value or ']'");
        kept.clear();
        value_start = byte_at(p);
        skipper.begin(*p);
        expect = Expect::in_element;
        return {};
    }

    Status in_element(const char*& p, const Sink& sink) {
        bool done = false;
        const char* const from = p;
        p = skipper.feed(p, end, done);
        const std::string_view piece = scan::slice(from, p);
        if (kept.size() + piece.size() > most)
            return fail(Code::too_large, fmt::format("a record has more than {} bytes", most),
                        {.place = {.source = {}, .byte = value_start}});
        if (!done || !kept.empty()) kept += piece;
        if (!done) return {};
        expect = Expect::element_end;
        return sink(kept.empty() ? piece : std::string_view(kept), value_start);
    }

    Status element_end(const char*& p) {
        if (*p == ']') return close_array(p);
        if (*p != ',') return unexpected(p, "',' or ']'");
        ++p;
        expect = Expect::element;
        return {};
    }

    Status close_array(const char*& p) {
        ++p;
        expect = open == 0 ? Expect::end : Expect::comma_or_close;
        return {};
    }

    Status finish() const {
        const Place place{.source = {}, .byte = consumed};
        if (expect == Expect::end && found) return {};
        if (expect == Expect::end)
            return fail(Code::no_records, fmt::format("the document has no array {}", path),
                        {.place = place});
        if (expect == Expect::value && open == 0)
            return fail(Code::no_records, "the document is empty", {.place = place});
        return fail(Code::json_syntax,
                    expect >= Expect::element_or_close
                        ? "not JSON: unexpected end of text: expected ']' at the end of the array"
                        : "not JSON: unexpected end of text: expected '}'",
                    {.place = place});
    }
};

JsonArraySplitter::JsonArraySplitter(std::string path, std::size_t max_element_bytes)
    : state_(std::make_shared<State>()) {
    state_->steps = split_path(path);
    state_->path = std::move(path);
    state_->most = max_element_bytes;
}

Status JsonArraySplitter::feed(std::string_view bytes,
                               const std::function<Status(std::string_view, std::uint64_t)>& fn) {
    return state_->feed(bytes, fn);
}

Status JsonArraySplitter::finish() { return state_->finish(); }

}  // namespace tarn::codec
