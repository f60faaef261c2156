// `leadline data info|show|generate|convert`: looking at data, making it, and turning one form into another.
#pragma once

namespace leadline::data {

/// Runs the command whose words follow `leadline data`: argv[0] is "data" (or anything), argv[1] the action. Prints to
/// stdout, errors and progress to stderr. Returns 0, 1 where the data or the disk failed, 2 for a wrong command line.
/// Throws nothing. What can't be finished leaves no output behind.
int data_command(int argc, const char* const* argv);

} // namespace leadline::data
