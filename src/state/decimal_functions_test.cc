#include "state/decimal_functions.h"

#include <gtest/gtest.h>

namespace tarn::state {
namespace {

class DecimalFunctions : public testing::Test {
protected:
    DecimalFunctions() : database_(std::move(*sqlite::Database::open(":memory:", {.wal = false}))) {
        EXPECT_TRUE(register_decimal_functions(database_));
    }
    // The value as text, "NULL", or the error.
    std::string value(const std::string& expression) {
        auto statement = database_.prepare("SELECT " + expression);
        if (!statement) return statement.error().message;
        const auto row = statement->step();
        if (!row) return row.error().message;
        return statement->is_null(0) ? "NULL" : std::string(statement->text(0));
    }
    sqlite::Database database_;
};

TEST_F(DecimalFunctions, AreExact) {
    EXPECT_EQ(value("decimal_add('0.10', '0.20')"), "0.30");
    EXPECT_EQ(value("decimal_sub('1', '0.01')"), "0.99");
    EXPECT_EQ(value("decimal_mul('1.5', '2.5')"), "3.75");
    EXPECT_EQ(value("decimal_add('99999999999999999999.01', '0.99')"), "100000000000000000000.00");
    EXPECT_EQ(value("decimal_cmp('1.10', '1.1')"), "0");
    EXPECT_EQ(value("decimal_cmp('-2', '1.1')"), "-1");
    EXPECT_EQ(value("decimal_cmp('2', '1.1')"), "1");
}

TEST_F(DecimalFunctions, TakeIntegersAndPassNullOn) {
    EXPECT_EQ(value("decimal_add(2, '0.5')"), "2.5");
    for (const char* call : {"decimal_add(NULL, '1')", "decimal_sub('1', NULL)", "decimal_mul(NULL, NULL)",
                             "decimal_cmp('1', NULL)"})
        EXPECT_EQ(value(call), "NULL") << call;
}

TEST_F(DecimalFunctions, RefuseWhatIsNoDecimalAndNameIt) {
    EXPECT_NE(value("decimal_add('12,5', '1')").find("'12,5' is not a decimal"), std::string::npos)
        << value("decimal_add('12,5', '1')");
    EXPECT_NE(value("decimal_add('1', 'x')").find("'x'"), std::string::npos);
    EXPECT_NE(value("decimal_cmp('1', 'y')").find("'y'"), std::string::npos);
    EXPECT_NE(value("decimal_add('1', 0.5)").find("0.5 is floating point"), std::string::npos);
    EXPECT_NE(value("decimal_add('1', x'31')").find("a blob"), std::string::npos);
    EXPECT_NE(value("decimal_sum(column1) FROM (VALUES ('1'), ('z'))").find("'z'"), std::string::npos);
    EXPECT_NE(value("decimal_sum(column1) FROM (VALUES ('1'), (1.5))").find("1.5 is floating point"),
              std::string::npos);
}

TEST_F(DecimalFunctions, SumSkipsNull) {
    EXPECT_EQ(value("decimal_sum(column1) FROM (VALUES ('1.10'), (NULL), (2), ('-0.05'))"), "3.05");
    EXPECT_EQ(value("decimal_sum(column1) FROM (VALUES (NULL))"), "NULL");
    EXPECT_EQ(value("decimal_sum(1) WHERE 0"), "NULL");
}

}  // namespace
}  // namespace tarn::state
