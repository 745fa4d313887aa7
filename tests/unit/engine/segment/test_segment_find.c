/*
 * test_segment_find.c - lookups, zone maps, postings and dictionaries against a naive scan of the rows.
 */
#include "segment_fixture.h"

struct fixture {
    struct schema schema;
    struct arena arena;
    struct builder builders[2];
    struct batch groups[2];
    struct io *io;
    struct segment *segment;
};

static void fixture_init(struct fixture *f, uint64_t seed, uint32_t rows, bool clustering)
{
    struct rng rng;
    struct error e = {0};
    *f = (struct fixture){0};
    rng_init(&rng, seed);
    schema_init(&f->schema);
    f->io = io_sim_create(1);
    for (uint32_t g = 0; g < 2; g++) {
        builder_init(&f->builders[g], TABLE_SPANS, &f->schema);
        rows_lifelike(&f->builders[g], &rng, rows / (g + 1), 1763856000000000000 + g * NS_PER_HOUR,
                      false);
        struct batch b = builder_batch(&f->builders[g]);
        f->groups[g] = clustering ? clustered(&b, &f->arena) : b;
    }
    (void)segment_of(f->io, "f.seg", f->groups, 2);
    cr_assert(segment_open(f->io, "f.seg", &f->schema, false, &f->segment, &e) >= 0, "%s", e.text);
}

static void fixture_deinit(struct fixture *f)
{
    segment_close(f->segment);
    io_destroy(f->io);
    for (uint32_t g = 0; g < 2; g++)
        builder_deinit(&f->builders[g]);
    arena_deinit(&f->arena);
    schema_deinit(&f->schema);
}

/* Row of the file as a row of a group. */
static const struct vector *row_of(const struct fixture *f, uint64_t row, uint16_t id,
                                   uint32_t *ret)
{
    uint32_t g = row >= f->groups[0].rows;
    *ret = (uint32_t)(row - (g == 0 ? 0 : f->groups[0].rows));
    return batch_vector(&f->groups[g], id);
}

static uint64_t rows_of(const struct fixture *f)
{
    return (uint64_t)f->groups[0].rows + f->groups[1].rows;
}

/* ranges hold exactly the rows for which is(row). */
static void ranges_check(const struct fixture *f, const struct row_range *ranges, uint32_t count,
                         bool (*is)(const struct fixture *f, uint64_t row, const void *key),
                         const void *key)
{
    uint64_t row = 0;
    for (uint32_t i = 0; i <= count; i++) {
        uint64_t end = i == count ? rows_of(f) : ranges[i].first;
        for (; row < end; row++)
            cr_assert(is(f, row, key) == false, "row %llu is missing", (unsigned long long)row);
        for (; i < count && row < ranges[i].first + ranges[i].count; row++)
            cr_assert(is(f, row, key), "row %llu is not wanted", (unsigned long long)row);
    }
}

static bool is_trace(const struct fixture *f, uint64_t row, const void *key)
{
    uint32_t at;
    const struct vector *v = row_of(f, row, SPANS_trace_id, &at);
    return id128_equal(v->id128[at], *(const struct id128 *)key);
}

static bool is_session(const struct fixture *f, uint64_t row, const void *key)
{
    uint32_t at;
    const struct vector *v = row_of(f, row, SPANS_session, &at);
    return v->codes[at] != 0 && slice_equal(vector_bytes(v, at), *(const struct slice *)key);
}

static void traces_check(struct fixture *f)
{
    struct row_range *ranges = ARENA_ARRAY(&f->arena, struct row_range, 20000);
    struct error e = {0};
    uint32_t count;
    for (uint64_t row = 0; row < rows_of(f); row += 1 + rows_of(f) / 40) {
        uint32_t at;
        struct id128 id = row_of(f, row, SPANS_trace_id, &at)->id128[at];
        cr_assert(segment_may_have_trace(f->segment, id));
        MUST(segment_find_trace(f->segment, id, ranges, 20000, &count, &e));
        cr_assert(count > 0);
        ranges_check(f, ranges, count, is_trace, &id);
        /* With room for one range only, it still holds every row. */
        MUST(segment_find_trace(f->segment, id, ranges, 1, &count, &e));
        cr_assert(count == 1);
        cr_assert(ranges[0].first <= row && row < ranges[0].first + ranges[0].count);
    }
    uint32_t maybe = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct id128 id = {{0}};
        uint64_t words[2] = {hash_mix(i + 77), i};
        memcpy(id.bytes, words, 16);
        MUST(segment_find_trace(f->segment, id, ranges, 4, &count, &e));
        cr_assert(count == 0);
        maybe += segment_may_have_trace(f->segment, id);
    }
    cr_assert(maybe < 30, "%u false positives in 1000", maybe);
}

