/*
 * test_query_golden.c - statements and the exact text they answer with, from tests/golden/query.
 *
 * NAME.sql holds statements; NAME.txt holds each of them followed by its result as CSV or by its error. What a run said is
 * written next to the test program as NAME.txt.actual when it differs; it becomes the expectation by hand, after reading it.
 */
#include <criterion/criterion.h>
#include <dirent.h>

#include "query_fixture.h"

static struct buffer read_file(const char *path)
{
    struct buffer b = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return b;
    for (;;) {
        uint8_t *to = buffer_reserve(&b, 65536);
        size_t got = fread(to, 1, 65536, file);
        if (got == 0)
            break;
        b.size += got;
    }
    (void)fclose(file);
    return b;
}

static void run_file(struct fixture *f, struct slice text, uint32_t threads, struct buffer *to)
{
    struct slice rest = text;
    for (;;) {
        struct slice statement = query_split(rest, &rest);
        if (statement.size == 0)
            break;
        while (statement.size > 0 && statement.data[statement.size - 1] <= ' ')
            statement.size--;
        buffer_add_slice(to, statement);
        buffer_add_text(to, ";\n");
        struct query_options options = {.threads = threads};
        fixture_query(f, statement, &options, to);
        buffer_add_byte(to, '\n');
    }
}

/* The first line that differs, from 1. */
static uint32_t first_difference(struct slice a, struct slice b)
{
    uint32_t line = 1;
    for (size_t i = 0; i < a.size && i < b.size && a.data[i] == b.data[i]; i++)
        line += a.data[i] == '\n';
    return line;
}

static void check_file(struct fixture *f, const char *folder, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.sql", folder, name);
    struct buffer sql = read_file(path);
    (void)snprintf(path, sizeof path, "%s/%s.txt", folder, name);
    struct buffer expected = read_file(path);
    struct buffer got = {0};
    run_file(f, buffer_slice(&sql), 1, &got);
    bool equal = slice_equal(buffer_slice(&got), buffer_slice(&expected));
    if (!equal) {
        (void)snprintf(path, sizeof path, "%s.txt.actual", name);
        FILE *file = fopen(path, "wb");
        cr_assert(file != NULL);
        cr_assert(fwrite(got.data, 1, got.size, file) == got.size);
        (void)fclose(file);
    }
    cr_expect(equal, "%s.txt differs at line %u; see %s", name,
              first_difference(buffer_slice(&got), buffer_slice(&expected)), path);
    /* The same with more threads. */
    struct buffer again = {0};
    run_file(f, buffer_slice(&sql), 3, &again);
    cr_expect(slice_equal(buffer_slice(&got), buffer_slice(&again)),
              "%s: three threads say something else at line %u", name,
              first_difference(buffer_slice(&got), buffer_slice(&again)));
    buffer_deinit(&sql);
    buffer_deinit(&expected);
    buffer_deinit(&got);
    buffer_deinit(&again);
}

Test(query_golden, statements_answer_what_the_files_say)
{
    static struct fixture f;
    char folder[512];
    const char *source = getenv("SOURCE_DIR");
    (void)snprintf(folder, sizeof folder, "%s/tests/golden/query", source == NULL ? "." : source);
    fixture_open(&f);
    DIR *dir = opendir(folder);
    cr_assert(dir != NULL, "no folder %s", folder);
    uint32_t files = 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        size_t size = strlen(d->d_name);
        if (size < 5 || strcmp(d->d_name + size - 4, ".sql") != 0)
            continue;
        char name[256];
        (void)snprintf(name, sizeof name, "%.*s", (int)(size - 4), d->d_name);
        check_file(&f, folder, name);
        files++;
    }
    (void)closedir(dir);
    cr_assert(files > 0);
    fixture_close(&f);
}
