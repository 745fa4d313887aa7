/*
 * json_lines.c - flattens one level.
 */
#include "tools/json_lines.h"

#include <stdio.h>

#include "engine/base/json.h"
#include "tools/terminal.h"

static void print_line(struct slice prefix, struct slice key, struct slice value)
{
    struct buffer name = {0};
    struct buffer line = {0};
    buffer_add_slice(&name, prefix);
    buffer_add_text(&name, prefix.size != 0 ? "." : "");
    buffer_add_slice(&name, key);
    terminal_add_padded(&line, buffer_slice(&name), 24);
    buffer_add_byte(&line, ' ');
    (void)terminal_add_clipped(&line, value, 0);
    (void)printf("%.*s\n", SLICE_ARG(buffer_slice(&line)));
    buffer_deinit(&name);
    buffer_deinit(&line);
}

enum status json_lines_print(struct slice text, struct error *reterr)
{
    struct arena arena = {0};
    struct json j = json_over(text);
    struct slice prefix = SLICE_EMPTY;
    struct slice key = SLICE_EMPTY;
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END) {
        if (t == JSON_KEY)
            key = json_string(&j, &arena);
        else if (t == JSON_OBJECT_BEGIN)
            prefix = key;
        else if (t == JSON_OBJECT_END)
            prefix = SLICE_EMPTY;
        else if (t != JSON_ARRAY_BEGIN && t != JSON_ARRAY_END)
            print_line(prefix, key, t == JSON_STRING ? json_string(&j, &arena) : j.raw);
    }
    enum status s = t == JSON_ERROR ? json_error(&j, "the server's answer", reterr) : STATUS_OK;
    arena_deinit(&arena);
    return s;
}
