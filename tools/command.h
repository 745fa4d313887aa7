/*
 * command.h - the subcommands of `driftline` and what they share.
 *
 * Exit codes: 0 ok, 1 failure, 2 usage, 3 corrupt data, 4 server unreachable.
 */
#ifndef DRIFTLINE_TOOLS_COMMAND_H
#define DRIFTLINE_TOOLS_COMMAND_H

#include "engine/base/status.h"

enum exit_code { EXIT_CODE_OK = 0, EXIT_CODE_FAILURE = 1, EXIT_CODE_USAGE = 2, EXIT_CODE_CORRUPT = 3, EXIT_CODE_UNREACHABLE = 4 };

int command_main(int argc, char **argv);
/* The exit code that fits a status. */
int command_exit_code(enum status status);

#endif
