// Tests of one value by chance, as JSON: made from the value, so that many hold; some nearly; some refused.
#pragma once

#include "pattern_texts.h"

namespace tarn::test {

class PatternTests : protected PatternTexts {
protected:
    using PatternTexts::PatternTexts;

    std::string flipped(std::string_view text) {
        std::string out;
        for (const char c : text) {
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
            out += letter && chance_.percent(50) ? static_cast<char>(c ^ 0x20) : c;
        }
        return out;
    }

    std::string begin_of(const std::string& text) {
        const auto all = characters(text);
        return join(all, 0, chance_.below(all.size() + 1));
    }

    std::string end_of(const std::string& text) {
        const auto all = characters(text);
        return join(all, chance_.below(all.size() + 1), all.size());
    }

    // The text with some pieces replaced by stars, never two in a row.
    std::string starred(const std::string& text) {
        const auto all = characters(text);
        std::string out;
        for (std::size_t i = 0; i <= all.size(); ++i) {
            if (chance_.percent(20) && !(out.ends_with('*') && !out.ends_with("\\*"))) {
                out += '*';
                i += chance_.below(4);
            }
            if (i >= all.size()) break;
            if (all[i] == "*" || all[i] == "\\") out += '\\';
            out += all[i];
        }
        return out;
    }

    std::string nearly(const std::string& text) {
        auto all = characters(text);
        switch (chance_.below(4)) {
            case 0:
                return text + "a";
            case 1:
                if (!all.empty()) all.pop_back();
                return join(all, 0, all.size());
            case 2:
                return flipped(text);
            default:
                return string();
        }
    }

    std::string network(const std::string& text) {
        const bool v6 = text.find(':') != std::string::npos;
        return text + "/" + std::to_string(chance_.below(v6 ? 128 : 32));
    }

    std::string rule(std::string_view name, const std::string& operand) {
        return "{" + space() + quoted(name) + space() + ":" + space() + operand + space() + "}";
    }

    std::string list(const std::vector<std::string>& operands) {
        std::string out = "[" + space();
        for (const std::string& operand : operands)
            out += (out.size() > 2 || out.back() == ']' ? "" : "") + operand + ",";
        out.back() = ']';
        return out;
    }

    // One operand, or a list with it in some place.
    std::string one_or_list(const std::string& operand, bool numbers) {
        if (chance_.percent(40)) return operand;
        std::vector<std::string> all{operand};
        for (std::size_t n = chance_.below(3); n > 0; --n)
            all.push_back(numbers ? number() : quoted(string()));
        std::swap(all.front(), all[chance_.below(all.size())]);
        return list(all);
    }

    std::string anything_but(const std::string& text) {
        switch (chance_.below(6)) {
            case 0:
                return rule("anything-but", rule("prefix", one_or_list(quoted(begin_of(text)), false)));
            case 1:
                return rule("anything-but", rule("suffix", one_or_list(quoted(end_of(text)), false)));
            case 2:
                return rule("anything-but",
                            rule("equals-ignore-case", one_or_list(quoted(flipped(text)), false)));
            case 3:
                return rule("anything-but", rule("wildcard", one_or_list(quoted(starred(text)), false)));
            default:
                return rule("anything-but", one_or_list(quoted(text), false));
        }
    }

    std::string string_test(const std::string& text) {
        switch (chance_.below(16)) {
            case 0:
                return rule("prefix", quoted(begin_of(text)));
            case 1:
                return rule("suffix", quoted(end_of(text)));
            case 2:
                return rule("equals-ignore-case", quoted(flipped(text)));
            case 3:
                return rule("prefix", rule("equals-ignore-case", quoted(flipped(begin_of(text)))));
            case 4:
                return rule("suffix", rule("equals-ignore-case", quoted(flipped(end_of(text)))));
            case 5:
            case 6:
                return rule("wildcard", quoted(starred(text)));
            case 7:
            case 8:
            case 9:
                return anything_but(text);
            case 10:
                return rule("exists", chance_.percent(60) ? "true" : "false");
            case 11:
                return rule("cidr", quoted(network(text.find_first_of(".:") == std::string::npos ? address()
                                                                                                 : text)));
            case 12:
                return rule("exactly", quoted(text));
            default:
                return quoted(text);
        }
    }

    std::string range(const std::string& text) {
        static constexpr std::string_view low[] = {"\">\"", "\">=\""}, high[] = {"\"<\"", "\"<=\""};
        const std::string other = chance_.percent(60) ? (text.starts_with('-') ? "0" : "-7.5") : number();
        switch (chance_.below(chance_.percent(30) ? 5 : 4)) {
            case 0:
                return "[\"=\"," + text + "]";
            case 1:
                return "[" + std::string(chance_.of(low)) + "," + text + "]";
            case 2:
                return "[" + std::string(chance_.of(high)) + "," + text + "]";
            case 3: {
                const bool below = text.starts_with('-');
                return "[" + std::string(chance_.of(low)) + "," + (below ? text : other) + "," +
                       std::string(chance_.of(high)) + "," + (below ? other : text) + "]";
            }
            default:
                return "[" + std::string(chance_.of(low)) + "," + other + "," +
                       std::string(chance_.of(high)) + "," + text + "]";
        }
    }

