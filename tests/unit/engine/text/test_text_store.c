/*
 * test_text_store.c - messages stored once, read from memory and packs, sealed and merged.
 */
#include "engine/text/block_cache.h"
#include "engine/text/pack_format.h"
#include "engine/text/pack_write.h"
#include "engine/text/text_store.h"
#include "tests/unit/engine/text/text_fixture.h"

Test(text_store, a_message_is_stored_once)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m = message_make(1, 0, &arena);
    cr_assert(not(text_has(f.t, m.address)));
    cr_assert(get(f.t, &m, NULL) == STATUS_NOT_FOUND);
    cr_assert(add(f.t, &m, 0, 5));
    cr_assert(not(add(f.t, &m, 0, 6)));
    cr_assert(text_has(f.t, m.address));
    get_ok(f.t, &m);
    cr_assert(eq(u64, text_memory_seq_min(f.t), 5));
    cr_assert(text_memory_bytes(f.t) >= m.body.size);
    struct text_pack_meta meta = seal_ok(f.t, 7, 6);
    cr_assert(eq(u64, meta.messages, 1));
    cr_assert(eq(u64, meta.text_bytes, m.body.size));
    cr_assert(eq(u64, meta.seq_max, 5));
    cr_assert(eq(i64, meta.time_max_ns, 50));
    cr_assert(eq(u64, text_memory_bytes(f.t), 0));
    cr_assert(eq(u64, text_memory_seq_min(f.t), 0));
    for (int i = 0; i < 3; i++)
        cr_assert(not(add(f.t, &m, 0, 7)));
    cr_assert(text_has(f.t, m.address));
    get_ok(f.t, &m);
    cr_assert(eq(u64, text_totals(f.t).messages, 1));
    cr_assert(eq(u64, text_totals(f.t).stored_bytes, meta.bytes));
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, an_address_that_is_not_the_hash_of_the_body_is_refused)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m = message_make(1, 0, &arena);
    struct message other = {m.address, message_make(2, 0, &arena).body};
    struct error e = {0};
    bool added;
    cr_assert(text_add(f.t, &other, 1, 1, &added, &e) == STATUS_INVALID);
    cr_assert(e.text[0] != 0);
    cr_assert(not(text_has(f.t, m.address)));
    cr_assert(add(f.t, &m, 0, 1));
    cr_assert(text_add(f.t, &other, 1, 1, &added, &e) == STATUS_INVALID);
    get_ok(f.t, &m);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, the_empty_and_the_largest_message_are_stored_and_a_larger_one_is_not)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct error e = {0};
    struct message empty = {hash128(SLICE_EMPTY), SLICE_EMPTY};
    struct message large = message_make(3, MESSAGE_BYTES_MAX, &arena);
    struct message too_large = message_make(4, MESSAGE_BYTES_MAX + 1, &arena);
    struct message small = message_make(5, 0, &arena);
    bool added;
    cr_assert(text_add(f.t, &too_large, 1, 1, &added, &e) == STATUS_LIMIT);
    cr_assert(add(f.t, &small, 0, 1));
    cr_assert(add(f.t, &large, 0, 2));
    cr_assert(add(f.t, &empty, 0, 3));
    get_ok(f.t, &empty);
    seal_ok(f.t, 1, 3);
    get_ok(f.t, &empty);
    get_ok(f.t, &large);
    get_ok(f.t, &small);
    cr_assert(not(add(f.t, &empty, 0, 4)));
    cr_assert(not(add(f.t, &large, 0, 4)));
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, a_seal_takes_only_what_came_until_then)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m[20];
    struct text_pack_meta meta;
    struct error e = {0};
    for (uint64_t i = 0; i < 20; i++) {
        m[i] = message_make(i, 0, &arena);
        cr_assert(add(f.t, &m[i], i % 3, 100 + i));
    }
    cr_assert(text_seal(f.t, 1, 99, &meta, &e) == STATUS_END);
    meta = seal_ok(f.t, 1, 109);
    cr_assert(eq(u64, meta.messages, 10));
    cr_assert(eq(u64, meta.seq_max, 109));
    cr_assert(eq(u64, text_memory_seq_min(f.t), 110));
    for (uint64_t i = 0; i < 20; i++)
        get_ok(f.t, &m[i]);
    meta = seal_ok(f.t, 2, UINT64_MAX);
    cr_assert(eq(u64, meta.messages, 10));
    for (uint64_t i = 0; i < 20; i++)
        get_ok(f.t, &m[i]);
    cr_assert(text_seal(f.t, 3, UINT64_MAX, &meta, &e) == STATUS_END);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, messages_that_come_while_a_seal_is_under_way_stay)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct text_pack_meta meta;
    struct error e = {0};
    struct message a = message_make(1, 0, &arena);
    struct message b = message_make(2, 0, &arena);
    cr_assert(add(f.t, &a, 0, 1));
    cr_assert(text_seal(f.t, 1, UINT64_MAX, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(add(f.t, &b, 0, 2));
    cr_assert(not(add(f.t, &a, 0, 2)));
    get_ok(f.t, &a);
    text_seal_commit(f.t, 1);
    get_ok(f.t, &a);
    get_ok(f.t, &b);
    cr_assert(eq(u64, text_totals(f.t).messages, 2));
    cr_assert(eq(u64, text_memory_seq_min(f.t), 2));
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, an_aborted_seal_changes_nothing)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct text_pack_meta meta;
    struct error e = {0};
    struct message m = message_make(1, 0, &arena);
    cr_assert(add(f.t, &m, 0, 1));
    cr_assert(text_seal(f.t, 1, 1, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_sim_peek(f.io, "p1/text/0000000001.pack").size > 0);
    text_seal_abort(f.t, 1);
    cr_assert(eq(sz, io_sim_peek(f.io, "p1/text/0000000001.pack").size, 0));
    get_ok(f.t, &m);
    cr_assert(eq(u64, text_memory_seq_min(f.t), 1));
    seal_ok(f.t, 2, 1);
    get_ok(f.t, &m);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, a_reopened_store_reads_what_was_sealed)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct error e = {0};
    struct message m[300];
    struct text_pack_meta sealed[3];
    for (uint64_t i = 0; i < 300; i++) {
        m[i] = message_make(i, 0, &arena);
        cr_assert(add(f.t, &m[i], i % 7, i + 1));
        if (i % 100 == 99)
            sealed[i / 100] = seal_ok(f.t, i / 100 + 1, UINT64_MAX);
    }
    text_store_destroy(f.t);
    f.t = text_store_create(f.io, "p1/text");
    for (uint64_t i = 0; i < 3; i++) {
        struct text_pack_meta meta;
        cr_assert(text_pack_open(f.t, i + 1, &meta, &e) == STATUS_OK, "%s", e.text);
        cr_assert(memcmp(&meta, &sealed[i], sizeof meta) == 0);
    }
    for (uint64_t i = 0; i < 300; i++) {
        get_ok(f.t, &m[i]);
        cr_assert(not(add(f.t, &m[i], 0, 900)));
    }
    cr_assert(text_pack_open(f.t, 4, &sealed[0], &e) == STATUS_NOT_FOUND);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, a_seal_puts_conversations_together)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    for (uint64_t i = 0; i < 90; i++) {
        struct message m = message_make(i, 0, &arena);
        cr_assert(add(f.t, &m, 1 + i % 9, i + 1));
    }
    seal_ok(f.t, 1, UINT64_MAX);
    struct pack_list *list = text_list_ref(f.t);
    const struct pack *p = list->packs[0];
    uint32_t groups[9];
    cr_assert(eq(u32, pack_run_count(p), 9));
    for (uint32_t i = 0; i < 9; i++) {
        uint32_t messages;
        pack_run(p, i, &groups[i], &messages);
        cr_assert(eq(u32, messages, 10));
        for (uint32_t k = 0; k < i; k++)
            cr_assert(groups[k] != groups[i]);
    }
    text_list_unref(list);
    arena_deinit(&arena);
    fixture_end(&f);
}

