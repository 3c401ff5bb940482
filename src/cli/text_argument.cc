#include "cli/text_argument.h"

#include <cstdio>
#include <string_view>

#include "os/real_file_system.h"

namespace tarn::cli {

Result<std::string> text_argument(const std::string& argument) {
    const auto first = argument.find_first_not_of(" \t\r\n");
    if (first != std::string::npos && std::string_view("{[\"").contains(argument[first])) return argument;
    if (argument == "-") {
        std::string all;
        std::string piece(1 << 16, '\0');
        while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), stdin))
            all.append(piece, 0, n);
        return all;
    }
    const auto fs = os::make_real_file_system();
    return os::read_file(*fs, argument);
}

}  // namespace tarn::cli