static void sessions_check(struct fixture *f)
{
    struct row_range *ranges = ARENA_ARRAY(&f->arena, struct row_range, 20000);
    struct error e = {0};
    uint32_t count;
    for (uint32_t user = 0; user < 45; user++) {
        char text[32];
        struct slice session = slice_of(text, (size_t)snprintf(text, sizeof text, "ses_%u", user));
        MUST(segment_find_session(f->segment, session, ranges, 20000, &count, &e));
        ranges_check(f, ranges, count, is_session, &session);
        if (count > 0)
            cr_assert(segment_may_have_session(f->segment, session));
    }
}

Test(segment_find, traces_and_sessions_of_clustered_rows)
{
    struct fixture f;
    fixture_init(&f, 1, 12000, true);
    traces_check(&f);
    sessions_check(&f);
    fixture_deinit(&f);
}

Test(segment_find, traces_and_sessions_of_rows_in_any_order)
{
    struct fixture f;
    fixture_init(&f, 2, 12000, false);
    traces_check(&f);
    sessions_check(&f);
    fixture_deinit(&f);
}

Test(segment_find, zone_maps_and_postings_agree_with_the_rows)
{
    struct fixture f;
    fixture_init(&f, 3, 20000, true);
    for (uint32_t c = 0; c < segment_column_count(f.segment); c++) {
        enum storage storage = segment_column(f.segment, c)->storage;
        for (uint32_t block = 0; block < segment_block_count(f.segment); block++) {
            struct arena arena = {0};
            struct vector v;
            struct zone zone;
            MUST(segment_block_read(f.segment, (int)c, block, &arena, &v, NULL));
            MUST(segment_zone(f.segment, (int)c, block, &zone, NULL));
            uint32_t nulls = 0;
            int64_t min = INT64_MAX;
            int64_t max = INT64_MIN;
            double f64_min = __builtin_inf();
            double f64_max = -__builtin_inf();
            uint64_t id_min = UINT64_MAX;
            uint64_t id_max = 0;
            for (uint32_t row = 0; row < v.rows; row++) {
                if (!vector_has(&v, row)) {
                    nulls++;
                    continue;
                }
                int64_t n = storage == STORAGE_STR ? v.codes[row] : 0;
                n = storage == STORAGE_I64 ? v.i64[row] : n;
                min = n < min ? n : min;
                max = n > max ? n : max;
                if (storage == STORAGE_F64) {
                    f64_min = v.f64[row] < f64_min ? v.f64[row] : f64_min;
                    f64_max = v.f64[row] > f64_max ? v.f64[row] : f64_max;
                }
                if (storage == STORAGE_ID64) {
                    id_min = v.id64[row] < id_min ? v.id64[row] : id_min;
                    id_max = v.id64[row] > id_max ? v.id64[row] : id_max;
                }
                uint64_t bits[4] = {0};
                if (storage == STORAGE_STR && row % 97 == 0) {
                    MUST(segment_postings(f.segment, (int)c, v.codes[row], bits, NULL));
                    cr_assert(bits[block / 64] >> (block % 64) & 1);
                }
            }
            cr_assert(zone.nulls == nulls);
            cr_assert(zone.any == (nulls < v.rows));
            if (zone.any && (storage == STORAGE_I64 || storage == STORAGE_STR)) {
                cr_assert(zone.min == min);
                cr_assert(zone.max == max);
            }
            if (zone.any && storage == STORAGE_F64) {
                cr_assert(memcmp(&zone.f64_min, &f64_min, 8) == 0);
                cr_assert(memcmp(&zone.f64_max, &f64_max, 8) == 0);
            }
            if (zone.any && storage == STORAGE_ID64) {
                cr_assert(zone.min == (int64_t)id_min);
                cr_assert(zone.max == (int64_t)id_max);
            }
            arena_deinit(&arena);
        }
    }
    fixture_deinit(&f);
}

Test(segment_find, postings_name_no_block_without_the_code)
{
    struct fixture f;
    fixture_init(&f, 4, 20000, true);
    int c = segment_column_index(f.segment, table_column(TABLE_SPANS, SPANS_error_class));
    const struct dict *dict;
    MUST(segment_dict(f.segment, c, &dict, NULL));
    for (uint32_t code = 0; code < dict->count + 2; code++) {
        uint64_t bits[4] = {0};
        MUST(segment_postings(f.segment, c, code, bits, NULL));
        for (uint32_t block = 0; block < segment_block_count(f.segment); block++) {
            struct arena arena = {0};
            struct vector v;
            bool there = false;
            MUST(segment_block_read(f.segment, c, block, &arena, &v, NULL));
            for (uint32_t row = 0; row < v.rows; row++)
                there |= v.codes[row] == code;
            cr_assert(there == (bits[block / 64] >> (block % 64) & 1));
            arena_deinit(&arena);
        }
    }
    fixture_deinit(&f);
}

