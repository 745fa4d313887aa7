/*
 * command.h - the subcommands of `driftline` and what they share.
 *
 * command.def is the table: a new command is one line there and one file that defines its struct command.
 * Exit codes: 0 ok, 1 failure, 2 usage, 3 corrupt data, 4 server unreachable.
 */
#ifndef DRIFTLINE_TOOLS_COMMAND_H
#define DRIFTLINE_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/status.h"

enum exit_code {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILURE = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_CORRUPT = 3,
    EXIT_CODE_UNREACHABLE = 4,
};

/* One flag: key is what options_next returns (a letter where there is a short form, else > 255). */
struct option_spec {
    int key;
    const char *name;     /* without the dashes */
    const char *argument; /* "DIR" or NULL for a switch */
    const char *help;
};

struct command {
    const char *usage;    /* "ingest [FLAGS] --format F FILE..." */
    const char *examples; /* lines, shown first */
    const char *about;    /* a paragraph, or "" */
    const struct option_spec *options;
    size_t option_count;
    int (*run)(const struct command *self, int argc,
               char **argv); /* argv[0] is the command's name */
};

#define OPTION_LONG(n) (256 + (n))
#define OPTIONS(array) .options = (array), .option_count = sizeof(array) / sizeof((array)[0])

int command_main(int argc, char **argv);
/* The exit code that fits a status. */
int command_exit_code(enum status status);
/* The index-th command of the table, for `completion`; NULL after the last. */
const char *command_name(uint32_t index, const struct command **ret_command,
                         const char **ret_summary);
/* Prints "driftline: TEXT" to stderr and returns the exit code of the error's status. */
int command_fail(const struct error *error);
/* Prints the sentence and "see `driftline NAME --help`" to stderr; returns EXIT_CODE_USAGE. */
int command_usage_error(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);

/* Walks flags; operands are left in argv[o.at..argc). */
struct options {
    const struct command *command;
    int argc;
    char **argv;
    int at;            /* first operand once options_next returned OPTION_DONE */
    const char *value; /* of the flag just returned */
};
enum {
    OPTION_DONE = -1,
    OPTION_STOP = -2
};
void options_begin(struct options *o, const struct command *command, int argc, char **argv);
/* A flag's key; OPTION_DONE; or OPTION_STOP: help was printed (*ret_exit 0) or an error (*ret_exit 2). */
int options_next(struct options *o, int *ret_exit);

/* True when colours and control sequences may be written to that stream (TTY, no NO_COLOR, TERM not dumb). */
bool terminal_is_colourful(int fd);
/* Columns of the terminal; 0 when it is not one. */
unsigned terminal_width(int fd);

#endif
