/*
 * test_segment_golden.c - files written once and kept: they must read the same for ever, in the engine and in segcat, and the
 * same rows must give the same bytes.
 *
 * REGENERATE_GOLDEN=1 in the environment rewrites tests/golden/segment/. That is a format change: FORMAT.md and the
 * version belong in the same commit. The bytes of compressed blocks also depend on the zstd library (1.5.4).
 */
#include <stdlib.h>
#include <zstd.h>

#include "engine/segment/segment_read.h"
#include "segment_text.h"

enum rows {
    ROWS_LIFELIKE,
    ROWS_NARROW,
    ROWS_STYLED
};

static const struct golden {
    const char *name;
    enum table table;
    enum rows rows;
    uint32_t count;
    uint64_t seed;
    bool only_read; /* made when the table had fewer columns: it can't be made again */
} goldens[] = {
    {"spans_lifelike", TABLE_SPANS, ROWS_LIFELIKE, 270, 11, false},
    {"spans_narrow", TABLE_SPANS, ROWS_NARROW, 500, 17, false},
    {"spans_styled", TABLE_SPANS, ROWS_STYLED, 18, 12,
     true}, /* before scorer_version, findings and tools */
    {"spans_meaning", TABLE_SPANS, ROWS_STYLED, 18, 17, false},
    {"spans_one", TABLE_SPANS, ROWS_LIFELIKE, 1, 13, false},
    {"scores", TABLE_SCORES, ROWS_STYLED, 150, 14, false},
    {"tags", TABLE_TAGS, ROWS_STYLED, 90, 15, false},
    {"tags_rising", TABLE_TAGS, ROWS_STYLED, 300, 16, false},
};
#define GOLDEN_COUNT (sizeof goldens / sizeof goldens[0])

static const char *golden_path(const struct golden *g, const char *extension)
{
    static char path[512];
    const char *source = getenv("SOURCE_DIR");
    (void)snprintf(path, sizeof path, "%s/tests/golden/segment/%s%s",
                   source == NULL ? "/nowhere" : source, g->name, extension);
    return path;
}

static void file_put(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL, "can't write %s", path);
    cr_assert(fwrite(bytes.data, 1, bytes.size, f) == bytes.size);
    (void)fclose(f);
}

/* The file made from the golden rows, in two groups. */
static struct buffer golden_write(const struct golden *g)
{
    struct rng rng;
    struct schema schema;
    struct arena arena = {0};
    struct builder builders[2];
    struct batch groups[2];
    struct buffer bytes = {0};
    rng_init(&rng, g->seed);
    schema_init(&schema);
    struct io *io = io_sim_create(1);
    uint32_t count = g->count > 1 ? 2 : 1;
    for (uint32_t i = 0; i < count; i++) {
        builder_init(&builders[i], g->table, &schema);
        uint32_t rows = i == 0 ? g->count - (count - 1) * (g->count / 3) : g->count / 3;
        int64_t time_ns = 1763856000000000000 + i * NS_PER_HOUR;
        if (g->rows == ROWS_STYLED)
            rows_random(&builders[i], &rng, rows, time_ns);
        else
            rows_lifelike(&builders[i], &rng, rows, time_ns, g->rows == ROWS_NARROW);
        struct batch b = builder_batch(&builders[i]);
        groups[i] = clustered(&b, &arena);
    }
    (void)segment_of(io, "g.seg", groups, count);
    buffer_add_slice(&bytes, io_sim_peek(io, "g.seg"));
    io_destroy(io);
    for (uint32_t i = 0; i < count; i++)
        builder_deinit(&builders[i]);
    arena_deinit(&arena);
    schema_deinit(&schema);
    return bytes;
}

static void regenerate(const struct golden *g)
{
    struct opened o;
    struct buffer bytes = golden_write(g);
    opened_init(&o, buffer_slice(&bytes));
    struct buffer csv = csv_of(o.segment);
    file_put(golden_path(g, ".seg"), buffer_slice(&bytes));
    file_put(golden_path(g, ".csv"), buffer_slice(&csv));
    opened_deinit(&o);
    buffer_deinit(&bytes);
    buffer_deinit(&csv);
}

TestSuite(segment_golden);

Test(segment_golden, files_read_as_they_always_did)
{
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        if (getenv("REGENERATE_GOLDEN") != NULL && !goldens[i].only_read)
            regenerate(&goldens[i]);
        struct opened o;
        struct buffer bytes = file_get(golden_path(&goldens[i], ".seg"));
        struct buffer want = file_get(golden_path(&goldens[i], ".csv"));
        opened_init(&o, buffer_slice(&bytes));
        struct buffer got = csv_of(o.segment);
        cr_assert(slice_equal(buffer_slice(&got), buffer_slice(&want)), "%s", goldens[i].name);
        opened_deinit(&o);
        buffer_deinit(&bytes);
        buffer_deinit(&want);
        buffer_deinit(&got);
    }
}

Test(segment_golden, the_same_rows_give_the_same_bytes)
{
    if (ZSTD_versionNumber() != 10504)
        return;
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        if (goldens[i].only_read)
            continue;
        struct buffer want = file_get(golden_path(&goldens[i], ".seg"));
        struct buffer got = golden_write(&goldens[i]);
        cr_assert(slice_equal(buffer_slice(&got), buffer_slice(&want)), "%s", goldens[i].name);
        buffer_deinit(&want);
        buffer_deinit(&got);
    }
}

Test(segment_golden, segcat_reads_the_same_rows)
{
    const char *segcat = getenv("SEGCAT");
    cr_assert(segcat != NULL, "SEGCAT names no program");
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct buffer want = file_get(golden_path(&goldens[i], ".csv"));
        struct buffer got = {0};
        char command[1200];
        (void)snprintf(command, sizeof command, "'%s' '%s'", segcat,
                       golden_path(&goldens[i], ".seg"));
        FILE *f = popen(command, "r");
        cr_assert(f != NULL);
        for (size_t n = 1; n > 0; got.size += n)
            n = fread(buffer_reserve(&got, 65536), 1, 65536, f);
        cr_assert(pclose(f) == 0, "segcat %s", goldens[i].name);
        cr_assert(slice_equal(buffer_slice(&got), buffer_slice(&want)), "%s", goldens[i].name);
        buffer_deinit(&want);
        buffer_deinit(&got);
    }
}

Test(segment_golden, files_cover_every_encoding)
{
    uint32_t seen[ENCODING_COUNT] = {0};
    for (size_t i = 0; i < GOLDEN_COUNT; i++) {
        struct opened o;
        struct buffer bytes = file_get(golden_path(&goldens[i], ".seg"));
        cr_assert(bytes.size < 65536, "%s is large", goldens[i].name);
        opened_init(&o, buffer_slice(&bytes));
        for (uint32_t c = 0; c < o.segment->column_count; c++) {
            for (uint32_t block = 0; block < o.segment->block_count; block++) {
                struct slice part;
                uint64_t at;
                MUST(segment_block(o.segment, &o.segment->columns[c].directory, true, block, &part,
                                   &at, NULL));
                if (part.size > 0)
                    seen[part.data[0]]++;
            }
        }
        opened_deinit(&o);
        buffer_deinit(&bytes);
    }
    for (uint32_t e = 1; e < ENCODING_COUNT; e++)
        cr_expect(seen[e] > 0, "%s", encoding_name((enum encoding)e));
}
