/*
 * completion.c - `driftline completion`: a script for the shell, made from the command table.
 */
#include <stdio.h>
#include <string.h>

#include "tools/command.h"

/* ---- bash ---- */

static void bash_flags(const struct command *c)
{
    for (size_t i = 0; i < c->option_count; i++)
        (void)printf("--%s ", c->options[i].name);
    (void)printf("--help");
}

static void print_bash(void)
{
    const struct command *c;
    const char *summary;
    (void)puts("# bash completion for driftline: source it, or put it into\n"
               "# /usr/share/bash-completion/completions/driftline\n"
               "_driftline() {\n"
               "    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
               "    if [ \"$COMP_CWORD\" -eq 1 ]; then");
    (void)printf("        words=\"help --version");
    for (uint32_t i = 0; command_name(i, &c, &summary) != NULL; i++)
        (void)printf(" %s", command_name(i, &c, &summary));
    (void)puts("\"\n    elif [[ $word == -* ]]; then\n        case ${COMP_WORDS[1]} in");
    for (uint32_t i = 0; command_name(i, &c, &summary) != NULL; i++) {
        (void)printf("        %s) words=\"", command_name(i, &c, &summary));
        bash_flags(c);
        (void)puts("\" ;;");
    }
    (void)puts("        esac\n"
               "    fi\n"
               "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
               "}\n"
               "complete -o default -F _driftline driftline");
}

/* ---- zsh ---- */

/* Inside single quotes, and with the characters _arguments gives a meaning to behind backslashes. */
static void print_zsh_text(const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '\'')
            (void)printf("'\\''");
        else if (strchr("[]:\\", *text) != NULL)
            (void)printf("\\%c", *text);
        else
            (void)putchar(*text);
    }
}

static void zsh_flags(const struct command *c)
{
    for (size_t i = 0; i < c->option_count; i++) {
        (void)printf(" \\\n            '--%s[", c->options[i].name);
        print_zsh_text(c->options[i].help);
        (void)printf("]");
        if (c->options[i].argument != NULL) {
            (void)printf(":");
            print_zsh_text(c->options[i].argument);
            (void)printf(":_files");
        }
        (void)printf("'");
    }
}

static void print_zsh(void)
{
    const struct command *c;
    const char *summary;
    (void)puts("#compdef driftline\n"
               "# zsh completion for driftline: put it into a directory of $fpath as _driftline\n"
               "_driftline() {\n"
               "    local -a commands\n"
               "    commands=(");
    for (uint32_t i = 0; command_name(i, &c, &summary) != NULL; i++) {
        (void)printf("        '%s:", command_name(i, &c, &summary));
        print_zsh_text(summary);
        (void)puts("'");
    }
    (void)puts("    )\n"
               "    if (( CURRENT == 2 )); then\n"
               "        _describe command commands\n"
               "        return\n"
               "    fi\n"
               "    case $words[2] in");
    for (uint32_t i = 0; command_name(i, &c, &summary) != NULL; i++) {
        (void)printf("    %s)\n        _arguments '--help[this command]'",
                     command_name(i, &c, &summary));
        zsh_flags(c);
        (void)puts(" '*:file:_files' ;;");
    }
    (void)puts("    esac\n"
               "}\n"
               "_driftline \"$@\"");
}

/* ---- fish ---- */

static void print_fish_text(const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '\'' || *text == '\\')
            (void)putchar('\\');
        (void)putchar(*text);
    }
}

static void print_fish(void)
{
    const struct command *c;
    const char *summary;
    (void)puts(
        "# fish completion for driftline: put it into ~/.config/fish/completions/driftline.fish");
    for (uint32_t i = 0; command_name(i, &c, &summary) != NULL; i++) {
        const char *name = command_name(i, &c, &summary);
        (void)printf("complete -c driftline -n __fish_use_subcommand -a %s -d '", name);
        print_fish_text(summary);
        (void)puts("'");
        for (size_t k = 0; k < c->option_count; k++) {
            (void)printf("complete -c driftline -n '__fish_seen_subcommand_from %s' -l %s %s-d '",
                         name, c->options[k].name, c->options[k].argument != NULL ? "-r " : "");
            print_fish_text(c->options[k].help);
            (void)puts("'");
        }
    }
}

static const struct option_spec completion_options[] = {
    {OPTION_LONG(0), "shell", "bash|zsh|fish", "the same as the operand"},
};

static int completion_run(const struct command *self, int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    const char *shell = NULL;
    int exit_code = EXIT_CODE_OK;
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        if (key == OPTION_STOP)
            return exit_code;
        shell = o.value;
    }
    if (o.at + 1 == argc && shell == NULL)
        shell = argv[o.at];
    else if (o.at != argc || shell == NULL)
        return command_usage_error("completion", "one of bash, zsh, fish expected");
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print();
            return EXIT_CODE_OK;
        }
    }
    return command_usage_error("completion", "'%s' is not one of bash, zsh, fish", shell);
}

const struct command command_completion = {
    .usage = "completion bash|zsh|fish",
    .examples = "  source <(driftline completion bash)\n"
                "  driftline completion zsh > ~/.zfunc/_driftline\n"
                "  driftline completion fish > ~/.config/fish/completions/driftline.fish\n",
    .about = "",
    OPTIONS(completion_options),
    .run = completion_run,
};