static bool keep_even(void *context, struct id128 address)
{
    const struct message *m = context;
    for (uint32_t i = 0; i < 100; i += 2) {
        if (id128_equal(m[i].address, address))
            return true;
    }
    return false;
}

static bool keep_none(void *context, struct id128 address)
{
    (void)context;
    (void)address;
    return false;
}

Test(text_store, a_merge_keeps_what_is_wanted_and_regroups)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct error e = {0};
    struct text_pack_meta meta;
    struct message m[100];
    static const uint64_t numbers[] = {1, 2};
    for (uint64_t i = 0; i < 100; i++) {
        m[i] = message_make(i, 0, &arena);
        cr_assert(add(f.t, &m[i], 1 + i % 5, i + 1));
        if (i == 49)
            seal_ok(f.t, 1, UINT64_MAX);
    }
    seal_ok(f.t, 2, UINT64_MAX);
    cr_assert(text_merge(f.t, numbers, 2, 3, keep_even, m, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(eq(u64, meta.messages, 50));
    cr_assert(eq(u64, meta.seq_max, 100));
    cr_assert(eq(i64, meta.time_max_ns, 1000));
    for (uint32_t i = 0; i < 100; i++)
        get_ok(f.t, &m[i]);
    cr_assert(text_pack_open(f.t, 3, &meta, &e) == STATUS_OK, "%s", e.text);
    text_pack_remove(f.t, 1);
    text_pack_remove(f.t, 2);
    cr_assert(eq(sz, io_sim_peek(f.io, "p1/text/0000000001.pack").size, 0));
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert(get(f.t, &m[i], NULL) == (i % 2 == 0 ? STATUS_OK : STATUS_NOT_FOUND));
        cr_assert(text_has(f.t, m[i].address) == (i % 2 == 0));
    }
    struct pack_list *list = text_list_ref(f.t);
    cr_assert(eq(u32, list->count, 1));
    cr_assert(eq(u32, pack_run_count(list->packs[0]), 5));
    text_list_unref(list);
    cr_assert(text_merge(f.t, (uint64_t[]){3}, 1, 4, keep_none, NULL, &meta, &e) == STATUS_END);
    get_ok(f.t, &m[0]);
    cr_assert(text_merge(f.t, (uint64_t[]){9}, 1, 4, NULL, NULL, &meta, &e) == STATUS_NOT_FOUND);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, a_message_in_two_packs_is_merged_to_one)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct error e = {0};
    struct text_pack_meta meta;
    struct message m[30];
    for (uint64_t i = 0; i < 30; i++) {
        m[i] = message_make(i, 0, &arena);
        cr_assert(add(f.t, &m[i], 0, i + 1));
    }
    seal_ok(f.t, 1, UINT64_MAX);
    text_pack_leave(f.t, 1, true);
    for (uint64_t i = 10; i < 20; i++) {
        cr_assert(not(text_has(f.t, m[i].address)));
        get_ok(f.t, &m[i]);
        cr_assert(add(f.t, &m[i], 0, i + 1));
    }
    text_pack_leave(f.t, 1, false);
    cr_assert(text_has(f.t, m[0].address));
    seal_ok(f.t, 2, UINT64_MAX);
    cr_assert(eq(u64, text_totals(f.t).messages, 40));
    cr_assert(text_merge(f.t, (uint64_t[]){1, 2}, 2, 3, NULL, NULL, &meta, &e) == STATUS_OK);
    cr_assert(eq(u64, meta.messages, 30));
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, what_is_sent_again_while_its_pack_leaves_is_not_lost)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m = message_make(1, 0, &arena);
    struct message other = message_make(2, 0, &arena);
    cr_assert(add(f.t, &m, 0, 1));
    cr_assert(add(f.t, &other, 0, 1));
    seal_ok(f.t, 1, UINT64_MAX);
    cr_assert(not(add(f.t, &m, 0, 2))); /* Remembered as a recent duplicate. */
    text_pack_leave(f.t, 1, true);
    cr_assert(add(f.t, &m, 0, 3));
    text_pack_remove(f.t, 1);
    get_ok(f.t, &m);
    cr_assert(get(f.t, &other, NULL) == STATUS_NOT_FOUND);
    cr_assert(add(f.t, &other, 0, 4));
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, a_removed_pack_dies_with_its_last_reader)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m = message_make(1, 0, &arena);
    cr_assert(add(f.t, &m, 0, 1));
    seal_ok(f.t, 1, UINT64_MAX);
    struct pack_list *reader = text_list_ref(f.t);
    text_pack_remove(f.t, 1);
    cr_assert(get(f.t, &m, NULL) == STATUS_NOT_FOUND);
    cr_assert(io_sim_peek(f.io, "p1/text/0000000001.pack").size > 0);
    uint64_t ordinal;
    struct cached_block *b;
    struct error e = {0};
    cr_assert(pack_find(reader->packs[0], m.address, &ordinal, &e) == STATUS_OK);
    cr_assert(pack_block_get(reader->packs[0], 0, &b, &e) == STATUS_OK, "%s", e.text);
    cr_assert(slice_equal(pack_block_message(reader->packs[0], b, ordinal), m.body));
    block_cache_release(b);
    text_list_unref(reader);
    cr_assert(eq(sz, io_sim_peek(f.io, "p1/text/0000000001.pack").size, 0));
    arena_deinit(&arena);
    fixture_end(&f);
}

