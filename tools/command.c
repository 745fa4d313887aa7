/*
 * command.c - finds the subcommand, runs it, and prints the overview.
 */
#include "tools/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/span/cell.h"

#define COMMAND(name, symbol, group, summary) extern const struct command symbol;
#include "tools/command.def"
#undef COMMAND

static const struct {
    const char *name;
    const struct command *command;
    const char *group;
    const char *summary;
} commands[] = {
#define COMMAND(name, symbol, group, summary) {name, &symbol, group, summary},
#include "tools/command.def"
#undef COMMAND
};
#define COMMAND_COUNT ((uint32_t)(sizeof commands / sizeof commands[0]))

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

int command_fail(const struct error *error)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "driftline: %s\n", error->text);
    return command_exit_code(error->status);
}

int command_usage_error(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fflush(stdout);
    (void)fprintf(stderr, "driftline %s: ", name);
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\nsee `driftline %s --help`\n", name);
    va_end(args);
    return EXIT_CODE_USAGE;
}

bool terminal_is_colourful(int fd)
{
    const char *no_color = getenv("NO_COLOR");
    const char *force = getenv("CLICOLOR_FORCE");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != 0)
        return false;
    if (force != NULL && force[0] != 0 && strcmp(force, "0") != 0)
        return true;
    return isatty(fd) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}

unsigned terminal_width(int fd)
{
    struct winsize size;
    if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}

static void print_overview(FILE *to)
{
    (void)fputs(
        "Driftline remembers every LLM span and says when quality, cost or latency drifts.\n\n"
        "  driftline serve --data DIR              start a server\n"
        "  driftline ingest --format csv FILE      load spans\n"
        "  driftline sql \"select count(*) from spans\"\n",
        to);
    const char *group = "";
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(group, commands[i].group) != 0) {
            group = commands[i].group;
            (void)fprintf(to, "\n%s\n", group);
        }
        (void)fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs(
        "\n`driftline COMMAND --help` shows examples and flags. Clients take --server HOST or "
        "DRIFTLINE_SERVER,\nand the key from DRIFTLINE_KEY.\n"
        "Exit codes: 0 ok, 1 failure, 2 usage, 3 corrupt data, 4 server unreachable.\n",
        to);
}

static int find_command(const char *name)
{
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return (int)i;
    }
    return -1;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (uint32_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i].name;
    const char *nearest = nearest_name(slice_text(name), names, COMMAND_COUNT);
    (void)fprintf(stderr, "driftline: unknown command '%s'", name);
    if (nearest != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?\n", nearest);
    else
        (void)fprintf(stderr, "; `driftline help` lists them\n");
    return EXIT_CODE_USAGE;
}

int command_main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_CODE_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        (void)printf("driftline %s\n", DRIFTLINE_VERSION);
        return EXIT_CODE_OK;
    }
    bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help && argc == 2) {
        print_overview(stdout);
        return EXIT_CODE_OK;
    }
    int index = find_command(help ? argv[2] : name);
    if (index < 0)
        return unknown_command(help ? argv[2] : name);
    const struct command *command = commands[index].command;
    if (help) {
        char *help_argv[] = {argv[2], (char[]){"--help"}, NULL};
        return command->run(command, 2, help_argv);
    }
    return command->run(command, argc - 1, argv + 1);
}

const char *command_name(uint32_t index, const struct command **ret_command,
                         const char **ret_summary)
{
    if (index >= COMMAND_COUNT)
        return NULL;
    *ret_command = commands[index].command;
    *ret_summary = commands[index].summary;
    return commands[index].name;
}
