/*
 * test_segment_round.c - what is written is read back, for all tables, styles of data and group sizes.
 */
#include "segment_fixture.h"

static void finding_fails(void *context, uint64_t offset, const char *text)
{
    (void)context;
    cr_assert(false, "offset %llu: %s", (unsigned long long)offset, text);
}

static void round_trip(uint64_t seed, enum table table, uint32_t rows_max)
{
    struct rng rng;
    struct schema schema;
    struct arena arena = {0};
    struct builder builders[3];
    struct batch groups[3];
    rng_init(&rng, seed);
    schema_init(&schema);
    struct io *io = io_sim_create(seed);
    uint32_t count = 1 + (uint32_t)rng_below(&rng, 3);
    uint64_t rows = 0;
    for (uint32_t g = 0; g < count; g++) {
        builder_init(&builders[g], table, &schema);
        rows_random(&builders[g], &rng, 1 + (uint32_t)rng_below(&rng, rows_max),
                    1763856000000000000 + g * NS_PER_HOUR);
        struct batch b = builder_batch(&builders[g]);
        groups[g] = clustered(&b, &arena);
        rows += groups[g].rows;
    }
    struct segment_meta meta = segment_of(io, "a.seg", groups, count);
    cr_assert(meta.rows == rows);
    struct segment *s = NULL;
    struct error e = {0};
    cr_assert(segment_open(io, "a.seg", &schema, false, &s, &e) >= 0, "%s", e.text);
    cr_assert(memcmp(&meta, segment_meta(s), sizeof meta) == 0);
    segment_compare(s, groups, count);
    segment_close(s);
    cr_assert(segment_verify(io, "a.seg", finding_fails, NULL, &e) >= 0, "%s", e.text);
    io_destroy(io);
    for (uint32_t g = 0; g < count; g++)
        builder_deinit(&builders[g]);
    arena_deinit(&arena);
    schema_deinit(&schema);
}

Test(segment_round, small_groups_of_spans_come_back)
{
    for (uint64_t seed = 0; seed < 60; seed++)
        round_trip(seed, TABLE_SPANS, 40);
}

Test(segment_round, middle_groups_of_spans_come_back)
{
    for (uint64_t seed = 100; seed < 112; seed++)
        round_trip(seed, TABLE_SPANS, 1500);
}

Test(segment_round, groups_of_several_blocks_come_back)
{
    round_trip(200, TABLE_SPANS, 20000);
    round_trip(201, TABLE_SPANS, 20000);
}

Test(segment_round, scores_come_back)
{
    for (uint64_t seed = 300; seed < 320; seed++)
        round_trip(seed, TABLE_SCORES, 600);
}

Test(segment_round, tags_come_back)
{
    for (uint64_t seed = 400; seed < 420; seed++)
        round_trip(seed, TABLE_TAGS, 600);
}
