// Keys, texts, numbers and addresses by chance: few enough to meet again, odd enough to hurt.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::test {

// splitmix64: the standard's distributions differ from library to library.
class Chance {
public:
    explicit Chance(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
    bool percent(std::size_t p) { return below(100) < p; }
    template <typename T>
    const auto& of(const T& list) {
        return list[below(std::size(list))];
    }

private:
    std::uint64_t state_;
};
struct Scalar {
    enum class Kind : std::uint8_t { string, number, word };
    Kind kind = Kind::word;
    std::string text;  // unescaped; as written
};
class PatternTexts {
protected:
    explicit PatternTexts(std::uint64_t seed) : chance_(seed) {}

    // ---- texts

    std::string space() { return spaced_ && chance_.percent(30) ? (chance_.percent(50) ? " " : "\n\t") : ""; }

    static std::vector<std::string> characters(std::string_view text) {
        std::vector<std::string> all;
        for (const char c : text) {
            if ((static_cast<unsigned char>(c) & 0xc0) != 0x80 || all.empty()) all.emplace_back();
            all.back() += c;
        }
        return all;
    }

    static std::string join(const std::vector<std::string>& parts, std::size_t from, std::size_t to) {
        std::string all;
        for (std::size_t i = from; i < to; ++i) all += parts[i];
        return all;
    }

    static std::string hex4(unsigned unit) {
        static constexpr std::string_view digits = "0123456789abcdef";
        std::string text = "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) text += digits[(unit >> shift) & 15];
        return text;
    }

    static std::string escaped(std::string_view character) {
        unsigned point = static_cast<unsigned char>(character[0]);
        if (character.size() > 1) point &= 0xffu >> (character.size() + 1);
        for (std::size_t i = 1; i < character.size(); ++i)
            point = point << 6 | (static_cast<unsigned char>(character[i]) & 0x3f);
        if (point < 0x10000) return hex4(point);
        point -= 0x10000;
        return hex4(0xd800 + (point >> 10)) + hex4(0xdc00 + (point & 0x3ff));
    }

    std::string quoted(std::string_view text) {
        const bool escape = chance_.percent(8);
        std::string out = "\"";
        for (const std::string& c : characters(text)) {
            if (c == "\"" || c == "\\")
                out += "\\" + c;
            else if (static_cast<unsigned char>(c[0]) < 0x20 || (escape && chance_.percent(40)))
                out += escaped(c);
            else if (c == "/" && escape)
                out += "\\/";
            else
                out += c;
        }
        return out + "\"";
    }

    // ---- scalars

    std::string key() {
        static constexpr std::string_view usual[] = {"a", "b", "c", "d", "a", "b", "detail", "source"};
        static constexpr std::string_view odd[] = {"a.b", "b.c",    "A", "é",  "",   ".",   "a b", "\"",
                                                   "$or", "prefix", "0", "d.", "日", "a-b", ".a"};
        return std::string(chance_.percent(5) ? chance_.of(odd) : chance_.of(usual));
    }

    std::string address() {
        static constexpr std::string_view some[] = {"10.0.0.1",
                                                    "10.0.0.2",
                                                    "10.1.2.3",
                                                    "192.168.1.77",
                                                    "255.255.255.255",
                                                    "0.0.0.0",
                                                    "010.000.0.1",
                                                    "10.0.0.1",
                                                    "::1",
                                                    "0:0:0:0:0:0:0:1",
                                                    "2001:db8::1",
                                                    "2001:DB8::1",
                                                    "2001:0db8:0:0:0:0:0:0001",
                                                    "2001:db8::ff00:42:8329",
                                                    "::",
                                                    "fe80::1",
                                                    "fe80::",
                                                    "1::8",
                                                    "10.0.0",
                                                    "10.0.0.256",
                                                    "1:2:3:4:5:6:7:8:9",
                                                    "::ffff:10.0.0.1",
                                                    "08:23",
                                                    "a:b",
                                                    "1.2.3.4.5",
                                                    "fe80::1%1"};
        return std::string(chance_.of(some));
    }

