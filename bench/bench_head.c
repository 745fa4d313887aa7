/*
 * bench_head.c - how fast a head takes rows of 27 columns, finds duplicates and traces, and is read.
 *
 * usage: bench_head [ROWS [BATCH_ROWS]]     (1000000, and each of 512, 2048, 8192)
 *
 * Batches are made beforehand with dictionaries that cover the whole connection, as the wire brings
 * them, and copied to warm memory as decoding leaves it, so that only the head is timed.
 * Expected of one core that is not shared: 170 to 250 ns a row (4 to 6 M rows/s) warm, 210 bytes a
 * row, no batch above 15 ms, 30 M lookups/s, a trace in 10 us. The first head is slower where the
 * system still has to find the memory (a fresh virtual machine: 2 M rows/s).
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/head/head.h"

#define BATCH_COLUMNS 27u
#define ROWS_MAX      (16u << 20)

/* One whole-run column; batches are windows of it. */
struct bench_column {
    const struct column *column;
    void *payload;
    uint8_t *valid;
    struct dict dict;
};

struct bench {
    uint32_t rows;
    struct arena arena;
    struct schema schema;
    struct bench_column columns[BATCH_COLUMNS];
    uint32_t column_count;
    struct id128 *traces;
    uint64_t *spans;
};

static struct bench_column *column_add(struct bench *b, const struct column *column)
{
    struct bench_column *c = &b->columns[b->column_count++];
    c->column = column;
    c->payload = mem_zero(b->rows, storage_width(column->storage));
    return c;
}

static struct bench_column *fixed_add(struct bench *b, uint16_t id)
{
    return column_add(b, table_column(TABLE_SPANS, id));
}

/* A STR column of `distinct` values, low ones frequent. One row in null_of is NULL (0: none); rows of a
 * trace agree when by_trace. */
static void add_str(struct bench *b, struct rng *r, uint16_t id, uint32_t distinct,
                    uint32_t null_of, bool by_trace)
{
    struct bench_column *c = fixed_add(b, id);
    struct slice *values = ARENA_ARRAY(&b->arena, struct slice, distinct + 1);
    values[0] = SLICE_EMPTY;
    for (uint32_t i = 1; i <= distinct; i++)
        values[i] =
            slice_text(arena_printf(&b->arena, "%s_%08x", c->column->name, i * 2654435761u));
    c->dict = (struct dict){.values = values, .count = distinct + 1};
    uint32_t *codes = c->payload;
    for (uint32_t i = 0; i < b->rows; i++) {
        double unit = rng_unit(r);
        if (by_trace && i != 0 && id128_equal(b->traces[i], b->traces[i - 1]))
            codes[i] = codes[i - 1];
        else if (null_of == 0 || rng_below(r, null_of) != 0)
            codes[i] = 1 + (uint32_t)(unit * unit * distinct);
    }
}

static void add_numbers(struct bench *b, struct rng *r, uint16_t id, uint64_t bound)
{
    struct bench_column *c = fixed_add(b, id);
    for (uint32_t i = 0; i < b->rows; i++)
        ((int64_t *)c->payload)[i] = (int64_t)rng_below(r, bound);
}

/* A value in one row of three. */
static void add_sparse_f64(struct bench *b, struct rng *r, const struct column *column)
{
    struct bench_column *c = column_add(b, column);
    c->valid = mem_zero(b->rows, 1);
    for (uint32_t i = 0; i < b->rows; i++) {
        c->valid[i] = rng_below(r, 3) == 0;
        ((double *)c->payload)[i] = c->valid[i] != 0 ? rng_unit(r) : 0;
    }
}

static void add_ids(struct bench *b, struct rng *r)
{
    struct bench_column *times = fixed_add(b, SPANS_time);
    struct bench_column *traces = fixed_add(b, SPANS_trace_id);
    struct bench_column *spans = fixed_add(b, SPANS_span_id);
    struct bench_column *parents = fixed_add(b, SPANS_parent_id);
    b->traces = traces->payload;
    b->spans = spans->payload;
    parents->valid = mem_zero(b->rows, 1);
    uint64_t trace = 0;
    uint32_t left = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        bool root = left == 0;
        if (root) {
            trace++;
            left = 1 + (uint32_t)(rng_unit(r) * rng_unit(r) * 9);
        }
        left--;
        uint64_t half[2] = {hash_mix(trace), hash_mix(~trace)};
        memcpy(b->traces[i].bytes, half, sizeof half);
        b->spans[i] = rng_u64(r);
        ((int64_t *)times->payload)[i] = 1763856000000000000 + (int64_t)i * 86400000;
        parents->valid[i] = !root;
        ((uint64_t *)parents->payload)[i] = root ? 0 : b->spans[i - 1];
    }
}

