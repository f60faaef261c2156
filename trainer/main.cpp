#include "trainer/commands.hpp"

int main(int argc, char** argv) { return leadline::trainer::run_command_line(argc, argv); }
