/*
 * command.c - finds the subcommand and runs it.
 */
#include "tools/command.h"

int command_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return EXIT_CODE_USAGE;
}

int command_exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
    case STATUS_END:
        return EXIT_CODE_OK;
    case STATUS_CORRUPT:
        return EXIT_CODE_CORRUPT;
    case STATUS_UNREACHABLE:
        return EXIT_CODE_UNREACHABLE;
    default:
        return EXIT_CODE_FAILURE;
    }
}