    std::string number_test(const std::string& text) {
        switch (chance_.below(9)) {
            case 0:
            case 1:
            case 2:
                return rule("numeric", range(respelled(text)));
            case 3:
                return rule("anything-but", one_or_list(respelled(text), true));
            case 4:
                return rule("exists", chance_.percent(60) ? "true" : "false");
            case 5:
                return chance_.percent(30) ? anything_but(text) : quoted(text);
            default:
                return respelled(text);
        }
    }

    // Refused, mostly.
    std::string broken_test() {
        static constexpr std::string_view names[] = {
            "prefix",       "suffix",  "wildcard", "equals-ignore-case",
            "cidr",         "numeric", "exists",   "anything-but",
            "exactly",      "Prefix",  "regex",    "",
            "anything-but", "numeric"};
        static constexpr std::string_view operands[] = {"1",
                                                        "null",
                                                        "true",
                                                        "[]",
                                                        "{}",
                                                        "\"\"",
                                                        "[\"a\"]",
                                                        "[1]",
                                                        "[null]",
                                                        "\"a**b\"",
                                                        "\"a\\\\\"",
                                                        "\"\\\\x\"",
                                                        "\"10.0.0.0/32\"",
                                                        "\"10.0.0.0\"",
                                                        "\"10.0.0.0/x\"",
                                                        "\"::/128\"",
                                                        "\"x/8\"",
                                                        "\"10.0.0.0/8/8\"",
                                                        "\"10.0.0.0/-1\"",
                                                        "\"10.0.0/8\"",
                                                        "[\"=\"]",
                                                        "[\"=\",\"1\"]",
                                                        "[\"==\",1]",
                                                        "[\"<>\",1]",
                                                        "[\"=\",1,2]",
                                                        "[\"<\",1,\">\",0]",
                                                        "[\">\",1,\"<\",0]",
                                                        "[\">\",1,\"<\",1]",
                                                        "[\">\",0,\"<\",1,2]",
                                                        "[\">\",1e400]",
                                                        "[\">\",0,\">\",1]",
                                                        "[\"<\",1,2]",
                                                        "[\">\",0,1]",
                                                        "[1,\"a\"]",
                                                        "[\"a\",1]",
                                                        "[\"a\",null]",
                                                        "[true]",
                                                        "[[\"a\"]]",
                                                        "{\"prefix\":\"\"}",
                                                        "{\"prefix\":1}",
                                                        "{\"suffix\":[\"\"]}",
                                                        "{\"prefix\":[\"a\",1]}",
                                                        "{\"prefix\":{\"equals-ignore-case\":\"a\"}}",
                                                        "{\"equals-ignore-case\":1}",
                                                        "{\"equals-ignore-case\":[1]}",
                                                        "{\"wildcard\":\"a**\"}",
                                                        "{\"wildcard\":[\"a\",1]}",
                                                        "{\"wildcard\":1}",
                                                        "{\"numeric\":[\"=\",1]}",
                                                        "{\"prefix\":\"a\",\"suffix\":\"b\"}",
                                                        "{\"prefix\":\"a\"}",
                                                        "{\"x\":\"a\"}",
                                                        "9007199254740993",
                                                        "[9007199254740993]",
                                                        "{\"exists\":true}",
                                                        "\"*:*:*:*:*:event-bus/*\"",
                                                        "{\"equals-ignore-case\":[]}",
                                                        "{\"wildcard\":[]}",
                                                        "{\"wildcard\":\"\"}",
                                                        "{\"equals-ignore-case\":\"\"}",
                                                        "\"*a*a*a*a*a*a*b\"",
                                                        "{\"equals-ignore-case\":{\"prefix\":\"a\"}}",
                                                        "{\"anything-but\":\"a\"}",
                                                        "{\"suffix\":{}}",
                                                        "[\"=\",null]",
                                                        "[\">\",true]",
                                                        "[\"=\",[1]]",
                                                        "[null,1]",
                                                        "[{\"prefix\":\"a\"}]"};
        switch (chance_.below(8)) {
            case 0:
                return "{}";
            case 1:
                return "[" + quoted(string()) + "]";
            case 2:
                return "{\"prefix\":\"a\",\"suffix\":\"b\"}";
            case 3:
                return rule(chance_.of(names), rule(chance_.of(names), std::string(chance_.of(operands))));
            default:
                return rule(chance_.of(names), std::string(chance_.of(operands)));
        }
    }

    std::string test_of(const Scalar& wanted) {
        if (broken_ && chance_.percent(40)) {
            broken_ = false;
            return broken_test();
        }
        switch (wanted.kind) {
            case Scalar::Kind::string:
                return string_test(chance_.percent(75) ? wanted.text : nearly(wanted.text));
            case Scalar::Kind::number:
                return number_test(chance_.percent(75) ? wanted.text : number());
            case Scalar::Kind::word:
                break;
        }
        if (chance_.percent(15)) return rule("exists", chance_.percent(60) ? "true" : "false");
        if (chance_.percent(15)) return anything_but(wanted.text);
        return chance_.percent(80) ? wanted.text : quoted(wanted.text);
    }

    std::string tests_of(const Scalar& wanted) {
        std::vector<std::string> tests{test_of(wanted)};
        while (tests.size() < 4 && chance_.percent(25))
            tests.push_back(test_of(chance_.percent(50) ? wanted : scalar()));
        return list(tests);
    }

    bool broken_ = false;  // the pattern shall have something in it that is refused
};

}  // namespace tarn::test
