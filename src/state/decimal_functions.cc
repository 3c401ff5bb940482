#include "state/decimal_functions.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "codec/decimal.h"

namespace tarn::state {
namespace {

std::string_view text_of(sqlite3_value* value) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool is_null(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_NULL; }

// Text and integers only: a REAL has lost its decimal digits before it came here.
bool is_decimal_type(sqlite3_value* value) {
    const int type = sqlite3_value_type(value);
    return type == SQLITE_TEXT || type == SQLITE_INTEGER;
}

void refuse(sqlite3_context* context, const char* function, sqlite3_value* value) {
    const int type = sqlite3_value_type(value);
    std::string shown(type == SQLITE_BLOB ? std::string_view("a blob") : text_of(value).substr(0, 80));
    const char* why = type == SQLITE_FLOAT ? "is floating point; keep amounts as decimal text or integers"
                                           : "is not a decimal number";
    const std::string message =
        fmt::format("{}: {} {}", function, type == SQLITE_TEXT ? "'" + shown + "'" : shown, why);
    sqlite3_result_error(context, message.data(), static_cast<int>(message.size()));
}

void answer(sqlite3_context* context, std::string_view text) {
    sqlite3_result_text(context, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

// Which of two values is at fault when their combination failed: the first that is not a decimal by itself,
// or neither.
void refuse_either(sqlite3_context* context, const char* function, sqlite3_value** values,
                   const Error& error) {
    for (int i = 0; i < 2; i++) {
        if (!is_decimal_type(values[i]) || !codec::decimal_cmp(text_of(values[i]), "0"))
            return refuse(context, function, values[i]);
    }
    const std::string message = fmt::format("{}: {}", function, error.message);
    sqlite3_result_error(context, message.data(), static_cast<int>(message.size()));
}

using Operation = Result<std::string> (*)(std::string_view, std::string_view);

struct NamedOperation {
    const char* name;
    Operation run;
};
constexpr NamedOperation operations[] = {{"decimal_add", codec::decimal_add},
                                         {"decimal_sub", codec::decimal_sub},
                                         {"decimal_mul", codec::decimal_mul}};

void calculate(sqlite3_context* context, int, sqlite3_value** values) {
    const auto* operation = static_cast<const NamedOperation*>(sqlite3_user_data(context));
    if (is_null(values[0]) || is_null(values[1])) return sqlite3_result_null(context);
    for (int i = 0; i < 2; i++)
        if (!is_decimal_type(values[i])) return refuse(context, operation->name, values[i]);
    auto result = operation->run(text_of(values[0]), text_of(values[1]));
    if (!result) return refuse_either(context, operation->name, values, result.error());
    answer(context, *result);
}

void compare(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return sqlite3_result_null(context);
    for (int i = 0; i < 2; i++)
        if (!is_decimal_type(values[i])) return refuse(context, "decimal_cmp", values[i]);
    auto result = codec::decimal_cmp(text_of(values[0]), text_of(values[1]));
    if (!result) return refuse_either(context, "decimal_cmp", values, result.error());
    sqlite3_result_int(context, *result);
}

// SQLite gives zeroed memory for an aggregate's state; the string behind it is ours to free.
struct Sum {
    std::string* total;
};

void sum_step(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    if (!is_decimal_type(values[0])) return refuse(context, "decimal_sum", values[0]);
    auto* sum = static_cast<Sum*>(sqlite3_aggregate_context(context, sizeof(Sum)));
    if (sum == nullptr) return sqlite3_result_error_nomem(context);
    auto next =
        codec::decimal_add(sum->total != nullptr ? std::string_view(*sum->total) : "0", text_of(values[0]));
    if (!next) return refuse(context, "decimal_sum", values[0]);
    if (sum->total == nullptr) sum->total = new (std::nothrow) std::string;
    if (sum->total == nullptr) return sqlite3_result_error_nomem(context);
    *sum->total = std::move(*next);
}

// Also called when a step failed: it must free, and its answer is then ignored.
void sum_final(sqlite3_context* context) {
    auto* sum = static_cast<Sum*>(sqlite3_aggregate_context(context, 0));
    if (sum == nullptr || sum->total == nullptr) return sqlite3_result_null(context);
    answer(context, *sum->total);
    delete sum->total;
    sum->total = nullptr;
}

constexpr int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

Status registered(sqlite3* handle, int code, const char* name) {
    if (code == SQLITE_OK) return {};
    return fail(Code::store_failed, fmt::format("cannot register {}: {}", name, sqlite3_errmsg(handle)));
}

}  // namespace

Status register_decimal_functions(sqlite::Database& database) {
    sqlite3* handle = database.handle();
    for (const auto& operation : operations) {
        auto* data = const_cast<NamedOperation*>(&operation);
        TARN_TRY(registered(handle,
                            sqlite3_create_function_v2(handle, operation.name, 2, flags, data, calculate,
                                                       nullptr, nullptr, nullptr),
                            operation.name));
    }
    TARN_TRY(registered(handle,
                        sqlite3_create_function_v2(handle, "decimal_cmp", 2, flags, nullptr, compare, nullptr,
                                                   nullptr, nullptr),
                        "decimal_cmp"));
    return registered(handle,
                      sqlite3_create_function_v2(handle, "decimal_sum", 1, flags, nullptr, nullptr, sum_step,
                                                 sum_final, nullptr),
                      "decimal_sum");
}

}  // namespace tarn::state
