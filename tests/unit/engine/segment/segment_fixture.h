/*
 * segment_fixture.h - random rows in many shapes, written to a simulated disk and compared after reading back.
 */
#ifndef DRIFTLINE_TEST_SEGMENT_FIXTURE_H
#define DRIFTLINE_TEST_SEGMENT_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/base/rng.h"
#include "engine/segment/segment.h"

#define MUST(call)                                                                                 \
    do {                                                                                           \
        struct error must_error = {0};                                                             \
        enum status must_status = (call);                                                          \
        (void)must_error;                                                                          \
        cr_assert(must_status >= 0, "%s: %s", #call, status_name(must_status));                    \
    } while (0)

/* How the numbers of a column behave. */
enum style {
    STYLE_NULL,
    STYLE_CONSTANT,
    STYLE_FEW,
    STYLE_RUNS,
    STYLE_RISING,
    STYLE_RANDOM,
    STYLE_EXTREME,
    STYLE_MOSTLY_NULL,
    STYLE_MOSTLY_ZERO,
    STYLE_SKEWED,
    STYLE_ALTERNATING,
    STYLE_COUNT,
};

static inline int64_t styled(enum style style, uint32_t row, struct rng *rng, bool *ret_null)
{
    static const int64_t extremes[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN + 1};
    *ret_null = false;
    switch (style) {
    case STYLE_NULL:
    case STYLE_COUNT:
        *ret_null = true;
        return 0;
    case STYLE_CONSTANT:
        return 7000;
    case STYLE_FEW:
        return (int64_t)rng_below(rng, 5) * 1000;
    case STYLE_RUNS:
        return (int64_t)(hash_mix(row / 7) % 100);
    case STYLE_RISING:
        return (int64_t)row * 1000 + (int64_t)rng_below(rng, 900);
    case STYLE_RANDOM:
        return (int64_t)rng_u64(rng);
    case STYLE_EXTREME:
        return extremes[rng_below(rng, 6)];
    case STYLE_MOSTLY_NULL:
        *ret_null = rng_below(rng, 20) != 0;
        return *ret_null ? 0 : (int64_t)rng_below(rng, 100000);
    case STYLE_MOSTLY_ZERO:
        return rng_below(rng, 30) != 0 ? 0 : (int64_t)rng_below(rng, 1u << 20);
    case STYLE_SKEWED:
        *ret_null = rng_below(rng, 3) == 0;
        return *ret_null ? 0 : (int64_t)(1ull << rng_below(rng, 40)) + (int64_t)rng_below(rng, 9);
    case STYLE_ALTERNATING:
        return row % 2 == 0 ? -5 : 12345678901;
    }
    return 0;
}

static inline double styled_double(enum style style, int64_t number, struct rng *rng)
{
    static const double odd[] = {0.0, -0.0, 1.0 / 3, 1e308, -1e-308, 5e-324, 0.1, 1e15 + 0.3};
    if (style == STYLE_EXTREME) {
        uint64_t pick = rng_below(rng, 11);
        if (pick == 8)
            return __builtin_nan("");
        return pick == 9 ? __builtin_inf() : pick == 10 ? -__builtin_inf() : odd[pick];
    }
    if (style == STYLE_RANDOM)
        return rng_normal(rng);
    return (double)(number % 1000000) / 10000;
}

/* Fills one cell of the builder's current row. */
static inline void cell_fill(struct builder *b, const struct column *c, enum style style,
                             uint32_t row, struct rng *rng)
{
    bool null;
    int64_t number = styled(style, row, rng, &null);
    char text[64];
    if (null)
        return;
    int size = snprintf(text, sizeof text, "%s-%lld", c->name, (long long)number);
    struct slice bytes = slice_of(text, (size_t)size);
    struct id128 id;
    switch (c->storage) {
    case STORAGE_I64:
        builder_i64(b, c->id, number);
        return;
    case STORAGE_F64:
        builder_f64(b, c->id, styled_double(style, number, rng));
        return;
    case STORAGE_STR:
        builder_str(b, c->id, number == 1000 ? SLICE_EMPTY : bytes);
        return;
    case STORAGE_TEXT:
        builder_str(b, c->id, number == 1000 ? SLICE_EMPTY : bytes);
        return;
    case STORAGE_REFS:
        id = hash128(bytes);
        builder_str(b, c->id, slice_of(&id, number % 3 == 0 ? 0 : sizeof id));
        return;
    case STORAGE_ID64:
        builder_id64(b, c->id, (uint64_t)number);
        return;
    case STORAGE_ID128:
        builder_id128(b, c->id, hash128(bytes));
        return;
    }
}

/* Rows with a random style a column; the columns that must be there get lifelike values. */
static inline void rows_random(struct builder *b, struct rng *rng, uint32_t rows, int64_t time_ns)
{
    const struct column *columns[80];
    enum style styles[80];
    uint32_t fixed;
    const struct column *all = table_columns(b->table, &fixed);
    uint32_t count = 0;
    for (uint32_t i = 0; i < fixed; i++)
        columns[count++] = &all[i];
    for (uint32_t i = 0; i < 3 && b->table == TABLE_SPANS; i++) {
        char name[32];
        int size = snprintf(name, sizeof name, "score.s%u", i);
        MUST(schema_add_score(b->schema, slice_of(name, (size_t)size), &columns[count++], NULL));
    }
    for (uint32_t i = 0; i < count; i++)
        styles[i] = (enum style)rng_below(rng, STYLE_COUNT);
    struct id128 trace = {{0}};
    uint64_t root = 0;
    uint64_t last = 0;
    for (uint32_t row = 0; row < rows; row++) {
        builder_row(b);
        bool first = row == 0 || rng_below(rng, 3) == 0;
        if (first) {
            uint64_t id[2] = {rng_u64(rng), rng_u64(rng)};
            memcpy(trace.bytes, id, 16);
        }
        uint64_t span = rng_u64(rng);
        builder_i64(b, SPANS_time, time_ns + (int64_t)row * 1000 + (int64_t)rng_below(rng, 50000));
        builder_id128(b, SPANS_trace_id, trace);
        builder_id64(b, SPANS_span_id, span);
        builder_i64(b, SPANS_seq, 1000 + row);
        root = first ? span : root;
        if (b->table == TABLE_SPANS && !first) {
            uint64_t pick = rng_below(rng, 50);
            builder_id64(b, SPANS_parent_id, pick == 0 ? rng_u64(rng) : pick < 25 ? root : last);
        }
        last = span;
        for (uint32_t i = 0; i < count; i++) {
            uint16_t id = columns[i]->id;
            bool filled = id == SPANS_time || id == SPANS_trace_id || id == SPANS_span_id ||
                          id == SPANS_seq || (b->table == TABLE_SPANS && id == SPANS_parent_id);
            if (!filled)
                cell_fill(b, columns[i], styles[i], row, rng);
        }
    }
}

/* Spans as services send them: traces of a few steps, columns that follow from others, skewed numbers. narrow: the identity columns only. */
static inline void rows_lifelike(struct builder *b, struct rng *rng, uint32_t rows, int64_t time_ns,
                                 bool narrow)
{
    static const char *const kinds[] = {"agent", "llm", "tool", "retrieval"};
    static const char *const models[] = {"gpt-4o", "claude-sonnet-4", "llama-3.3-70b"};
    struct id128 trace = {{0}};
    uint64_t root = 0;
    uint64_t step = 0;
    uint64_t prompt = 0;
    uint64_t user = 0;
    const struct column *score = NULL;
    char text[96];
    MUST(schema_add_score(b->schema, slice_text("score.groundedness"), &score, NULL));
    for (uint32_t row = 0; row < rows; row++) {
        bool first = row == 0 || rng_below(rng, 3) == 0;
        uint64_t span = rng_u64(rng);
        builder_row(b);
        if (first) {
            uint64_t id[2] = {rng_u64(rng), rng_u64(rng)};
            memcpy(trace.bytes, id, 16);
            root = span;
            step = 0;
            prompt = rng_below(rng, 12);
            user = rng_below(rng, 40);
            time_ns += 8000000 + (int64_t)rng_below(rng, 1000) * 1000;
        } else {
            step++;
            builder_id64(b, SPANS_parent_id, rng_below(rng, 40) == 0 ? hash_mix(row) : root);
        }
        uint64_t kind = first ? 0 : 1 + step % 3;
        builder_i64(b, SPANS_time, time_ns + (int64_t)(step * rng_below(rng, 900000)) * 1000);
        builder_id128(b, SPANS_trace_id, trace);
        builder_id64(b, SPANS_span_id, span);
        builder_i64(b, SPANS_seq, 5000 + row);
        if (narrow)
            continue;
        if (first)
            builder_i64(b, SPANS_turn, 1 + (int64_t)rng_below(rng, 3));
#define SET_TEXT(column, ...)                                                                      \
    builder_str(b, column, slice_of(text, (size_t)snprintf(text, sizeof text, __VA_ARGS__)))
        if (user != 39) {
            SET_TEXT(SPANS_session, "ses_%llu", (unsigned long long)user);
            SET_TEXT(SPANS_user_id, "usr, \"%llu\"", (unsigned long long)(user % 7));
        }
        SET_TEXT(SPANS_kind, "%s", kinds[kind]);
        SET_TEXT(SPANS_prompt_name, "prompt-%02llu", (unsigned long long)prompt);
        SET_TEXT(SPANS_service, "svc-%llu", (unsigned long long)(prompt % 6));
        SET_TEXT(SPANS_name, "%s.run-%llu", kinds[kind],
                 (unsigned long long)(kind == 0 ? prompt : 0));
        SET_TEXT(SPANS_environment, "prod");
        SET_TEXT(SPANS_error_class, "%s", rng_below(rng, 40) == 0 ? "timeout" : "none");
        builder_i64(b, SPANS_latency_ms,
                    (int64_t)(rng_below(rng, 900) << rng_below(rng, 24)) * 1000);
        if (kind == 1) {
            SET_TEXT(SPANS_attributes, "{\"region\":\"eu-%llu\",\"n\":%u}",
                     (unsigned long long)(prompt % 3), row);
            SET_TEXT(SPANS_model, "%s", models[rng_below(rng, 3)]);
            builder_i64(b, SPANS_tokens_in, (int64_t)rng_below(rng, 4000));
            builder_i64(b, SPANS_cost_usd,
                        (int64_t)(rng_below(rng, 500) << rng_below(rng, 16)) * 50);
            builder_f64(b, SPANS_temperature, prompt % 2 == 0 ? 0.2 : 0.7);
            if (rng_below(rng, 3) == 0)
                builder_f64(b, score->id, (double)rng_below(rng, 10000) / 10000);
            struct id128 refs[4];
            for (uint32_t i = 0; i < 4; i++) {
                uint64_t id[2] = {hash_mix(user + 1), i};
                memcpy(refs[i].bytes, id, 16);
            }
            builder_str(b, SPANS_input, slice_of(refs, (step % 4) * 16));
        } else {
            builder_i64(b, SPANS_tokens_in, 0);
        }
    }
#undef SET_TEXT
}

/* The batch in clustered order; memory from the arena. */
static inline struct batch clustered(const struct batch *b, struct arena *arena)
{
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, b->rows);
    rows_cluster(b, rows);
    struct batch out = *b;
    out.columns = ARENA_ARRAY(arena, struct batch_column, b->column_count);
    for (uint32_t i = 0; i < b->column_count; i++) {
        out.columns[i].column = b->columns[i].column;
        out.columns[i].vector = vector_gather(&b->columns[i].vector, rows, b->rows, arena);
    }
    return out;
}

