// What each file of commands declares. Kept apart from command.h so that adding a command rebuilds little.
#pragma once

#include <vector>

#include "cli/command.h"

namespace tarn::cli {

std::vector<Command> up_commands();
std::vector<Command> stream_commands();
std::vector<Command> put_commands();
std::vector<Command> import_commands();
std::vector<Command> tail_commands();
std::vector<Command> query_commands();
std::vector<Command> pattern_commands();
std::vector<Command> plan_commands();
std::vector<Command> selection_commands();
std::vector<Command> run_commands();
std::vector<Command> from_commands();
std::vector<Command> verify_commands();
std::vector<Command> report_commands();
std::vector<Command> store_commands();
std::vector<Command> snapshot_commands();
std::vector<Command> quarantine_commands();
std::vector<Command> job_commands();
std::vector<Command> config_commands();
std::vector<Command> operate_commands();
std::vector<Command> function_commands();
std::vector<Command> subscription_commands();
std::vector<Command> dead_letter_commands();
std::vector<Command> later_commands();
std::vector<Command> reference_commands();

}  // namespace tarn::cli