static void add_scores(struct bench *b, struct rng *r)
{
    static const char *const names[] = {"score.groundedness", "score.relevance", "score.toxicity"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct column *column;
        if (schema_add_score(&b->schema, slice_text(names[i]), &column, NULL) < 0)
            abort();
        add_sparse_f64(b, r, column);
    }
}

static void bench_init(struct bench *b, uint32_t rows)
{
    struct rng r;
    rng_init(&r, 1);
    *b = (struct bench){.rows = rows};
    schema_init(&b->schema);
    add_ids(b, &r);
    add_str(b, &r, SPANS_session, rows / 40 + 1, 0, true);
    add_str(b, &r, SPANS_user_id, rows / 200 + 7, 0, true);
    add_str(b, &r, SPANS_service, 6, 0, true);
    add_str(b, &r, SPANS_kind, 5, 0, false);
    add_str(b, &r, SPANS_name, 24, 0, false);
    add_str(b, &r, SPANS_model, 12, 3, false);
    add_str(b, &r, SPANS_prompt_name, 20, 0, true);
    add_str(b, &r, SPANS_prompt_version, 9, 0, true);
    add_str(b, &r, SPANS_error_class, 8, 0, false);
    add_str(b, &r, SPANS_finish_reason, 5, 2, false);
    add_numbers(b, &r, SPANS_http_status, 500);
    add_numbers(b, &r, SPANS_latency_ms, 30000000000);
    add_numbers(b, &r, SPANS_ttft_ms, 2000000000);
    add_numbers(b, &r, SPANS_tokens_in, 10000);
    add_numbers(b, &r, SPANS_tokens_out, 1000);
    add_numbers(b, &r, SPANS_tokens_cached, 5000);
    add_numbers(b, &r, SPANS_cost_usd, 100000000);
    add_str(b, &r, SPANS_pricing_version, 2, 3, false);
    add_scores(b, &r);
    add_str(b, &r, SPANS_tool_name, 30, 2, false);
    add_sparse_f64(b, &r, table_column(TABLE_SPANS, SPANS_temperature));
}

static void bench_deinit(struct bench *b)
{
    for (uint32_t i = 0; i < b->column_count; i++) {
        mem_free(b->columns[i].payload);
        mem_free(b->columns[i].valid);
    }
    arena_deinit(&b->arena);
    schema_deinit(&b->schema);
}

