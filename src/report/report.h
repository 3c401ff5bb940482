// One report document (contract, "The plan and the report, as documents") rendered for people: text and a
// single HTML page that needs no network, prints on A4 and works light and dark. Pure functions; fields that
// are absent are left out.
#pragma once

#include <string>

#include "codec/json.h"

namespace tarn::report {

// ANSI colour codes only when `colour`.
std::string render_text(const codec::Json& report, bool colour);
std::string render_html(const codec::Json& report, const codec::Json& plan);
std::string render_plan_text(const codec::Json& plan, bool colour);
// Of `replay plan --explain`.
std::string render_explanation_text(const codec::Json& explained);
std::string render_verify_text(const codec::Json& verification, bool colour);

}  // namespace tarn::report