    std::string odd_fold() {
        static constexpr std::string_view some[] = {"ß", "SS", "ſ",  "K", "İ",  "ı", "ς",
                                                    "σ", "ﬁ",  "FI", "ǅ", "😀", "𐐀", "𐐨"};
        std::string text;
        for (std::size_t n = chance_.below(3) + 1; n > 0; --n) text += chance_.of(some);
        return text;
    }

    std::string random_string() {
        static constexpr std::string_view some[] = {"a", "b", "A", "B", "a", "b",  "ab", "*",  "\\", "é",
                                                    "É", "ж", "Ж", ".", "/", "\"", " ",  "日", "1",  "\n"};
        std::string text;
        for (std::size_t n = chance_.below(7); n > 0; --n) text += chance_.of(some);
        return text;
    }

    std::string string() {
        static constexpr std::string_view usual[] = {
            "",          "a",         "b",         "abc",    "ABC",
            "aBc",       "running",   "stopped",   "x*y",    "a\\b",
            "café",      "CAFÉ",      "1",         "null",   "true",
            "300",       "image.PNG", "image.png", "abcabc", "aaaa",
            "aws.s3",    "ab\"cd",    "日本語",    "-1",     "arn:aws:events:us-east-1:123:event-bus/x",
            "2022-07-13"};
        if (fold_odd_ && chance_.percent(50)) return odd_fold();
        if (chance_.percent(12)) return address();
        return chance_.percent(65) ? std::string(chance_.of(usual)) : random_string();
    }

    std::string number() {
        static constexpr std::string_view usual[] = {"0",   "1",    "2",   "3",   "10",   "300",    "-1",
                                                     "-10", "0.1",  "0.5", "1.5", "-2.5", "100",    "1000",
                                                     "0.3", "3.14", "1e2", "5",   "7",    "1234567"};
        static constexpr std::string_view odd[] = {"-0",
                                                   "-0.0",
                                                   "0e5",
                                                   "3.0e2",
                                                   "300.00",
                                                   "1E-7",
                                                   "5000000001",
                                                   "9007199254740992",
                                                   "9007199254740993",
                                                   "12345678901234567890",
                                                   "12345678901234567890.0",
                                                   "1e400",
                                                   "1E-325",
                                                   "0.30000000000000004",
                                                   "1.7976931348623157e308",
                                                   "3.14159265358979323846",
                                                   "1e-300",
                                                   "-9223372036854775808",
                                                   "1e22",
                                                   "123456789012345",
                                                   "0E-5",
                                                   "1e999999",
                                                   "4611686018427387904",
                                                   "2e23",
                                                   "8.41E21"};
        if (chance_.percent(60)) return std::string(chance_.of(usual));
        if (chance_.percent(40)) return std::string(chance_.of(odd));
        std::string text = std::to_string(static_cast<int>(chance_.below(2000)) - 500);
        if (chance_.percent(40)) text += "." + std::to_string(chance_.below(100));
        return text;
    }

    // The same number in another spelling; as it is when that is not simple.
    std::string respelled(const std::string& text) {
        if (text.find_first_of("eE.") != std::string::npos || text.size() > 14) {
            if (text.find_first_of("eE") == std::string::npos && chance_.percent(50)) return text + "e0";
            return text;
        }
        switch (chance_.below(7)) {
            case 0:
                return text + ".0";
            case 1:
                return text + "e0";
            case 2:
                return text == "0" ? text : text + "0E-1";
            case 3:
                return text + ".00e+0";
            case 4:
                return text == "300" ? "3e2" : text;
            default:
                return text;
        }
    }

    Scalar scalar() {
        static constexpr std::string_view words[] = {"true", "false", "null"};
        const std::size_t dice = chance_.below(100);
        if (dice < 60) return {Scalar::Kind::string, string()};
        if (dice < 88) return {Scalar::Kind::number, number()};
        return {Scalar::Kind::word, std::string(chance_.of(words))};
    }

    std::string written(const Scalar& scalar) {
        return scalar.kind == Scalar::Kind::string ? quoted(scalar.text) : scalar.text;
    }

    Chance chance_;
    bool spaced_ = false, fold_odd_ = false;
};

}  // namespace tarn::test
