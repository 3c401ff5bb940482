#include "state/binding.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "event/shapes.h"

namespace tarn::state {
namespace {

constexpr std::pair<std::string_view, Parameter> parameters[] = {
    {":id", Parameter::id},           {":type", Parameter::type},       {":source", Parameter::source},
    {":subject", Parameter::subject}, {":time", Parameter::time},       {":key", Parameter::key},
    {":data", Parameter::data},       {":payload", Parameter::payload}, {":partition", Parameter::partition},
    {":offset", Parameter::offset},   {":seq", Parameter::seq},         {":run", Parameter::run}};

std::optional<Parameter> parameter_of(std::string_view name) {
    for (const auto& [known, parameter] : parameters)
        if (known == name) return parameter;
    return std::nullopt;
}

int bind_text(sqlite3_stmt* statement, int index, std::string_view text) {
    return sqlite3_bind_text(statement, index, text.data() != nullptr ? text.data() : "",
                             static_cast<int>(text.size()), SQLITE_STATIC);
}

int bind_optional(sqlite3_stmt* statement, int index, const std::optional<std::string_view>& text) {
    return text ? bind_text(statement, index, *text) : sqlite3_bind_null(statement, index);
}

}  // namespace

Result<Bindings> find_bindings(const UserStatement& statement, std::string_view where) {
    Bindings bindings;
    const int count = sqlite3_bind_parameter_count(statement.handle.get());
    for (int i = 1; i <= count; i++) {
        const char* name = sqlite3_bind_parameter_name(statement.handle.get(), i);
        const auto parameter = name != nullptr ? parameter_of(name) : std::nullopt;
        if (!parameter)
            return fail(
                Code::projection_sql,
                fmt::format("{}: there is no parameter {}; known are :id :type :source :subject "
                            ":time :key :data :payload "
                            ":partition :offset :seq :run",
                            where, name != nullptr ? name : "?"),
                {.next = "correct the projection and run tarn apply again", .excerpt = statement.sql});
        bindings.emplace_back(i, *parameter);
    }
    return bindings;
}

const std::optional<std::string_view>& EventValues::data() {
    if (!data_) data_ = event::data_json(event_, meta_);
    return *data_;
}

int EventValues::bind_one(sqlite3_stmt* statement, int index, Parameter parameter) {
    switch (parameter) {
        case Parameter::id:
            return bind_text(statement, index, meta_.id);
        case Parameter::type:
            return bind_text(statement, index, meta_.type);
        case Parameter::source:
            return bind_text(statement, index, meta_.source);
        case Parameter::subject:
            return bind_optional(statement, index, meta_.subject);
        case Parameter::time:
            return bind_text(statement, index, meta_.time_text);
        case Parameter::key:
            return bind_optional(statement, index, meta_.key);
        case Parameter::data:
            return bind_optional(statement, index, data());
        case Parameter::payload:
            if (event_.form != event::PayloadForm::base64) return bind_text(statement, index, event_.payload);
            return sqlite3_bind_blob(statement, index,
                                     event_.payload.data() != nullptr ? event_.payload.data() : "",
                                     static_cast<int>(event_.payload.size()), SQLITE_STATIC);
        case Parameter::partition:
            return sqlite3_bind_int64(statement, index, event_.position.partition);
        case Parameter::offset:
            return sqlite3_bind_int64(statement, index, static_cast<sqlite3_int64>(event_.position.offset));
        case Parameter::seq:
            return sqlite3_bind_int64(statement, index, static_cast<sqlite3_int64>(event_.sequence));
        // The same in live feeding and in every rebuild, or states could not be compared.
        case Parameter::run:
            return sqlite3_bind_null(statement, index);
    }
    return SQLITE_MISUSE;
}

int EventValues::bind(sqlite3_stmt* statement, const Bindings& bindings) {
    for (const auto& [index, parameter] : bindings)
        if (const int code = bind_one(statement, index, parameter); code != SQLITE_OK) return code;
    return SQLITE_OK;
}

}  // namespace tarn::state
