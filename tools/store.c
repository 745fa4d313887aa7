/*
 * store.c - io and engine on a directory.
 */
#include "tools/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Warnings of recovery are worth reading; the rest is not. */
static void on_log(void *context, const char *level, const char *text)
{
    (void)context;
    if (strcmp(level, "info") != 0)
        (void)fprintf(stderr, "driftline: %s: %s\n", level, text);
}

/* A new store is for `serve` to make: a mistyped directory must not look like an empty one. */
static enum status directory_check(const char *directory, struct error *reterr)
{
    char path[4096];
    struct stat info;
    if (stat(directory, &info) != 0 || !S_ISDIR(info.st_mode))
        return error_set(reterr, STATUS_NOT_FOUND, "%s is not a directory", directory);
    (void)snprintf(path, sizeof path, "%s/CURRENT", directory);
    if (stat(path, &info) == 0)
        return STATUS_OK;
    (void)snprintf(path, sizeof path, "%s/manifest", directory);
    if (stat(path, &info) == 0)
        return STATUS_OK; /* damaged, which the engine says better */
    return error_set(reterr, STATUS_NOT_FOUND, "%s holds no Driftline store", directory);
}

enum status store_open(const char *directory, bool read_only, struct store *ret,
                       struct error *reterr)
{
    struct store s = {0};
    struct error error = {0};
    struct engine_options options = {
        .read_only = read_only, .maintenance_threads = UINT32_MAX, .log = on_log};
    enum status status = directory_check(directory, &error);
    if (status >= 0)
        status = io_create(directory, NULL, &s.io, NULL, &error);
    if (status >= 0)
        status = engine_open(s.io, &options, &s.engine, &error);
    if (status == STATUS_BUSY)
        (void)error_set(reterr, STATUS_BUSY,
                        "%.700s; while its server runs leave --data out and ask the server",
                        error.text);
    else if (status < 0 && reterr != NULL)
        *reterr = error;
    if (status < 0)
        store_close(&s);
    else
        *ret = s;
    return status;
}

void store_close(struct store *s)
{
    engine_close(s->engine);
    io_destroy(s->io);
    *s = (struct store){0};
}
