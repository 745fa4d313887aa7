/*
 * batch_fixture.h - a schema, a builder and the batch they encode, for the codec's tests.
 */
#ifndef DRIFTLINE_TESTS_BATCH_FIXTURE_H
#define DRIFTLINE_TESTS_BATCH_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "tests/unit/engine/span/batch_checks.h"

struct fixture {
    struct schema schema;
    struct builder builder;
    struct arena arena;
    struct buffer bytes;
    struct batch batch; /* the builder's */
};

static inline void fixture_init(struct fixture *f)
{
    *f = (struct fixture){0};
    schema_init(&f->schema);
    builder_init(&f->builder, TABLE_SPANS, &f->schema);
}

static inline void fixture_deinit(struct fixture *f)
{
    builder_deinit(&f->builder);
    schema_deinit(&f->schema);
    arena_deinit(&f->arena);
    buffer_deinit(&f->bytes);
}

static inline void fixture_encode(struct fixture *f)
{
    f->batch = builder_batch(&f->builder);
    buffer_reset(&f->bytes);
    batch_encode(&f->batch, &f->bytes);
    cr_assert(le(u64, f->bytes.size, batch_encoded_bytes_max(&f->batch)));
}

/* Decodes from a heap copy of exactly that size, at an offset of `shift` from alignment. */
static inline enum status fixture_decode(struct fixture *f, struct slice bytes, size_t shift,
                                         struct batch *ret, struct error *reterr)
{
    uint8_t *copy = arena_alloc(&f->arena, bytes.size + shift);
    bytes_copy(copy + shift, bytes.data, bytes.size);
    return batch_decode(slice_of(copy + shift, bytes.size), &f->schema, &f->arena, ret, reterr);
}

/* A cell of every storage, each present in a different share of the rows. */
static inline void fill_row(struct fixture *f, struct rng *r, uint16_t score_id)
{
    struct builder *b = &f->builder;
    char text[64];
    builder_row(b);
    builder_i64(b, SPANS_time, (int64_t)rng_u64(r));
    struct id128 trace;
    for (size_t i = 0; i < sizeof trace.bytes; i++)
        trace.bytes[i] = (uint8_t)rng_u64(r);
    builder_id128(b, SPANS_trace_id, trace);
    builder_id64(b, SPANS_span_id, rng_u64(r));
    if (rng_below(r, 3) != 0)
        builder_id64(b, SPANS_parent_id, rng_u64(r));
    builder_str(b, SPANS_service, slice_text("checkout"));
    int size = snprintf(text, sizeof text, "session-%u", (unsigned)rng_below(r, 1000));
    if (rng_below(r, 5) != 0)
        builder_str(b, SPANS_session, slice_of(text, (size_t)size));
    builder_str(b, SPANS_model, slice_of(text, (size_t)rng_below(r, 3)));
    if (rng_below(r, 2) == 0)
        builder_i64(b, SPANS_tokens_in, (int64_t)rng_below(r, 100000));
    if (rng_below(r, 4) == 0)
        builder_f64(b, SPANS_temperature, rng_normal(r));
    if (rng_below(r, 4) == 0)
        builder_f64(b, score_id, rng_unit(r));
    if (rng_below(r, 3) == 0)
        builder_str(b, SPANS_attributes, slice_of(text, (size_t)rng_below(r, 12)));
    uint8_t refs[3 * sizeof trace] = {1, 2, 3};
    if (rng_below(r, 2) == 0)
        builder_str(b, SPANS_input, slice_of(refs, sizeof trace * (size_t)rng_below(r, 4)));
}

static inline void fill(struct fixture *f, uint32_t rows, uint64_t seed)
{
    struct rng r;
    const struct column *score = NULL;
    rng_init(&r, seed);
    cr_assert(
        eq(int, schema_add_score(&f->schema, slice_text("score.judge"), &score, NULL), STATUS_OK));
    for (uint32_t i = 0; i < rows; i++)
        fill_row(f, &r, score->id);
    fixture_encode(f);
}

#endif