Test(segment_find, dictionary_values_have_their_codes_loaded_or_not)
{
    struct fixture f;
    fixture_init(&f, 5, 500, true);
    for (uint32_t c = 0; c < segment_column_count(f.segment); c++) {
        if (segment_column(f.segment, c)->storage != STORAGE_STR)
            continue;
        const struct dict *dict;
        uint32_t code;
        uint32_t before[3];
        static const char *const probes[] = {"", "ses_7", "zzz"};
        for (uint32_t i = 0; i < 3; i++)
            MUST(segment_dict_find(f.segment, (int)c, slice_text(probes[i]), &before[i], NULL));
        MUST(segment_dict(f.segment, (int)c, &dict, NULL));
        for (uint32_t i = 1; i < dict->count; i++) {
            MUST(segment_dict_find(f.segment, (int)c, dict->values[i], &code, NULL));
            cr_assert(code == i);
            cr_assert(i == 1 || slice_compare(dict->values[i - 1], dict->values[i]) < 0);
        }
        for (uint32_t i = 0; i < 3; i++) {
            MUST(segment_dict_find(f.segment, (int)c, slice_text(probes[i]), &code, NULL));
            cr_assert(code == before[i]);
        }
    }
    fixture_deinit(&f);
}

Test(segment_find, many_values_of_a_dictionary_are_found_page_by_page)
{
    struct schema schema;
    struct builder b;
    struct segment *s = NULL;
    schema_init(&schema);
    builder_init(&b, TABLE_TAGS, &schema);
    struct io *io = io_sim_create(1);
    for (uint32_t i = 0; i < 30000; i++) {
        char text[64];
        builder_row(&b);
        builder_i64(&b, TAGS_time, i);
        int size = snprintf(text, sizeof text, "%llx-by", (unsigned long long)hash_mix(i));
        builder_str(&b, TAGS_by, slice_of(text, (size_t)size));
    }
    struct batch batch = builder_batch(&b);
    (void)segment_of(io, "d.seg", &batch, 1);
    MUST(segment_open(io, "d.seg", &schema, false, &s, NULL));
    int c = segment_column_index(s, table_column(TABLE_TAGS, TAGS_by));
    uint32_t last = 0;
    for (uint32_t i = 0; i < 30000; i += 333) {
        char text[64];
        uint32_t code;
        int size = snprintf(text, sizeof text, "%llx-by", (unsigned long long)hash_mix(i));
        MUST(segment_dict_find(s, c, slice_of(text, (size_t)size), &code, NULL));
        cr_assert(code != 0);
        cr_assert(code != last);
        last = code;
        MUST(segment_dict_find(s, c, slice_of(text, (size_t)size - 1), &code, NULL));
        cr_assert(code == 0);
    }
    segment_close(s);
    io_destroy(io);
    builder_deinit(&b);
    schema_deinit(&schema);
}

Test(segment_find, clustering_orders_by_session_trace_time_and_keeps_every_row)
{
    struct schema schema;
    struct builder b;
    struct rng rng;
    schema_init(&schema);
    rng_init(&rng, 9);
    builder_init(&b, TABLE_SPANS, &schema);
    rows_lifelike(&b, &rng, 3000, 1763856000000000000, false);
    struct batch batch = builder_batch(&b);
    uint32_t *rows = mem_alloc(batch.rows * sizeof *rows);
    uint8_t *seen = mem_zero(batch.rows, 1);
    rows_cluster(&batch, rows);
    const struct vector *session = batch_vector(&batch, SPANS_session);
    const struct vector *trace = batch_vector(&batch, SPANS_trace_id);
    const struct vector *time = batch_vector(&batch, SPANS_time);
    for (uint32_t i = 0; i < batch.rows; i++) {
        cr_assert(seen[rows[i]]++ == 0);
        if (i == 0)
            continue;
        uint32_t x = rows[i - 1];
        uint32_t y = rows[i];
        int order = session->codes[y] == 0 ? -(session->codes[x] != 0)
                    : session->codes[x] == 0
                        ? 1
                        : slice_compare(vector_bytes(session, x), vector_bytes(session, y));
        if (order == 0)
            order = id128_compare(trace->id128[x], trace->id128[y]);
        if (order == 0)
            order = (time->i64[x] > time->i64[y]) - (time->i64[x] < time->i64[y]);
        cr_assert(order <= 0, "row %u", i);
    }
    mem_free(rows);
    mem_free(seen);
    builder_deinit(&b);
    schema_deinit(&schema);
}