/* Rows [first, first + rows) as a batch in memory that was just written, as after decoding. */
static struct batch window(const struct bench *b, uint32_t first, uint32_t rows,
                           struct arena *arena)
{
    struct batch_column *columns = ARENA_ARRAY(arena, struct batch_column, b->column_count);
    for (uint32_t i = 0; i < b->column_count; i++) {
        const struct bench_column *c = &b->columns[i];
        struct vector v = {.storage = c->column->storage, .rows = rows};
        size_t width = storage_width(v.storage);
        void *payload = arena_alloc(arena, rows * width);
        memcpy(payload, (const uint8_t *)c->payload + first * width, rows * width);
        v.i64 = payload;
        if (c->valid != NULL) {
            uint8_t *valid = arena_alloc(arena, rows);
            memcpy(valid, c->valid + first, rows);
            v.valid = valid;
        }
        v.dict = v.storage == STORAGE_STR ? &c->dict : NULL;
        columns[i] = (struct batch_column){.column = c->column, .vector = v};
    }
    return (struct batch){
        .table = TABLE_SPANS, .rows = rows, .column_count = b->column_count, .columns = columns};
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static void bench_append(const struct bench *b, struct head *h, uint32_t batch_rows,
                         const char *memory)
{
    struct arena arena = {0};
    double s = 0;
    double worst_s = 0;
    for (uint32_t first = 0; first < b->rows; first += batch_rows) {
        uint32_t rows = b->rows - first < batch_rows ? b->rows - first : batch_rows;
        struct batch batch = window(b, first, rows, &arena);
        int64_t start_ns = clock_monotonic_ns();
        head_append(h, &batch, NULL, rows);
        head_publish(h, head_rows(h));
        double one_s = seconds_since(start_ns);
        s += one_s;
        worst_s = one_s > worst_s ? one_s : worst_s;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    printf(
        "append    batch %5u  %s  %6.2f M rows/s  %5.0f ns/row  %5.0f bytes/row  worst batch %.2f ms"
        "  (want > 3 M rows/s, < 50 ms)\n",
        batch_rows, memory, b->rows / s / 1e6, s / b->rows * 1e9, (double)head_bytes(h) / b->rows,
        worst_s * 1e3);
}

static void bench_find(const struct bench *b, const struct head *h)
{
    enum {
        STEP = 1024
    };
    int64_t rows[STEP];
    uint64_t absent[STEP];
    uint64_t found = 0;
    for (uint32_t miss = 0; miss < 2; miss++) {
        int64_t start_ns = clock_monotonic_ns();
        uint64_t asked = 0;
        for (uint32_t first = 0; first + STEP <= b->rows; first += STEP, asked += STEP) {
            for (uint32_t i = 0; i < STEP && miss != 0; i++)
                absent[i] = ~b->spans[first + i];
            head_find_many(h, b->traces + first, miss != 0 ? absent : b->spans + first, STEP, rows);
            for (uint32_t i = 0; i < STEP; i++)
                found += rows[i] >= 0;
        }
        double s = seconds_since(start_ns);
        printf("find_many %s  %6.1f M spans/s  (want > 10 M/s; found so far %lu)\n",
               miss != 0 ? "absent " : "present", (double)asked / s / 1e6, (unsigned long)found);
    }
}

static void bench_read(const struct bench *b, const struct head *h)
{
    struct head_view *view = head_view_create(h, head_published(h));
    struct arena arena = {0};
    int64_t start_ns = clock_monotonic_ns();
    int64_t sum = 0;
    for (uint32_t chunk = 0; chunk < head_chunk_count(head_view_rows(view)); chunk++) {
        struct vector v;
        head_view_read(view, table_column(TABLE_SPANS, SPANS_latency_ms), chunk, &arena, &v);
        for (uint32_t i = 0; i < v.rows; i++)
            sum += v.i64[i];
    }
    double s = seconds_since(start_ns);
    printf("read      one column summed  %6.0f M rows/s  (want > 1000 M/s; sum %ld)\n",
           b->rows / s / 1e6, (long)sum);

    enum {
        LOOKUPS = 1000
    };
    uint64_t rows[64];
    uint64_t found = 0;
    start_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < LOOKUPS; i++)
        found += head_view_find_trace(view, b->traces[(uint64_t)i * b->rows / LOOKUPS], rows, 64);
    s = seconds_since(start_ns);
    printf("trace     %6.1f us a lookup  (want < 100 us; %lu rows)\n", s / LOOKUPS * 1e6,
           (unsigned long)found);

    start_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < LOOKUPS; i++)
        head_view_destroy(head_view_create(h, head_published(h)));
    printf("view      %6.2f us to make and drop  (want < 2 us)\n",
           seconds_since(start_ns) / LOOKUPS * 1e6);
    arena_deinit(&arena);
    head_view_destroy(view);
}

int main(int argc, char **argv)
{
    long rows = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
    long batch_rows = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (rows < 1 || rows > ROWS_MAX || batch_rows < 0 || batch_rows > BATCH_ROWS_MAX) {
        (void)fprintf(stderr, "usage: bench_head [ROWS (1..%u) [BATCH_ROWS (1..%u)]]\n", ROWS_MAX,
                      BATCH_ROWS_MAX);
        return 2;
    }
    struct bench b;
    bench_init(&b, (uint32_t)rows);
    /* The first head pays for memory the system never handed out before. */
    static const uint32_t sizes[] = {512, 512, 2048, 8192};
    for (size_t i = 0; i < 4; i++) {
        struct head *h = head_create(TABLE_SPANS, &b.schema);
        bench_append(&b, h, batch_rows != 0 ? (uint32_t)batch_rows : sizes[i],
                     i == 0 ? "cold" : "warm");
        if (i == 3) {
            bench_find(&b, h);
            bench_read(&b, h);
        }
        head_destroy(h);
    }
    bench_deinit(&b);
    return 0;
}
