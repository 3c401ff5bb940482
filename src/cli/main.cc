#include "cli/command.h"

int main(int argc, char** argv) { return tarn::cli::run_command_line(argc, argv); }
