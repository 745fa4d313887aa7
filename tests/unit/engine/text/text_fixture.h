/*
 * text_fixture.h - a text store on simulated files and messages by number, shared by the text
 * tests.
 */
#ifndef DRIFTLINE_TESTS_TEXT_FIXTURE_H
#define DRIFTLINE_TESTS_TEXT_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/rng.h"
#include "engine/text/text.h"

struct fixture {
    struct io *io;
    struct text_store *t;
};

static inline struct io *fixture_io(void)
{
    struct error e = {0};
    struct io *io = io_sim_create(1);
    cr_assert(io_make_dir(io, "p1", &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_make_dir(io, "p1/text", &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_sync_dir(io, "p1", &e) == STATUS_OK, "%s", e.text);
    cr_assert(io_sync_dir(io, "", &e) == STATUS_OK, "%s", e.text);
    return io;
}

static inline struct fixture fixture_begin(void)
{
    struct io *io = fixture_io();
    return (struct fixture){io, text_store_create(io, "p1/text")};
}

static inline void fixture_end(struct fixture *f)
{
    text_store_destroy(f->t);
    io_destroy(f->io);
}

/* Message number i: always the same bytes, `size` of them or a length of its own when size is 0. */
static inline struct message message_make(uint64_t i, size_t size, struct arena *arena)
{
    struct rng rng;
    rng_init(&rng, i + 1);
    if (size == 0)
        size = 20 + rng_below(&rng, 200);
    uint8_t *body = arena_alloc(arena, size + 1);
    for (size_t at = 0; at < size;) {
        static const char *const words[] = {
            "{\"role\":\"user\",", "flight ", "booking ",  "cancel ",
            "certificate ",        "please ", "Thank you", "\n"};
        const char *word = words[rng_below(&rng, 8)];
        for (; *word != 0 && at < size; word++)
            body[at++] = (uint8_t)*word;
    }
    for (size_t at = 0; at < 8 && at < size; at++)
        body[at] = (uint8_t)('a' + ((i >> (4 * at)) & 15));
    struct slice bytes = slice_of(body, size);
    return (struct message){hash128(bytes), bytes};
}

static inline bool add(struct text_store *t, const struct message *m, uint64_t group, uint64_t seq)
{
    struct error e = {0};
    bool added = false;
    cr_assert(text_add_grouped(t, m, group, seq, (int64_t)seq * 10, &added, &e) == STATUS_OK, "%s",
              e.text);
    return added;
}

/* STATUS_OK only with the right bytes. */
static inline enum status get(struct text_store *t, const struct message *m, struct error *reterr)
{
    struct buffer b = {0};
    enum status s = text_get(t, m->address, &b, reterr);
    if (s == STATUS_OK)
        cr_assert(slice_equal(buffer_slice(&b), m->body), "text_get gave other bytes");
    buffer_deinit(&b);
    return s;
}

static inline void get_ok(struct text_store *t, const struct message *m)
{
    struct error e = {0};
    cr_assert(get(t, m, &e) == STATUS_OK, "%s", e.text);
}

static inline struct text_pack_meta seal_ok(struct text_store *t, uint64_t number, uint64_t seq_max)
{
    struct text_pack_meta meta = {0};
    struct error e = {0};
    cr_assert(text_seal(t, number, seq_max, &meta, &e) == STATUS_OK, "%s", e.text);
    cr_assert(eq(u64, meta.number, number));
    text_seal_commit(t, number);
    return meta;
}

#endif
