/*
 * race_head.c - one thread appends and publishes, others hold views and check every value they see.
 *
 * What a cell must hold follows from its row and column alone, so a reader needs no lock to know it.
 * The rows are such that masks, columns, larger first chunks, larger dictionaries and new chunks all
 * come into being while readers look at earlier rows. Run under ThreadSanitizer; a few seconds.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/base/thread.h"
#include "engine/head/head.h"

#define ROWS            40000u
#define READERS         3u
#define TRACE_ROWS      5u
#define SESSIONS        9000u
#define FIRST_NULL      700u   /* tokens_in has values in all rows before */
#define FIRST_TEMP      9000u  /* temperature: no value before */
#define FIRST_SCORE     20000u /* score.a: likewise */
#define TEXT_BYTES_MOST 32u

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #fact);                       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct race {
    struct schema schema;
    const struct column *score;
    struct head *head;
    _Atomic bool done;
    _Atomic uint64_t cells_checked;
    _Atomic uint64_t next_seed;
};

static uint64_t cell_hash(uint64_t row, uint16_t column_id)
{
    return hash_mix(row * 65536 + column_id + 1);
}

static struct id128 trace_of(uint64_t row)
{
    struct id128 id = {{1}};
    uint64_t number = row / TRACE_ROWS;
    memcpy(id.bytes + 8, &number, sizeof number);
    return id;
}

/* The text of a STR or TEXT cell. */
static struct slice text_of(uint64_t row, uint16_t column_id, char to[TEXT_BYTES_MOST])
{
    uint64_t bound = column_id == SPANS_session ? SESSIONS : 7;
    if (column_id == SPANS_attributes)
        bound = UINT64_MAX;
    (void)snprintf(to, TEXT_BYTES_MOST, "%u-%llu", column_id,
                   (unsigned long long)(cell_hash(row, column_id) % bound));
    return slice_text(to);
}

static bool cell_has(uint64_t row, uint16_t column_id)
{
    if (column_id == SPANS_tokens_in)
        return row < FIRST_NULL || cell_hash(row, column_id) % 5 != 0;
    if (column_id == SPANS_temperature)
        return row >= FIRST_TEMP && row % 3 == 0;
    if (column_id == SPANS_model || column_id == SPANS_attributes)
        return cell_hash(row, column_id) % 4 != 0;
    if (column_id >= COLUMN_DYNAMIC)
        return row >= FIRST_SCORE;
    return true;
}

static int64_t number_of(uint64_t row, uint16_t column_id)
{
    return (int64_t)(cell_hash(row, column_id) >> 24);
}

static void add_row(struct builder *b, const struct race *race, uint64_t row)
{
    char text[TEXT_BYTES_MOST];
    builder_row(b);
    builder_i64(b, SPANS_time, (int64_t)row);
    builder_id128(b, SPANS_trace_id, trace_of(row));
    builder_id64(b, SPANS_span_id, row);
    builder_str(b, SPANS_session, text_of(row, SPANS_session, text));
    if (cell_has(row, SPANS_model))
        builder_str(b, SPANS_model, text_of(row, SPANS_model, text));
    if (cell_has(row, SPANS_attributes))
        builder_str(b, SPANS_attributes, text_of(row, SPANS_attributes, text));
    if (cell_has(row, SPANS_tokens_in))
        builder_i64(b, SPANS_tokens_in, number_of(row, SPANS_tokens_in));
    if (cell_has(row, SPANS_temperature))
        builder_f64(b, SPANS_temperature, (double)number_of(row, SPANS_temperature));
    if (cell_has(row, race->score->id))
        builder_f64(b, race->score->id, (double)number_of(row, race->score->id));
}

static void write_rows(void *context)
{
    struct race *race = context;
    struct builder builder;
    struct rng r;
    rng_init(&r, 1);
    builder_init(&builder, TABLE_SPANS, &race->schema);
    for (uint64_t row = 0; row < ROWS;) {
        uint64_t count = 1 + rng_below(&r, rng_below(&r, 4) == 0 ? 700 : 60);
        count = count < ROWS - row ? count : ROWS - row;
        builder_reset(&builder);
        for (uint64_t i = 0; i < count; i++)
            add_row(&builder, race, row + i);
        struct batch b = builder_batch(&builder);
        head_append(race->head, &b, NULL, b.rows);
        for (uint64_t i = 0; i < count; i++)
            head_set_i64(race->head, row + i, SPANS_seq, (int64_t)(row + i + 1));
        CHECK(head_find(race->head, trace_of(row), row) == (int64_t)row);
        /* In two steps: rows may be published while later ones are in. */
        head_publish(race->head, row + count / 2);
        head_publish(race->head, row + count);
        row += count;
    }
    builder_deinit(&builder);
    atomic_store_explicit(&race->done, true, memory_order_release);
}