/* A pack whose index names a body it does not have: what a bug or a collision would leave. */
Test(text_store, a_body_that_is_not_the_addressed_one_is_never_returned)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct error e = {0};
    struct pack_writer *w;
    struct text_pack_meta meta;
    struct message m = message_make(1, 0, &arena);
    struct message other = message_make(2, 0, &arena);
    cr_assert(pack_writer_open(f.io, "p1/text", 1, 3, &w, &e) == STATUS_OK, "%s", e.text);
    cr_assert(pack_writer_add(w, m.address, 0, other.body, &e) == STATUS_OK);
    cr_assert(pack_writer_finish(w, 1, 1, &meta, &e) == STATUS_OK, "%s", e.text);
    pack_writer_close(w);
    cr_assert(text_pack_open(f.t, 1, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(get(f.t, &m, &e) == STATUS_CORRUPT);
    cr_assert(strstr(e.text, "p1/text/0000000001.pack") != NULL, "%s", e.text);
    cr_assert(add(f.t, &m, 0, 1));
    get_ok(f.t, &m);
    cr_assert(text_merge(f.t, (uint64_t[]){1}, 1, 2, NULL, NULL, &meta, &e) == STATUS_CORRUPT);
    arena_deinit(&arena);
    fixture_end(&f);
}

Test(text_store, decoded_blocks_take_bounded_memory_and_leave_with_their_packs)
{
    struct fixture f = fixture_begin();
    struct arena arena = {0};
    struct message m[200];
    for (uint64_t i = 0; i < 200; i++) {
        m[i] = message_make(i, 250000, &arena);
        cr_assert(add(f.t, &m[i], 0, i + 1));
    }
    seal_ok(f.t, 1, UINT64_MAX);
    uint64_t bytes_max = 0;
    for (uint64_t i = 0; i < 200; i++) {
        get_ok(f.t, &m[i]);
        bytes_max = bytes_max < block_cache_bytes() ? block_cache_bytes() : bytes_max;
    }
    cr_assert(bytes_max <= BLOCK_CACHE_BYTES_MAX);
    cr_assert(bytes_max > BLOCK_CACHE_BYTES_MAX / 2);
    text_pack_remove(f.t, 1);
    cr_assert(eq(u64, block_cache_bytes(), 0));
    arena_deinit(&arena);
    fixture_end(&f);
}

/* Random adds, seals, merges and removals against a plain array of what must be there. */
#define MODEL_MESSAGES 400u
struct model {
    struct message m[MODEL_MESSAGES];
    uint64_t pack[MODEL_MESSAGES]; /* 0: not stored, 1: in memory, else pack number */
    uint64_t next_number;
    uint64_t packs[64];
    uint32_t pack_count;
};

static bool keep_in_model(void *context, struct id128 address)
{
    struct model *model = context;
    for (uint32_t i = 0; i < MODEL_MESSAGES; i++) {
        if (id128_equal(model->m[i].address, address))
            return i % 3 != 0;
    }
    return false;
}

static void model_move(struct model *model, uint64_t from, uint64_t to, bool filter)
{
    for (uint32_t i = 0; i < MODEL_MESSAGES; i++) {
        if (model->pack[i] == from)
            model->pack[i] = filter && i % 3 == 0 ? 0 : to;
    }
}

static void model_merge(struct model *model, struct text_store *t, bool filter)
{
    struct text_pack_meta meta;
    struct error e = {0};
    uint64_t number = model->next_number++;
    enum status s = text_merge(t, model->packs, model->pack_count, number,
                               filter ? keep_in_model : NULL, model, &meta, &e);
    cr_assert(s == STATUS_OK || s == STATUS_END, "%s", e.text);
    if (s == STATUS_OK)
        cr_assert(text_pack_open(t, number, &meta, &e) == STATUS_OK, "%s", e.text);
    for (uint32_t i = 0; i < model->pack_count; i++) {
        text_pack_remove(t, model->packs[i]);
        model_move(model, model->packs[i], number, filter);
    }
    model->pack_count = 0;
    if (s == STATUS_OK)
        model->packs[model->pack_count++] = number;
}

static void model_step(struct model *model, struct text_store *t, struct rng *rng, uint64_t seq)
{
    uint32_t i = (uint32_t)rng_below(rng, MODEL_MESSAGES);
    switch (rng_below(rng, 60)) {
    case 0:
        if (text_memory_bytes(t) == 0 || model->pack_count == 60)
            break;
        seal_ok(t, model->next_number, UINT64_MAX);
        model_move(model, 1, model->next_number, false);
        model->packs[model->pack_count++] = model->next_number++;
        break;
    case 1:
        if (model->pack_count > 0)
            model_merge(model, t, rng_below(rng, 2) == 0);
        break;
    default:
        cr_assert(add(t, &model->m[i], i % 17, seq) == (model->pack[i] == 0), "message %u", i);
        if (model->pack[i] == 0)
            model->pack[i] = 1;
    }
}

Test(text_store, random_operations_agree_with_a_plain_model)
{
    struct arena arena = {0};
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct fixture f = fixture_begin();
        struct rng rng;
        struct model model = {.next_number = 2};
        rng_init(&rng, seed);
        for (uint32_t i = 0; i < MODEL_MESSAGES; i++)
            model.m[i] = message_make(i, i % 50 == 0 ? 100000 : 0, &arena);
        for (uint64_t step = 0; step < 600; step++) {
            model_step(&model, f.t, &rng, step + 1);
            uint32_t i = (uint32_t)rng_below(&rng, MODEL_MESSAGES);
            cr_assert(get(f.t, &model.m[i], NULL) ==
                          (model.pack[i] != 0 ? STATUS_OK : STATUS_NOT_FOUND),
                      "seed %lu, step %lu, message %u", seed, step, i);
        }
        fixture_end(&f);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}
