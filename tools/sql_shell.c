/*
 * sql_shell.c - the interactive shell: libedit, history, backslash commands.
 */
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/sql_session.h"

#define HISTORY_LINES 2000

static const char *shell_prompt_text = "driftline> ";

static char *shell_prompt(EditLine *edit)
{
    (void)edit;
    return (char *)(uintptr_t)shell_prompt_text;
}

/* $XDG_STATE_HOME or ~/.local/state, then /driftline/history; false without a home. */
static bool history_path(char *to, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    char directory[512];
    if (state != NULL && state[0] == '/') {
        (void)snprintf(directory, sizeof directory, "%s", state);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(directory, sizeof directory, "%s/.local", home);
        (void)mkdir(directory, 0700);
        (void)snprintf(directory, sizeof directory, "%s/.local/state", home);
    } else {
        return false;
    }
    (void)mkdir(directory, 0700);
    size_t used = strlen(directory);
    (void)snprintf(directory + used, sizeof directory - used, "/driftline");
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return false;
    return snprintf(to, size, "%s/history", directory) < (int)size;
}

static void print_help(void)
{
    (void)puts("  STATEMENT;                   run it (it may span lines)\n"
               "  \\tables                      tables\n"
               "  \\columns TABLE               its columns\n"
               "  \\format table|csv|json|ndjson\n"
               "  \\timing                      switch timing on or off\n"
               "  \\help  \\q");
}

static int run_text(struct sql_session *s, const char *text)
{
    return sql_session_run(s, slice_text(text));
}

/* False when the shell should end. */
static bool run_backslash(struct sql_session *s, char *line)
{
    char *save = NULL;
    char *word = strtok_r(line, " \t\n", &save);
    char *argument = strtok_r(NULL, " \t\n;", &save);
    if (strcmp(word, "\\q") == 0 || strcmp(word, "\\quit") == 0)
        return false;
    if (strcmp(word, "\\timing") == 0) {
        s->timing = !s->timing;
        (void)printf("timing is %s\n", s->timing ? "on" : "off");
    } else if (strcmp(word, "\\tables") == 0 || strcmp(word, "\\dt") == 0) {
        (void)run_text(s, "show tables");
    } else if ((strcmp(word, "\\columns") == 0 || strcmp(word, "\\d") == 0) && argument != NULL) {
        char statement[256];
        (void)snprintf(statement, sizeof statement, "show columns from %.200s", argument);
        (void)run_text(s, statement);
    } else if (strcmp(word, "\\format") == 0 && argument != NULL &&
               query_format_from_name(slice_text(argument), &s->format)) {
        (void)printf("format is %s\n", argument);
    } else {
        print_help();
    }
    return true;
}

/* Runs the complete statements in the buffer and leaves the rest there. */
static void run_complete(struct sql_session *s, struct buffer *text)
{
    for (;;) {
        struct slice rest;
        struct slice all = buffer_slice(text);
        struct slice statement = query_split(all, &rest);
        bool closed = statement.size != 0 && (rest.size != 0 || all.data[all.size - 1] == ';' ||
                                              (all.size > 1 && all.data[all.size - 2] == ';'));
        if (!closed) {
            if (statement.size == 0)
                buffer_reset(text);
            return;
        }
        (void)sql_session_run(s, statement);
        size_t left = rest.size;
        memmove(text->data, rest.data, left);
        text->size = left;
        if (left == 0)
            return;
    }
}

int sql_shell(struct sql_session *s)
{
    (void)setlocale(LC_CTYPE, "");
    char path[600];
    HistEvent event;
    bool keeps_history = history_path(path, sizeof path);
    EditLine *edit = el_init("driftline", stdin, stdout, stderr);
    History *lines = history_init();
    if (edit == NULL || lines == NULL) {
        (void)fprintf(
            stderr, "driftline: the line editor can't start; pipe statements to `driftline sql`\n");
        return EXIT_CODE_FAILURE;
    }
    (void)history(lines, &event, H_SETSIZE, HISTORY_LINES);
    (void)history(lines, &event, H_SETUNIQUE, 1);
    if (keeps_history)
        (void)history(lines, &event, H_LOAD, path);
    (void)el_set(edit, EL_PROMPT, shell_prompt);
    (void)el_set(edit, EL_EDITOR, "emacs");
    (void)el_set(edit, EL_HIST, history, lines);
    (void)el_set(edit, EL_SIGNAL, 1);
    (void)puts("driftline " DRIFTLINE_VERSION
               " - statements end with ';', \\help lists commands, \\q leaves");
    struct buffer text = {0};
    int count = 0;
    for (;;) {
        shell_prompt_text = text.size == 0 ? "driftline> " : "        -> ";
        const char *line = el_gets(edit, &count);
        if (line == NULL || count <= 0)
            break;
        if (text.size == 0 && line[0] == '\\') {
            char copy[512];
            (void)snprintf(copy, sizeof copy, "%s", line);
            if (!run_backslash(s, copy))
                break;
            continue;
        }
        if (line[0] != '\n')
            (void)history(lines, &event, H_ENTER, line);
        buffer_add(&text, line, (size_t)count);
        run_complete(s, &text);
    }
    (void)putchar('\n');
    if (keeps_history)
        (void)history(lines, &event, H_SAVE, path);
    history_end(lines);
    el_end(edit);
    buffer_deinit(&text);
    return EXIT_CODE_OK;
}
