// JSON that capture takes and the SQL engine would not.
#pragma once

#include <string>
#include <string_view>

namespace tarn::query {

// RFC 8259 allows an escaped surrogate without its other half ("\ud800"); the engine refuses the whole query
// when it meets one. Each becomes \ufffd, as everywhere in Tarn where such a string is read. Gives `json`
// itself when there is none, else `scratch`. `json` must be valid JSON.
std::string_view engine_json(std::string_view json, std::string& scratch);

}  // namespace tarn::query
