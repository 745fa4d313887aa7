/*
 * test_engine_parts.c - the small parts of the engine on their own: commit records, clients, row maps, splits.
 */
#include "engine/client_table.h"
#include "engine/commit.h"
#include "engine/row_map.h"
#include "engine/seal_rows.h"

#include "engine_fixture.h"

#include "engine/base/rng.h"

/* ---- commit records ---- */

static void commit_make(struct buffer *to, struct schema *schema)
{
    struct builder b[TABLE_COUNT];
    struct commit c = {.client = trace_of(5), .batch_seq = 9, .time_ns = HOUR0};
    static const char *const bodies[] = {"{\"a\":1}", "", "{\"b\":2}"};
    struct message messages[3];
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        builder_init(&b[t], (enum table)t, schema);
    for (uint64_t i = 1; i <= 3; i++) {
        span_row(&b[TABLE_SPANS], i, i, HOUR0);
        builder_str(&b[TABLE_SPANS], SPANS_model, slice_text(i == 2 ? "m" : "other"));
    }
    score_row(&b[TABLE_SCORES], 1, 1, "q", 0.5);
    tag_row(&b[TABLE_TAGS], 2, 2, "refusal", "human");
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        c.batches[t] = builder_batch(&b[t]);
    for (uint32_t i = 0; i < 3; i++)
        messages[i] = (struct message){.address = hash128(slice_text(bodies[i])),
                                       .body = slice_text(bodies[i])};
    c.messages = messages;
    c.message_count = 3;
    commit_encode(&c, to);
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        builder_deinit(&b[t]);
}

Test(engine_parts, a_commit_record_comes_back_as_it_went)
{
    struct buffer bytes = {0};
    struct arena arena = {0};
    struct schema schema;
    struct commit c;
    struct error error = {0};
    schema_init(&schema);
    commit_make(&bytes, &schema);
    cr_assert_eq(commit_decode(buffer_slice(&bytes), &schema, &arena, &c, &error), STATUS_OK, "%s",
                 error.text);
    cr_expect(id128_equal(c.client, trace_of(5)));
    cr_expect_eq(c.batch_seq, 9);
    cr_expect_eq(c.time_ns, HOUR0);
    cr_expect_eq(c.batches[TABLE_SPANS].rows, 3);
    cr_expect(slice_is(vector_bytes(batch_vector(&c.batches[TABLE_SPANS], SPANS_model), 1), "m"));
    cr_expect_eq(c.batches[TABLE_SCORES].rows, 1);
    cr_expect_eq(c.batches[TABLE_TAGS].rows, 1);
    cr_expect_eq(c.message_count, 3);
    cr_expect(slice_is(c.messages[2].body, "{\"b\":2}"));
    cr_expect_eq(c.messages[1].body.size, 0);
    buffer_deinit(&bytes);
    arena_deinit(&arena);
    schema_deinit(&schema);
}

/* Malformed bytes are an error or decode to something; they never hurt. (The log's checksum is what tells them apart.) */
static enum status decode(struct slice bytes)
{
    struct arena arena = {0};
    struct schema schema;
    struct commit c;
    struct error error = {0};
    schema_init(&schema);
    /* A copy of exact size, so that reading beyond it is seen. */
    uint8_t *copy = mem_alloc(bytes.size);
    bytes_copy(copy, bytes.data, bytes.size);
    enum status s = commit_decode(slice_of(copy, bytes.size), &schema, &arena, &c, &error);
    if (s < 0)
        cr_expect_neq(error.text[0], 0);
    mem_free(copy);
    arena_deinit(&arena);
    schema_deinit(&schema);
    return s;
}

Test(engine_parts, a_truncated_commit_record_is_refused)
{
    struct buffer bytes = {0};
    struct schema schema;
    schema_init(&schema);
    commit_make(&bytes, &schema);
    for (size_t size = 0; size < bytes.size; size++)
        cr_expect_lt(decode(slice_of(bytes.data, size)), 0, "%zu bytes", size);
    put_u8(&bytes, 0);
    cr_expect_lt(decode(buffer_slice(&bytes)), 0, "one byte too many");
    buffer_deinit(&bytes);
    schema_deinit(&schema);
}

Test(engine_parts, every_flipped_bit_of_a_commit_record_is_survived)
{
    struct buffer bytes = {0};
    struct schema schema;
    uint32_t refused = 0;
    schema_init(&schema);
    commit_make(&bytes, &schema);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refused += decode(buffer_slice(&bytes)) < 0;
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_expect_gt(refused, 100);
    /* The version and the reserved bytes are always checked. */
    for (size_t at = 0; at < 4; at++) {
        bytes.data[at] ^= 0x80;
        cr_expect_lt(decode(buffer_slice(&bytes)), 0);
        bytes.data[at] ^= 0x80;
    }
    buffer_deinit(&bytes);
    schema_deinit(&schema);
}

/* ---- clients ---- */

struct expired {
    uint32_t count;
    struct id128 last;
};

static void expired_note(void *context, struct id128 id)
{
    struct expired *e = context;
    e->count++;
    e->last = id;
}

