#include "pattern/structure.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tarn::pattern {
namespace {

// The same, byte by byte.
struct Plain {
    std::string quote, open, close, end;  // '1' where it stands

    explicit Plain(std::string_view text) : quote(text.size(), '0'), open(quote), close(quote), end(quote) {
        bool in_string = false, escaped = false;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            if (escaped) {
                escaped = false;
                if (in_string || c == '"') continue;
            } else if (c == '\\') {
                escaped = true;
                continue;
            } else if (c == '"') {
                quote[i] = '1';
                in_string = !in_string;
                continue;
            }
            if (in_string) continue;
            if (c == '{' || c == '[') open[i] = '1';
            if (c == '}' || c == ']') close[i] = '1';
            if (c == '}' || c == ']' || c == ',') end[i] = '1';
        }
    }
    static std::size_t next(const std::string& marks, std::size_t at) {
        return std::min(marks.find('1', at), marks.size());
    }
    std::size_t container_end(std::size_t at) const {
        for (std::size_t depth = 0; at < open.size(); ++at) {
            depth += open[at] == '1';
            if (close[at] == '1' && --depth == 0) return at + 1;
        }
        return open.size();
    }
};

TEST(Structure, IsThatOfTheBytes) {
    std::mt19937_64 random(1);
    Structure structure;
    for (int round = 0; round < 4000; ++round) {
        // Few of one kind at a time, so that depth, strings and escapes reach over blocks of 64.
        const std::string alphabet =
            std::string(1 + random() % 60, 'x') + "{[]},:\"\\." + std::string(random() % 4, '\\');
        std::string text(random() % 700, ' ');
        for (char& c : text) c = alphabet[random() % alphabet.size()];
        structure.read(text);
        const Plain plain(text);
        for (std::size_t at = 0; at < text.size(); ++at) {
            ASSERT_EQ(structure.next_quote(at), Plain::next(plain.quote, at)) << text << " at " << at;
            ASSERT_EQ(structure.next_end(at), Plain::next(plain.end, at)) << text << " at " << at;
            if (plain.open[at] == '1') {
                ASSERT_EQ(structure.container_end(at), plain.container_end(at)) << text << " at " << at;
            }
            const std::size_t to = at + 1 + random() % (text.size() - at);
            const bool has_odd = text.substr(at, to - at).find_first_of(".\\") != std::string::npos;
            ASSERT_EQ(structure.has_odd(at, to), has_odd) << text << " at " << at;
        }
        ASSERT_EQ(structure.next_quote(text.size()), text.size());
    }
}

}  // namespace
}  // namespace tarn::pattern
