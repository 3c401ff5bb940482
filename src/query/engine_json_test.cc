#include "query/engine_json.h"

#include <gtest/gtest.h>

namespace tarn::query {
namespace {

std::string repaired(std::string_view json) {
    std::string scratch;
    return std::string(engine_json(json, scratch));
}

TEST(EngineJson, UnpairedSurrogatesAreReplaced) {
    EXPECT_EQ(repaired(R"("\ud800")"), R"("\ufffd")");
    EXPECT_EQ(repaired(R"("\uDC00x\uD83D")"), R"("\ufffdx\ufffd")");
    EXPECT_EQ(repaired(R"("\ud800\ud83d\ude00\udbff")"), R"("\ufffd\ud83d\ude00\ufffd")");
    EXPECT_EQ(repaired(R"("\ud800\n")"), R"("\ufffd\n")");
}

TEST(EngineJson, EverythingElseIsLeftAsItIs) {
    for (const char* json :
         {R"({"a":"\ud83d\ude00"})", R"("\\ud800")", R"("\\\\ud800")", R"("\u00e9\n\"")", "[1]", R"("\\")"}) {
        std::string scratch;
        const std::string_view given = json;
        EXPECT_EQ(engine_json(given, scratch).data(), given.data()) << json;
    }
}

}  // namespace
}  // namespace tarn::query