Test(engine_parts, clients_are_remembered_until_they_are_old)
{
    struct client_table t = {0};
    struct expired expired = {0};
    cr_expect_null(client_table_find(&t, trace_of(1)));
    for (uint64_t i = 0; i < 1000; i++) {
        client_table_apply(&t, trace_of(i), i + 1, i, HOUR0 + (int64_t)i);
        client_table_durable(&t, trace_of(i), i + 1, i);
        client_table_find(&t, trace_of(i))->saved_batch_seq = i % 2 == 0 ? i + 1 : 0;
    }
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(client_table_find(&t, trace_of(i))->batch_seq, i + 1);
    client_table_apply(&t, trace_of(5), 3, 9999, HOUR0);
    cr_expect_eq(client_table_find(&t, trace_of(5))->batch_seq, 6, "never backwards");
    client_table_expire(&t, HOUR0, expired_note, &expired);
    cr_expect_eq(t.count, 1000);
    client_table_expire(&t, HOUR0 - CLIENT_AGE_NS * 10, expired_note, &expired);
    cr_expect_eq(t.count, 1000, "a clock set back expires nobody");
    /* In flight: its last batch is not durable. */
    client_table_apply(&t, trace_of(0), 2000, 2000, HOUR0);
    client_table_expire(&t, HOUR0 + CLIENT_AGE_NS + 501, expired_note, &expired);
    cr_expect_eq(t.count, 500);
    cr_expect_not_null(client_table_find(&t, trace_of(0)));
    cr_expect_null(client_table_find(&t, trace_of(400)));
    cr_expect_not_null(client_table_find(&t, trace_of(501)));
    cr_expect_eq(expired.count, 250, "those the manifest knows");
    client_table_deinit(&t);
}

Test(engine_parts, too_many_clients_lose_the_least_recent)
{
    struct client_table t = {0};
    struct expired expired = {0};
    for (uint64_t i = 0; i < CLIENTS_MAX + 10; i++)
        client_table_load(&t, trace_of(i), 1, 1, HOUR0 + (int64_t)i);
    client_table_expire(&t, HOUR0 + 1000000, expired_note, &expired);
    cr_expect_eq(t.count, CLIENTS_MAX);
    cr_expect_eq(expired.count, 10);
    cr_expect_null(client_table_find(&t, trace_of(9)));
    cr_expect_not_null(client_table_find(&t, trace_of(10)));
    client_table_deinit(&t);
}

/* ---- row maps ---- */

Test(engine_parts, a_row_map_names_the_first_of_equal_keys)
{
    struct row_map m;
    struct arena arena = {0};
    struct id128 traces[1000];
    uint64_t spans[1000];
    uint8_t repeated[1000] = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        traces[i] = trace_of(i % 900 / 3);
        spans[i] = i % 900 % 3;
    }
    cr_expect_eq(row_map_build(&m, traces, spans, 1000, 7, &arena, repeated), 100);
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert_eq(row_map_find(&m, traces[i], spans[i]), i % 900);
        cr_assert_eq(repeated[i], i >= 900);
    }
    cr_expect_eq(row_map_find(&m, trace_of(5), 3), -1);
    struct row_map empty = {0};
    cr_expect_eq(row_map_find(&empty, trace_of(5), 3), -1);
    arena_deinit(&arena);
}

/* ---- splits ---- */

static void split_check(const int64_t *times, uint32_t rows, uint32_t files_max)
{
    struct arena arena = {0};
    struct split s;
    split_rows(times, rows, &arena, &s);
    uint8_t *seen = mem_zero(rows, 1);
    uint32_t next = 0;
    for (uint32_t g = 0; g < s.group_count; g++) {
        cr_assert_eq(s.groups[g].first, next);
        cr_assert_gt(s.groups[g].count, 0);
        cr_assert_lt(s.groups[g].file, s.file_count);
        if (g > 0)
            cr_assert(s.groups[g].file > s.groups[g - 1].file ||
                      (s.groups[g].file == s.groups[g - 1].file &&
                       s.groups[g].hour > s.groups[g - 1].hour));
        for (uint32_t i = 0; i < s.groups[g].count; i++) {
            uint32_t row = s.order[next + i];
            int64_t hour = times[row] / NS_PER_HOUR - (times[row] % NS_PER_HOUR < 0);
            cr_assert_eq(hour, s.groups[g].hour);
            cr_assert_eq(seen[row], 0);
            seen[row] = 1;
        }
        next += s.groups[g].count;
    }
    cr_expect_eq(next, rows);
    cr_expect_leq(s.file_count, files_max);
    mem_free(seen);
    arena_deinit(&arena);
}

Test(engine_parts, every_row_is_in_one_group_of_its_hour)
{
    enum {
        ROWS = 20000
    };
    int64_t *times = mem_alloc(ROWS * sizeof *times);
    struct rng r;
    rng_init(&r, 3);
    for (uint32_t i = 0; i < ROWS; i++)
        times[i] = HOUR0 + (int64_t)rng_below(&r, 3 * (uint64_t)NS_PER_HOUR);
    split_check(times, ROWS, 3);
    split_check(times, 1, 1);
    /* Two weeks: more hours than files. */
    for (uint32_t i = 0; i < ROWS; i++)
        times[i] = HOUR0 + (int64_t)rng_below(&r, 14 * (uint64_t)NS_PER_DAY);
    split_check(times, ROWS, SPLIT_DENSE_MAX + SPLIT_SPARSE_MAX);
    /* Three years, then all of time, both ends included. */
    for (uint32_t i = 0; i < ROWS; i++)
        times[i] = HOUR0 + (int64_t)rng_below(&r, 1100 * (uint64_t)NS_PER_DAY);
    split_check(times, ROWS, SPLIT_DENSE_MAX + SPLIT_SPARSE_MAX);
    for (uint32_t i = 0; i < ROWS; i++)
        times[i] = (int64_t)rng_u64(&r);
    times[0] = INT64_MIN;
    times[1] = INT64_MAX;
    times[2] = -1;
    times[3] = 0;
    split_check(times, ROWS, SPLIT_DENSE_MAX + 1 + ROWS / SPLIT_GROUPS_MAX);
    mem_free(times);
}