/* True when row a of x equals row b of y, bit for bit. */
static inline bool cells_equal(const struct vector *x, uint32_t a, const struct vector *y,
                               uint32_t b)
{
    if (x->storage != y->storage || vector_has(x, a) != vector_has(y, b))
        return false;
    switch (x->storage) {
    case STORAGE_I64:
        return x->i64[a] == y->i64[b];
    case STORAGE_F64:
        return memcmp(&x->f64[a], &y->f64[b], 8) == 0;
    case STORAGE_STR:
    case STORAGE_TEXT:
    case STORAGE_REFS:
        return slice_equal(vector_bytes(x, a), vector_bytes(y, b));
    case STORAGE_ID64:
        return x->id64[a] == y->id64[b];
    case STORAGE_ID128:
        return id128_equal(x->id128[a], y->id128[b]);
    }
    return false;
}

/* Writes groups to path. */
static inline struct segment_meta segment_of(struct io *io, const char *path,
                                             const struct batch *groups, uint32_t count)
{
    struct segment_writer *w = NULL;
    struct segment_meta meta;
    struct error e = {0};
    cr_assert(segment_writer_open(io, path, groups[0].table, TIER_HOUR, 5, 3, &w, &e) >= 0, "%s",
              e.text);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(segment_writer_add_group(w, &groups[i], &e) >= 0, "%s", e.text);
    cr_assert(segment_writer_finish(w, &meta, &e) >= 0, "%s", e.text);
    segment_writer_close(w);
    return meta;
}

