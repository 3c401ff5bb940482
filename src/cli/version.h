#pragma once

namespace tarn::cli {
inline constexpr const char* version = "0.1.0";
}
