/*
 * race_schema.c - four threads add and look up the same score columns; every one of them must see
 * one column a name, for ever.
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/span/schema.h"

#define THREADS 4
#define ROUNDS  2000
#define NAMES   700

static struct schema schema;

static void add_and_look_up(void *context)
{
    const struct column **seen = context;
    for (int i = 0; i < ROUNDS; i++) {
        char text[32];
        const struct column *column = NULL;
        (void)snprintf(text, sizeof text, "score.%d", i % NAMES);
        struct slice name = slice_text(text);
        ASSERT(schema_add_score(&schema, name, &column, NULL) == STATUS_OK);
        ASSERT(slice_is(name, column->name));
        ASSERT(schema_column(&schema, TABLE_SPANS, column->id) == column);
        ASSERT(schema_find(&schema, TABLE_SPANS, name) == column);
        ASSERT(seen[i % NAMES] == NULL || seen[i % NAMES] == column);
        seen[i % NAMES] = column;
    }
}

int main(void)
{
    static const struct column *seen[THREADS][NAMES];
    struct thread threads[THREADS];
    schema_init(&schema);
    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], "scores", add_and_look_up, seen[i]);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    ASSERT(schema_score_count(&schema) == NAMES);
    for (int i = 1; i < THREADS; i++)
        ASSERT(memcmp(seen[0], seen[i], sizeof seen[0]) == 0);
    schema_deinit(&schema);
    (void)printf("%d threads agree on %d score columns\n", THREADS, NAMES);
    return 0;
}
