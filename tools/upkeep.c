/*
 * upkeep.c - flags, the server's answer, progress.
 */
#include "tools/upkeep.h"

#include <stdio.h>

#include "tools/json_lines.h"

static bool on_progress(void *context, double fraction, const char *what)
{
    struct upkeep *u = context;
    u->progress.what = what;
    progress_update(&u->progress, 0, fraction);
    return true;
}

bool upkeep_begin(struct upkeep *u, const struct command *self, int argc, char **argv,
                  int (*take)(void *context, int key, const char *value), void *context,
                  int *ret_operands, int *ret_exit)
{
    struct error error = {0};
    struct options o;
    *u = (struct upkeep){.name = argv[0]};
    *ret_exit = EXIT_CODE_OK;
    if (connect_init(&u->connect, &error) < 0) {
        *ret_exit = command_usage_error(argv[0], "%s", error.text);
        return false;
    }
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, ret_exit)) != OPTION_DONE;) {
        enum status s;
        if (key == OPTION_STOP)
            return false;
        if (connect_option(&u->connect, key, o.value, &s, &error)) {
            if (s < 0)
                *ret_exit = command_usage_error(argv[0], "%s", error.text);
        } else if (key == UPKEEP_DATA) {
            u->data = o.value;
        } else if (key == UPKEEP_JSON) {
            u->json = true;
        } else {
            *ret_exit = take(context, key, o.value);
        }
        if (*ret_exit != EXIT_CODE_OK)
            return false;
    }
    *ret_operands = o.at;
    u->report = (struct progress){.report = on_progress, .context = u};
    progress_begin(&u->progress, argv[0], "", false);
    return true;
}

enum status upkeep_remote(struct upkeep *u, const char *method, const char *path,
                          struct error *reterr)
{
    struct http_request request = {.method = method, .path = path, .body = SLICE_EMPTY};
    return http_call(&u->connect, &request, &u->answer, NULL, reterr);
}

enum status upkeep_print(const struct upkeep *u, struct error *reterr)
{
    struct slice text = buffer_slice(&u->answer);
    if (!u->json)
        return json_lines_print(text, reterr);
    while (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    (void)printf("%.*s\n", SLICE_ARG(text));
    return STATUS_OK;
}

void upkeep_end(struct upkeep *u)
{
    progress_end(&u->progress);
    buffer_deinit(&u->answer);
}

void upkeep_add_count(struct buffer *to, const char *name, uint64_t value)
{
    buffer_printf(to, "%c\"%s\":%llu", to->size == 0 ? '{' : ',', name, (unsigned long long)value);
}
