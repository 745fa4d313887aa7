/*
 * race_segment.c - threads that read one segment at once see the same rows, whoever loads dictionaries and directories first.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/segment/segment.h"

#define THREADS 4u
#define ROWS    20000u
#define ROUNDS  5u

static struct segment *shared;

struct reader {
    struct thread thread;
    uint64_t sum;   /* of all cells */
    uint32_t start; /* column to begin with */
};

static void check(enum status s, const char *what)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "race_segment: %s: %s\n", what, status_name(s));
    exit(1);
}

static uint64_t column_sum(uint32_t index)
{
    struct arena arena = {0};
    uint64_t sum = 0;
    for (uint32_t block = 0; block < segment_block_count(shared); block++) {
        struct vector v;
        struct zone zone;
        arena_reset(&arena);
        check(segment_block_read(shared, (int)index, block, &arena, &v, NULL), "block");
        check(segment_zone(shared, (int)index, block, &zone, NULL), "zone");
        sum += zone.nulls;
        for (uint32_t row = 0; row < v.rows; row++) {
            if (v.storage == STORAGE_STR)
                sum += hash64(vector_bytes(&v, row));
            else if (v.storage == STORAGE_I64 || v.storage == STORAGE_ID64)
                sum += v.id64[row];
        }
    }
    arena_deinit(&arena);
    return sum;
}

static void read_all(void *context)
{
    struct reader *r = context;
    uint32_t columns = segment_column_count(shared);
    for (uint32_t i = 0; i < columns; i++)
        r->sum += column_sum((r->start + i) % columns);
    struct row_range ranges[16];
    uint32_t count = 0;
    check(segment_find_session(shared, slice_text("s-17"), ranges, 16, &count, NULL), "session");
    r->sum += count;
}

static void rows_build(struct builder *b)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        char text[32];
        struct id128 trace = {{(uint8_t)(i / 3), (uint8_t)(i / 768), 1}};
        builder_row(b);
        builder_i64(b, SPANS_time, i * 1000);
        builder_i64(b, SPANS_seq, i);
        builder_id128(b, SPANS_trace_id, trace);
        builder_id64(b, SPANS_span_id, hash_mix(i));
        if (i % 3 != 0)
            builder_id64(b, SPANS_parent_id, hash_mix(i - i % 3));
        int size = snprintf(text, sizeof text, "s-%u", i / 9);
        builder_str(b, SPANS_session, slice_of(text, (size_t)size));
        size = snprintf(text, sizeof text, "p-%u", i / 3 % 11);
        builder_str(b, SPANS_prompt_name, slice_of(text, (size_t)size));
        size = snprintf(text, sizeof text, "svc-%u", i / 3 % 11 % 4);
        builder_str(b, SPANS_service, slice_of(text, (size_t)size));
    }
}

int main(void)
{
    struct schema schema;
    struct builder b;
    struct segment_writer *w;
    struct segment_meta meta;
    struct io *io = io_sim_create(1);
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    rows_build(&b);
    struct batch batch = builder_batch(&b);
    check(segment_writer_open(io, "r.seg", TABLE_SPANS, TIER_SEAL, 0, 1, &w, NULL), "open");
    check(segment_writer_add_group(w, &batch, NULL), "group");
    check(segment_writer_finish(w, &meta, NULL), "finish");
    segment_writer_close(w);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct reader readers[THREADS] = {0};
        check(segment_open(io, "r.seg", &schema, false, &shared, NULL), "segment");
        for (uint32_t i = 0; i < THREADS; i++) {
            readers[i].start = i;
            thread_start(&readers[i].thread, "reader", read_all, &readers[i]);
        }
        for (uint32_t i = 0; i < THREADS; i++)
            thread_join(&readers[i].thread);
        for (uint32_t i = 1; i < THREADS; i++) {
            if (readers[i].sum != readers[0].sum) {
                (void)fprintf(stderr, "race_segment: reader %u saw other rows\n", i);
                return 1;
            }
        }
        segment_close(shared);
    }
    io_destroy(io);
    builder_deinit(&b);
    schema_deinit(&schema);
    return 0;
}
