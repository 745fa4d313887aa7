/*
 * test_control.c - statements, transactions and damage of the control file.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/control/control.h"

static char directory[64];
static char path[96];

static struct control *fresh(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/driftline-control-XXXXXX");
    cr_assert(mkdtemp(directory) != NULL);
    (void)snprintf(path, sizeof path, "%s/control.db", directory);
    struct control *c = NULL;
    struct error error = {0};
    cr_assert(control_open(path, &c, &error) == STATUS_OK, "%s", error.text);
    cr_assert(control_schema(c, "CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v INTEGER)", &error) == STATUS_OK);
    return c;
}

static void finish(struct control *c)
{
    control_close(c);
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(system(command) == 0);
}

static enum status insert(struct control *c, const char *k, int64_t v, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(c, "INSERT INTO t VALUES (?1, ?2)", &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(k));
    control_bind_i64(st, 2, v);
    return control_run(st, NULL, reterr);
}

static int64_t count(struct control *c)
{
    struct control_statement *st = NULL;
    cr_assert(control_prepare(c, "SELECT count(*) FROM t", &st, NULL) == STATUS_OK);
    cr_assert(control_step(st, NULL) == STATUS_OK);
    int64_t n = control_i64(st, 0);
    control_finish(st);
    return n;
}

struct work {
    struct control *c;
    bool fail;
};

static enum status two_rows(void *context, struct error *reterr)
{
    struct work *w = context;
    enum status s = insert(w->c, "a", 1, reterr);
    if (s < 0)
        return s;
    return w->fail ? insert(w->c, "a", 2, reterr) : insert(w->c, "b", 2, reterr);
}

Test(control, a_failed_transaction_leaves_nothing)
{
    struct control *c = fresh();
    struct error error = {0};
    struct work w = {.c = c, .fail = true};
    cr_assert_eq(control_transaction(c, two_rows, &w, &error), STATUS_EXISTS);
    cr_assert_eq(count(c), 0);
    w.fail = false;
    cr_assert_eq(control_transaction(c, two_rows, &w, &error), STATUS_OK);
    cr_assert_eq(count(c), 2);
    finish(c);
}

Test(control, rows_survive_reopening)
{
    struct control *c = fresh();
    cr_assert_eq(insert(c, "x", 7, NULL), STATUS_OK);
    control_close(c);
    cr_assert_eq(control_open(path, &c, NULL), STATUS_OK);
    cr_assert_eq(count(c), 1);
    finish(c);
}

Test(control, a_file_that_is_no_database_is_named)
{
    struct control *c = fresh();
    control_close(c);
    FILE *f = fopen(path, "w");
    cr_assert(f != NULL);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is not a database ", f);
    (void)fclose(f);
    struct error error = {0};
    c = NULL;
    cr_assert_eq(control_open(path, &c, &error), STATUS_CORRUPT);
    cr_assert(strstr(error.text, "control.db") != NULL);
    finish(c);
}

Test(control, a_missing_directory_is_an_error_that_names_the_path)
{
    struct control *c = NULL;
    struct error error = {0};
    cr_assert(control_open("/nonexistent/control.db", &c, &error) < 0);
    cr_assert(strstr(error.text, "/nonexistent/control.db") != NULL);
}

Test(control, bad_sql_is_an_error)
{
    struct control *c = fresh();
    struct control_statement *st = NULL;
    struct error error = {0};
    cr_assert(control_prepare(c, "SELEKT 1", &st, &error) < 0);
    cr_assert_eq(count(c), 0);
    finish(c);
}
