/*
 * test_content_history.c - recorded agents resend their history every turn; each message keeps its address.
 *
 * The recordings lie outside the project (DRIFTLINE_SHARED, else ../shared); without them nothing is checked here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/dialect/content_rig.h"

#define FILE_BYTES_MAX    (64u << 20)
#define CONVERSATIONS_MAX 40

static bool file_load(struct arena *arena, const char *path, struct slice *ret)
{
    const char *shared = getenv("DRIFTLINE_SHARED");
    const char *source = getenv("SOURCE_DIR");
    char *name = shared != NULL
                     ? arena_printf(arena, "%s/%s", shared, path)
                     : arena_printf(arena, "%s/../shared/%s", source != NULL ? source : ".", path);
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return false;
    uint8_t *bytes = arena_alloc(arena, FILE_BYTES_MAX);
    *ret = slice_of(bytes, fread(bytes, 1, FILE_BYTES_MAX, file));
    (void)fclose(file);
    return true;
}

/* The items of a JSON array one by one; turns[i]: the array up to and with item i. */
static uint32_t turns_of(struct rig *r, struct slice list, struct slice *turns, uint32_t turns_max)
{
    uint32_t count = 0;
    struct json j = json_over(list);
    cr_assert_eq(json_next(&j), JSON_ARRAY_BEGIN);
    for (enum json_token t; (t = json_next(&j)) != JSON_ARRAY_END && count < turns_max;) {
        cr_assert_neq(json_skip(&j, t).size, 0);
        char *text = arena_printf(&r->arena, "%.*s]", (int)j.at, (const char *)list.data);
        turns[count++] = slice_text(text);
    }
    return count;
}

static void conversation_run(struct rig *r, struct slice traj)
{
    struct slice turns[256];
    struct slice before = SLICE_EMPTY;
    uint32_t count = turns_of(r, traj, turns, 256);
    message_set_reset(&r->messages);
    for (uint32_t i = 0; i < count; i++) {
        rig_clear(r);
        builder_reset(&r->row);
        rig_value(r, "gen_ai.prompt", (struct value){.type = VALUE_STRING, .bytes = turns[i]});
        rig_run(r, "llm");
        struct slice refs;
        cr_assert(rig_cell(r, SPANS_input, &refs));
        cr_assert_eq(r->result.input_count, i + 1, "one message of each");
        cr_assert_eq(r->result.cut, 0);
        cr_assert(slice_equal(slice_of(refs.data, before.size), before),
                  "the history has the addresses it had");
        before = arena_copy(&r->arena, refs);
    }
    cr_assert_leq(r->messages.count, count, "stored once");
}

Test(content_history, a_history_is_stored_once)
{
    struct rig r;
    struct slice file;
    struct arena bytes = {0};
    uint32_t conversations = 0;
    rig_init(&r);
    if (file_load(&bytes, "data/tau_bench_gpt4o_airline.json", &file)) {
        struct json j = json_over(file);
        for (enum json_token t;
             (t = json_next(&j)) > JSON_END && conversations < CONVERSATIONS_MAX;) {
            struct arena scratch = {0};
            if (t == JSON_KEY && slice_is(json_string(&j, &scratch), "traj")) {
                conversation_run(&r, json_skip(&j, json_next(&j)));
                conversations++;
            }
            arena_deinit(&scratch);
            arena_reset(&r.arena);
        }
        cr_expect_eq(conversations, CONVERSATIONS_MAX);
    }
    arena_deinit(&bytes);
    rig_deinit(&r);
}
