// The commands of the program `leadline`. A program with its own networks, losses or optimizers registers them and
// calls run_command_line: it then has all of these.
#pragma once

#include <string>
#include <vector>

namespace leadline::trainer {

/// The whole program: chooses the command, prints errors as `leadline: error: ...` on stderr. Returns the exit status:
/// 0, 1 for input that doesn't fit, 2 for a command line that doesn't, 130 after an interrupt.
int run_command_line(int argc, const char* const* argv);

/// The commands by themselves; `arguments` exclude program and command. They throw leadline::Error.
int train_command(const std::vector<std::string>& arguments);
int lr_find_command(const std::vector<std::string>& arguments);
int evaluate_command(const std::vector<std::string>& arguments);
int predict_command(const std::vector<std::string>& arguments);
int export_command(const std::vector<std::string>& arguments);
int mlp_command(const std::vector<std::string>& arguments);
int mlp_depth_command(const std::vector<std::string>& arguments); ///< of mlp_command: `leadline mlp depth`
int verify_command(const std::vector<std::string>& arguments);
int inspect_command(const std::vector<std::string>& arguments);
int report_command(const std::vector<std::string>& arguments);
int compare_command(const std::vector<std::string>& arguments);
int search_command(const std::vector<std::string>& arguments);
int summary_command(const std::vector<std::string>& arguments);
int graph_command(const std::vector<std::string>& arguments);

} // namespace leadline::trainer
