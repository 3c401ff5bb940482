#include "cli/commands.h"

namespace tarn::cli {

const std::vector<Command>& all_commands() {
    static const std::vector<Command> commands = [] {
        std::vector<Command> all;
        for (auto* part :
             {up_commands,           stream_commands,      put_commands,       import_commands,
              tail_commands,         query_commands,       pattern_commands,   plan_commands,
              run_commands,          from_commands,        selection_commands, verify_commands,
              report_commands,       store_commands,       snapshot_commands,  quarantine_commands,
              job_commands,          config_commands,      operate_commands,   function_commands,
              subscription_commands, dead_letter_commands, later_commands,     reference_commands})
            for (auto& command : part()) all.push_back(std::move(command));
        return all;
    }();
    return commands;
}

}  // namespace tarn::cli
