#include "codec/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace tarn::codec {
namespace {

TEST(Base64, Rfc4648) {
    EXPECT_EQ(base64_encode(""), "");
    EXPECT_EQ(base64_encode("f"), "Zg==");
    EXPECT_EQ(base64_encode("fo"), "Zm8=");
    EXPECT_EQ(base64_encode("foo"), "Zm9v");
    EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
}

TEST(Base64, RandomBytesComeBack) {
    std::mt19937_64 random(1);
    for (std::size_t size = 0; size < 200; ++size) {
        std::string bytes(size, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        std::string text = "before ";
        append_base64(text, bytes);
        ASSERT_EQ(base64_decode(text.substr(7)), bytes);
    }
}

TEST(Base64, RefusesWhatIsNotExact) {
    for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n",
                             "Zg==Zg==", "====", "=AAA", "Z===", "Zm9-"})
        EXPECT_EQ(base64_decode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace tarn::codec
