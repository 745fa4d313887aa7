/*
 * options.c - flags by getopt_long from a command's table, and help from the same table.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/span/cell.h"
#include "tools/command.h"

#define OPTIONS_MAX 40
#define KEY_HELP    OPTION_LONG(1000)

void options_begin(struct options *o, const struct command *command, int argc, char **argv)
{
    ASSERT(command->option_count < OPTIONS_MAX);
    *o = (struct options){.command = command, .argc = argc, .argv = argv};
    optind = 0; /* glibc: start over */
    opterr = 0;
}

static void print_help(const struct command *command)
{
    (void)printf("Examples:\n%s\nUsage: driftline %s\n", command->examples, command->usage);
    if (command->about[0] != 0)
        (void)printf("\n%s\n", command->about);
    (void)printf("\nFlags:\n");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option_spec *spec = &command->options[i];
        char flag[64];
        char letter[8] = "    ";
        if (spec->key < 256)
            (void)snprintf(letter, sizeof letter, "-%c, ", spec->key);
        (void)snprintf(flag, sizeof flag, "%s--%s%s%s", letter, spec->name,
                       spec->argument != NULL ? " " : "",
                       spec->argument != NULL ? spec->argument : "");
        (void)printf("  %-32s %s\n", flag, spec->help);
    }
    (void)printf("  %-32s %s\n", "-h, --help", "this text");
}

static int unknown_flag(const struct options *o, const char *flag)
{
    const char *names[OPTIONS_MAX];
    for (size_t i = 0; i < o->command->option_count; i++)
        names[i] = o->command->options[i].name;
    names[o->command->option_count] = "help";
    struct slice name = slice_text(flag);
    while (name.size > 0 && name.data[0] == '-')
        name = slice_of(name.data + 1, name.size - 1);
    const char *nearest = nearest_name(name, names, (uint32_t)o->command->option_count + 1);
    if (nearest != NULL)
        return command_usage_error(o->argv[0], "unknown flag '%s'; did you mean '--%s'?", flag,
                                   nearest);
    return command_usage_error(o->argv[0], "unknown flag '%s'", flag);
}

int options_next(struct options *o, int *ret_exit)
{
    struct option longs[OPTIONS_MAX + 2] = {0};
    char shorts[2 * OPTIONS_MAX + 8] = ":h";
    size_t used = 2;
    for (size_t i = 0; i < o->command->option_count; i++) {
        const struct option_spec *spec = &o->command->options[i];
        longs[i] =
            (struct option){.name = spec->name,
                            .has_arg = spec->argument != NULL ? required_argument : no_argument,
                            .val = spec->key};
        if (spec->key < 256) {
            shorts[used++] = (char)spec->key;
            if (spec->argument != NULL)
                shorts[used++] = ':';
        }
    }
    longs[o->command->option_count] = (struct option){.name = "help", .val = KEY_HELP};
    int before = optind == 0 ? 1 : optind;
    int key = getopt_long(o->argc, o->argv, shorts, longs, NULL);
    o->value = optarg;
    if (key == -1) {
        o->at = optind;
        return OPTION_DONE;
    }
    if (key == 'h' || key == KEY_HELP) {
        print_help(o->command);
        *ret_exit = EXIT_CODE_OK;
        return OPTION_STOP;
    }
    if (key == ':') {
        *ret_exit = command_usage_error(o->argv[0], "'%s' needs a value", o->argv[optind - 1]);
        return OPTION_STOP;
    }
    if (key == '?') {
        const char *flag = o->argv[optind > before ? optind - 1 : before];
        *ret_exit = unknown_flag(o, flag);
        return OPTION_STOP;
    }
    return key;
}