static void check_cell(const struct vector *v, uint32_t i, uint64_t row, const struct column *c)
{
    char text[TEXT_BYTES_MOST];
    bool has = c->id == SPANS_seq || cell_has(row, c->id);
    CHECK(vector_has(v, i) == has);
    if (!has)
        return;
    if (c->id == SPANS_time || c->id == SPANS_seq)
        CHECK(v->i64[i] == (int64_t)row + (c->id == SPANS_seq));
    else if (c->storage == STORAGE_I64)
        CHECK(v->i64[i] == number_of(row, c->id));
    else if (c->storage == STORAGE_F64)
        CHECK(v->f64[i] == (double)number_of(row, c->id));
    else if (c->storage == STORAGE_ID64)
        CHECK(v->id64[i] == row);
    else if (c->storage == STORAGE_ID128)
        CHECK(id128_equal(v->id128[i], trace_of(row)));
    else
        CHECK(slice_equal(vector_bytes(v, i), text_of(row, c->id, text)));
}

/* The last rows of the view, where the writer is near, and a few others. */
static void check_column(struct race *race, struct head_view *view, const struct column *c,
                         struct rng *r, struct arena *arena)
{
    uint32_t chunks = head_chunk_count(head_view_rows(view));
    uint32_t chunk = rng_below(r, 3) != 0 ? chunks - 1 : (uint32_t)rng_below(r, chunks);
    struct vector v;
    head_view_read(view, c, chunk, arena, &v);
    uint32_t from = v.rows > 40 ? v.rows - 40 : 0;
    for (uint32_t i = from; i < v.rows; i++)
        check_cell(&v, i, (uint64_t)chunk * BLOCK_ROWS + i, c);
    for (uint32_t k = 0; k < 40; k++) {
        uint32_t i = (uint32_t)rng_below(r, v.rows);
        check_cell(&v, i, (uint64_t)chunk * BLOCK_ROWS + i, c);
    }
    atomic_fetch_add_explicit(&race->cells_checked, 40 + v.rows - from, memory_order_relaxed);
}

static void check_view(struct race *race, struct head_view *view, struct rng *r,
                       struct arena *arena)
{
    static const uint16_t ids[] = {SPANS_time,       SPANS_trace_id, SPANS_span_id,
                                   SPANS_session,    SPANS_model,    SPANS_tokens_in,
                                   SPANS_attributes, SPANS_seq,      SPANS_temperature};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        check_column(race, view, table_column(TABLE_SPANS, ids[i]), r, arena);
    check_column(race, view, race->score, r, arena);

    uint64_t watermark = head_view_rows(view);
    uint64_t row = rng_below(r, watermark);
    uint64_t rows[TRACE_ROWS + 1];
    uint32_t found = head_view_find_trace(view, trace_of(row), rows, TRACE_ROWS + 1);
    uint64_t first = row / TRACE_ROWS * TRACE_ROWS;
    uint64_t visible = watermark - first < TRACE_ROWS ? watermark - first : TRACE_ROWS;
    CHECK(found == visible);
    for (uint32_t i = 0; i < found; i++)
        CHECK(rows[i] == first + i);

    int64_t min_ns;
    int64_t max_ns;
    uint64_t seq_min;
    uint64_t seq_max;
    uint32_t last = head_chunk_count(watermark) - 1;
    head_view_chunk_time(view, last, &min_ns, &max_ns);
    CHECK(min_ns == (int64_t)last * BLOCK_ROWS && max_ns >= (int64_t)watermark - 1);
    CHECK(head_bounds(race->head, &min_ns, &max_ns, &seq_min, &seq_max));
    CHECK(min_ns == 0 && max_ns >= (int64_t)watermark - 1);
    CHECK(seq_min == 1 && seq_max >= watermark);
}

static void read_rows(void *context)
{
    struct race *race = context;
    struct rng r;
    struct arena arena = {0};
    rng_init(&r, atomic_fetch_add_explicit(&race->next_seed, 1, memory_order_relaxed));
    struct head_view *kept = NULL;
    bool last = false;
    while (!last) {
        last = atomic_load_explicit(&race->done, memory_order_acquire);
        uint64_t watermark = head_published(race->head);
        CHECK(head_rows(race->head) >= watermark || !last);
        if (watermark == 0)
            continue;
        struct head_view *view = head_view_create(race->head, watermark);
        check_view(race, view, &r, &arena);
        /* An old view stays true. */
        if (kept != NULL)
            check_view(race, kept, &r, &arena);
        if (kept == NULL || rng_below(&r, 20) == 0) {
            head_view_destroy(kept);
            kept = view;
        } else {
            head_view_destroy(view);
        }
        CHECK(head_bytes(race->head) > 0);
        arena_reset(&arena);
    }
    head_view_destroy(kept);
    arena_deinit(&arena);
}

int main(void)
{
    struct race race = {0};
    schema_init(&race.schema);
    CHECK(schema_add_score(&race.schema, slice_text("score.a"), &race.score, NULL) == STATUS_OK);
    race.head = head_create(TABLE_SPANS, &race.schema);
    struct thread writer;
    struct thread readers[READERS];
    for (uint32_t i = 0; i < READERS; i++)
        thread_start(&readers[i], "reader", read_rows, &race);
    thread_start(&writer, "writer", write_rows, &race);
    thread_join(&writer);
    for (uint32_t i = 0; i < READERS; i++)
        thread_join(&readers[i]);
    CHECK(head_published(race.head) == ROWS);
    unsigned long long checked = race.cells_checked;
    CHECK(checked > 0);
    printf("%u rows written, %llu cells checked\n", ROWS, checked);
    head_destroy(race.head);
    schema_deinit(&race.schema);
    return 0;
}