/* Every cell of the file against the rows that were written. */
static inline void segment_compare(struct segment *s, const struct batch *groups, uint32_t count)
{
    uint32_t block = 0;
    for (uint32_t g = 0; g < count; g++) {
        for (uint32_t first = 0; first < groups[g].rows; block++) {
            cr_assert(block < segment_block_count(s));
            uint32_t rows = segment_block_rows(s, block);
            for (uint32_t i = 0; i < groups[g].column_count; i++) {
                const struct vector *want = &groups[g].columns[i].vector;
                int index = segment_column_index(s, groups[g].columns[i].column);
                struct arena arena = {0};
                struct vector got;
                struct error e = {0};
                if (index >= 0)
                    cr_assert(segment_block_read(s, index, block, &arena, &got, &e) >= 0, "%s: %s",
                              groups[g].columns[i].column->name, e.text);
                else
                    got = vector_null(want->storage, rows, &arena);
                cr_assert(got.rows == rows);
                for (uint32_t row = 0; row < rows; row++)
                    cr_assert(cells_equal(&got, row, want, first + row), "%s row %u block %u",
                              groups[g].columns[i].column->name, first + row, block);
                arena_deinit(&arena);
            }
            first += rows;
        }
    }
    cr_assert(block == segment_block_count(s));
}

#endif
