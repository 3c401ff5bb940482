// The SQL functions decimal_add, decimal_sub, decimal_mul, decimal_cmp and the aggregate decimal_sum, for
// money in stores. They work on decimal text and integers. NULL gives NULL (the sum skips it); anything else,
// floating point included, is an SQL error that names the value: a rounded amount must not enter a balance
// unseen.
#pragma once

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace tarn::state {

// Once a connection.
Status register_decimal_functions(sqlite::Database& database);

}  // namespace tarn::state
