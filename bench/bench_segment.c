/*
 * bench_segment.c - bytes a span by column, and how fast segments are written and read.
 *
 * usage: bench_segment [ROWS]              rows of an own generator (2,000,000 over 4 hours)
 *        bench_segment --csv FILE [ROWS]   rows from CSV with import names, ordered by time
 *        BENCH_TIER=seal: as the newest files are written (fast); else as merged ones (small)
 *
 * Arithmetic for the generated rows (2.7 spans a trace): trace_id 16 / 2.7 = 5.9 B, span_id 8 B, time 32 bits a trace
 * and 19 a step = 3.0 B, latency 21.5 bits = 2.7 B, ttft, tokens, cost of the 40 % llm spans 3.7 B, scores of every eighth
 * span 0.7 B, dictionary codes 1.9 B, row sets 0.5 B, trace index 25 bits a trace = 1.0 B: 27 B a span (gen.c's rows: 28).
 * Decoding a column, ns a row: raw 0.01, codes 0.5-1.5, numbers 1-2.5, trace-anchored time 2.5-4 (bins 1 ns a value, unpacking 0.1
 * with AVX2). Encoding: 1.3 us a row and core for seal files (27 columns), 2 us for merged ones.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/intern.h"
#include "engine/base/rng.h"
#include "engine/segment/segment_read.h"
#include "engine/span/cell.h"

#define GROUPS_MAX  24u
#define CHUNKS_MAX  128u
#define COLUMNS_MAX 64u
#define FIELDS_MAX  64u
#define DECODE_RUNS 3u
#define SESSIONS    250000u

static void must(enum status s, const struct error *e)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "bench_segment: %s\n", e->text);
    exit(1);
}

/* Rows of one hour each, in builders of at most BATCH_ROWS_MAX rows. */
struct source {
    struct schema schema;
    struct builder chunks[CHUNKS_MAX];
    uint32_t group_of[CHUNKS_MAX];
    uint32_t chunk_count;
    uint32_t group_count;
    int64_t hour; /* of the last group */
    uint64_t rows;
    uint32_t *turns; /* roots seen of a session, by hash */
};

static struct builder *source_chunk(struct source *s, int64_t time_ns)
{
    int64_t hour = time_ns / NS_PER_HOUR;
    bool next = s->group_count == 0 || (hour > s->hour && s->group_count < GROUPS_MAX);
    if (next) {
        s->group_count++;
        s->hour = hour;
    }
    if (next || s->chunks[s->chunk_count - 1].rows == BATCH_ROWS_MAX) {
        if (s->chunk_count == CHUNKS_MAX)
            exit(1);
        s->group_of[s->chunk_count] = s->group_count - 1;
        builder_init(&s->chunks[s->chunk_count++], TABLE_SPANS, &s->schema);
    }
    return &s->chunks[s->chunk_count - 1];
}

/* Appends a chunk's column to a group's, codes by way of the group's dictionary. */
static void column_append(struct batch_column *to, struct intern *values, uint32_t at,
                          const struct vector *from)
{
    size_t width = storage_width(from->storage);
    uint8_t *valid = (uint8_t *)(uintptr_t)to->vector.valid + at;
    uint8_t *payload = (uint8_t *)(uintptr_t)to->vector.i64 + at * width;
    for (uint32_t row = 0; row < from->rows; row++)
        valid[row] = vector_has(from, row);
    if (from->storage != STORAGE_STR) {
        memcpy(payload, from->i64, from->rows * width);
        return;
    }
    for (uint32_t row = 0; row < from->rows; row++) {
        uint32_t code = from->codes[row];
        code = code == 0 ? 0 : intern_add(values, from->dict->values[code]);
        memcpy(payload + row * width, &code, width);
    }
}

struct group_rows {
    struct arena arena;
    struct batch batch;
    struct batch_column columns[COLUMNS_MAX];
    struct intern values[COLUMNS_MAX];
    struct dict dicts[COLUMNS_MAX];
};

static uint32_t group_column(struct group_rows *g, const struct column *column)
{
    for (uint32_t i = 0; i < g->batch.column_count; i++) {
        if (g->columns[i].column == column)
            return i;
    }
    uint32_t i = g->batch.column_count++;
    size_t bytes = g->batch.rows * storage_width(column->storage);
    g->columns[i].column = column;
    g->columns[i].vector = (struct vector){.storage = column->storage, .rows = g->batch.rows};
    g->columns[i].vector.valid = arena_zero(&g->arena, g->batch.rows, 1);
    g->columns[i].vector.i64 = arena_zero(&g->arena, bytes, 1);
    intern_init(&g->values[i]);
    return i;
}

/* One group out of its chunks, which are emptied. */
static struct group_rows *group_join(struct source *s, uint32_t group)
{
    struct group_rows *g = MEM_NEW(struct group_rows);
    g->batch = (struct batch){.table = TABLE_SPANS, .columns = g->columns};
    for (uint32_t i = 0; i < s->chunk_count; i++)
        g->batch.rows += s->group_of[i] == group ? s->chunks[i].rows : 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        if (s->group_of[i] != group)
            continue;
        struct batch b = builder_batch(&s->chunks[i]);
        for (uint32_t c = 0; c < b.column_count; c++) {
            uint32_t index = group_column(g, b.columns[c].column);
            column_append(&g->columns[index], &g->values[index], at, &b.columns[c].vector);
        }
        at += b.rows;
        builder_deinit(&s->chunks[i]);
    }
    for (uint32_t i = 0; i < g->batch.column_count; i++) {
        struct vector *v = &g->columns[i].vector;
        g->dicts[i] = (struct dict){.values = g->values[i].values, .count = g->values[i].count};
        if (v->storage == STORAGE_STR)
            v->dict = &g->dicts[i];
        if (v->storage == STORAGE_STR || memchr(v->valid, 0, v->rows) == NULL)
            v->valid = NULL;
    }
    return g;
}

static void group_destroy(struct group_rows *g)
{
    for (uint32_t i = 0; i < g->batch.column_count; i++)
        intern_deinit(&g->values[i]);
    arena_deinit(&g->arena);
    mem_free(g);
}

/* What the engine adds to a span. */
static void engine_columns(struct source *s, struct builder *b, struct slice session, bool root)
{
    builder_i64(b, SPANS_seq, (int64_t)++s->rows);
    if (root)
        builder_i64(b, SPANS_turn, ++s->turns[hash64(session) % (SESSIONS * 8)]);
}

/* ---- CSV ---- */

static uint32_t fields_split(char *line, struct slice *fields)
{
    uint32_t count = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at != NULL && count < FIELDS_MAX;) {
        char *comma = strchr(at, ',');
        size_t size = comma == NULL ? strlen(at) : (size_t)(comma - at);
        fields[count++] = slice_of(at, size);
        at = comma == NULL ? NULL : comma + 1;
    }
    return count;
}

static void csv_read(struct source *s, const char *path, uint64_t rows_max)
{
    static char line[1 << 16];
    struct slice fields[FIELDS_MAX];
    struct cell_target targets[FIELDS_MAX];
    struct error e = {0};
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL) {
        (void)fprintf(stderr, "bench_segment: can't read %s\n", path);
        exit(1);
    }
    uint32_t count = fields_split(line, fields);
    for (uint32_t i = 0; i < count; i++)
        must(cell_target_find(&s->schema, TABLE_SPANS, fields[i], &targets[i], &e), &e);
    while (s->rows < rows_max && fgets(line, sizeof line, f) != NULL) {
        (void)fields_split(line, fields);
        struct slice session = SLICE_EMPTY;
        bool root = true;
        struct builder *b = source_chunk(s, strtoll((const char *)fields[0].data, NULL, 10) * 1000);
        builder_row(b);
        for (uint32_t i = 0; i < count; i++) {
            uint16_t id = targets[i].column->id;
            if (id == SPANS_error_class && fields[i].size == 0)
                fields[i] = slice_text("none");
            if (id == SPANS_session)
                session = fields[i];
            if (id == SPANS_parent_id)
                root = fields[i].size == 0;
            must(cell_parse(&targets[i], fields[i], b, &e), &e);
        }
        engine_columns(s, b, session, root);
    }
    (void)fclose(f);
}

/* ---- generator ---- */

enum kind {
    KIND_LLM,
    KIND_TOOL,
    KIND_RETRIEVAL,
    KIND_AGENT
};

static int64_t log_normal(struct rng *r, double median, double sigma)
{
    return (int64_t)(median * exp(sigma * rng_normal(r)));
}

static void text_put(struct builder *b, uint16_t id, const char *prefix, uint64_t number)
{
    char text[48];
    int size = snprintf(text, sizeof text, "%s%llu", prefix, (unsigned long long)number);
    builder_str(b, id, slice_of(text, (size_t)size));
}

static void llm_put(struct builder *b, struct rng *r, uint64_t model, uint64_t prompt)
{
    int64_t in = log_normal(r, 1020, 1.1);
    int64_t out = log_normal(r, 129, 1.0);
    int64_t ttft = log_normal(r, 400000, 0.6);
    text_put(b, SPANS_model, "model-", model);
    builder_i64(b, SPANS_ttft_ms, ttft * 1000);
    builder_i64(b, SPANS_latency_ms, (ttft + out * log_normal(r, 18000, 0.2)) * 1000);
    builder_i64(b, SPANS_tokens_in, in);
    builder_i64(b, SPANS_tokens_out, out);
    builder_i64(b, SPANS_tokens_cached, rng_below(r, 3) == 0 ? in / 2 : 0);
    builder_i64(b, SPANS_cost_usd,
                in * (int64_t)(150 * (model + 1)) + out * (int64_t)(600 * (model + 1)));
    builder_str(b, SPANS_pricing_version, slice_text("2026-10"));
    builder_str(b, SPANS_finish_reason, slice_text(rng_below(r, 5) == 0 ? "tool_calls" : "stop"));
    builder_f64(b, SPANS_temperature, prompt % 2 == 0 ? 0.2 : 0.7);
}

static void scores_put(struct source *s, struct builder *b, struct rng *r)
{
    static const char *const names[] = {"score.a", "score.b", "score.c"};
    struct error e = {0};
    for (uint32_t i = 0; i < 3; i++) {
        const struct column *c;
        must(schema_add_score(&s->schema, slice_text(names[i]), &c, &e), &e);
        builder_f64(b, c->id, round((0.9 + 0.06 * rng_normal(r)) * 1e4) / 1e4);
    }
}

static void trace_put(struct source *s, struct rng *r, int64_t time_ns)
{
    static const char *const kinds[] = {"llm", "tool", "retrieval", "agent"};
    static const char *const names[] = {"llm.chat", "tool.call", "retrieval.do", "agent.run-"};
    struct id128 trace;
    uint64_t words[2] = {rng_u64(r), rng_u64(r)};
    memcpy(trace.bytes, words, sizeof words);
    uint64_t session = (uint64_t)(SESSIONS * pow(rng_unit(r), 1.6));
    uint64_t prompt = (uint64_t)(20 * pow(rng_unit(r), 2));
    uint64_t model = (uint64_t)(12 * pow(rng_unit(r), 1.7));
    uint64_t version = rng_below(r, 2);
    uint64_t steps = 1 + (uint64_t)(rng_unit(r) * rng_unit(r) * 9);
    uint64_t root = 0;
    for (uint64_t k = 0; k < steps; k++) {
        enum kind kind = k == 0 ? (steps > 1 ? KIND_AGENT : KIND_LLM) : (enum kind)((k - 1) % 3);
        int64_t t = time_ns + (int64_t)(k * (uint64_t)log_normal(r, 200000, 0.8)) * 1000;
        struct builder *b = source_chunk(s, t);
        char text[32];
        int size = snprintf(text, sizeof text, "session-%llu", (unsigned long long)session);
        uint64_t span = rng_u64(r);
        builder_row(b);
        builder_i64(b, SPANS_time, t);
        builder_id128(b, SPANS_trace_id, trace);
        builder_id64(b, SPANS_span_id, span);
        if (k > 0)
            builder_id64(b, SPANS_parent_id, root);
        root = k == 0 ? span : root;
        builder_str(b, SPANS_session, slice_of(text, (size_t)size));
        text_put(b, SPANS_user_id, "user-", session % 50000);
        text_put(b, SPANS_service, "service-", prompt % 6);
        builder_str(b, SPANS_kind, slice_text(kinds[kind]));
        text_put(b, SPANS_name, names[kind], kind == KIND_AGENT ? prompt : 0);
        text_put(b, SPANS_prompt_name, "prompt-", prompt);
        text_put(b, SPANS_prompt_version, "v", version);
        uint64_t luck = rng_below(r, 1000);
        builder_str(b, SPANS_error_class,
                    slice_text(luck < 8    ? "timeout"
                               : luck < 11 ? "refusal"
                                           : "none"));
        builder_i64(b, SPANS_http_status, luck < 8 ? 504 : 200);
        if (kind == KIND_LLM) {
            llm_put(b, r, model, prompt);
            if (rng_below(r, 3) == 0)
                scores_put(s, b, r);
        } else {
            builder_i64(b, SPANS_latency_ms,
                        log_normal(r, kind == KIND_AGENT ? 4e6 : 1e5, 0.8) * 1000);
        }
        if (kind == KIND_TOOL)
            text_put(b, SPANS_tool_name, "tool_", (uint64_t)(30 * pow(rng_unit(r), 2)));
        engine_columns(s, b, slice_of(text, (size_t)size), k == 0);
    }
}

static void rows_generate(struct source *s, uint64_t rows)
{
    struct rng r;
    rng_init(&r, 1);
    /* 10 M spans a day: 8.64 ms a span. */
    while (s->rows < rows)
        trace_put(s, &r, 1763856000 * NS_PER_S + (int64_t)s->rows * 8640000);
}

/* ---- measuring ---- */

/* CPU time of this thread: other work on the machine doesn't count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static double seconds_since(int64_t start_ns)
{
    return (double)(cpu_ns() - start_ns) / 1e9;
}

static struct segment_meta segment_write(struct source *s, struct io *io)
{
    struct segment_writer *w;
    struct segment_meta meta;
    struct error e = {0};
    double cluster_s = 0;
    double encode_s = 0;
    const char *tier = getenv("BENCH_TIER");
    bool seal = tier != NULL && strcmp(tier, "seal") == 0;
    must(segment_writer_open(io, "bench.seg", TABLE_SPANS, seal ? TIER_SEAL : TIER_DAY, 0,
                             seal ? 1 : 3, &w, &e),
         &e);
    for (uint32_t g = 0; g < s->group_count; g++) {
        struct group_rows *group = group_join(s, g);
        struct batch *b = &group->batch;
        uint32_t *rows = mem_alloc((size_t)b->rows * sizeof *rows);
        int64_t start = cpu_ns();
        rows_cluster(b, rows);
        cluster_s += seconds_since(start);
        start = cpu_ns();
        must(segment_writer_add_rows(w, b, rows, b->rows, &e), &e);
        encode_s += seconds_since(start);
        mem_free(rows);
        group_destroy(group);
    }
    int64_t start = cpu_ns();
    must(segment_writer_finish(w, &meta, &e), &e);
    double finish_s = seconds_since(start);
    segment_writer_close(w);
    double rows = (double)meta.rows;
    printf("write: cluster %.2f us/row, gather and encode %.2f us/row, finish %.2f us/row\n",
           cluster_s / rows * 1e6, encode_s / rows * 1e6, finish_s / rows * 1e6);
    return meta;
}

/* ns a row to decode a column, the best of a few runs over all blocks. */
static double column_decode(struct segment *s, uint32_t index)
{
    struct arena arena = {0};
    double best = 1e9;
    for (uint32_t run = 0; run < DECODE_RUNS; run++) {
        int64_t start = cpu_ns();
        for (uint32_t block = 0; block < segment_block_count(s); block++) {
            struct vector v;
            struct error e = {0};
            arena_reset(&arena);
            must(segment_block_read(s, (int)index, block, &arena, &v, &e), &e);
        }
        double ns = seconds_since(start) * 1e9 / (double)segment_meta(s)->rows;
        best = ns < best ? ns : best;
    }
    arena_deinit(&arena);
    return best;
}

static uint64_t masks_bytes(struct segment *s)
{
    const struct directory *d;
    struct error e = {0};
    uint64_t bytes = s->masks.part.part.size;
    must(segment_directory(s, &s->masks, false, &d, &e), &e);
    for (uint32_t b = 0; b < d->blocks; b++)
        bytes += d->size[b];
    return bytes;
}

static void lookups_time(struct segment *s)
{
    struct row_range ranges[64];
    struct arena arena = {0};
    struct vector v;
    struct error e = {0};
    uint32_t found = 0;
    uint32_t tried = 0;
    int64_t start;
    must(segment_block_read(s, s->trace_id_column, 0, &arena, &v, &e), &e);
    start = cpu_ns();
    for (uint32_t row = 0; row < v.rows; row += 7, tried++) {
        uint32_t count;
        must(segment_find_trace(s, v.id128[row], ranges, 64, &count, &e), &e);
        found += count;
    }
    printf("find_trace: %.1f us, %u of %u found\n", seconds_since(start) * 1e6 / tried, found,
           tried);
    must(segment_block_read(s, s->session_column, 0, &arena, &v, &e), &e);
    start = cpu_ns();
    for (uint32_t row = 0; row < v.rows; row += 70) {
        uint32_t count;
        must(segment_find_session(s, vector_bytes(&v, row), ranges, 64, &count, &e), &e);
        found += count;
    }
    printf("find_session: %.1f us\n", seconds_since(start) * 1e6 / (v.rows / 70));
    start = cpu_ns();
    for (uint64_t i = 0; i < 1000000; i++) {
        struct id128 id;
        uint64_t words[2] = {hash_mix(i), i};
        memcpy(id.bytes, words, sizeof words);
        found += segment_may_have_trace(s, id);
    }
    printf("may_have_trace, absent: %.0f ns\n", seconds_since(start) * 1e3);
    arena_deinit(&arena);
}

int main(int argc, char **argv)
{
    static struct source s;
    char root[] = "/tmp/bench-segment-XXXXXX";
    struct error e = {0};
    struct io *io;
    struct segment *segment;
    bool csv = argc > 2 && strcmp(argv[1], "--csv") == 0;
    uint64_t rows = argc > (csv ? 3 : 1) ? strtoull(argv[csv ? 3 : 1], NULL, 10) : 2000000;
    schema_init(&s.schema);
    s.turns = mem_zero(SESSIONS * 8, sizeof *s.turns);
    if (mkdtemp(root) == NULL || rows > SEGMENT_ROWS_MAX)
        return 1;
    must(io_posix_backend_create(root, &io, &e), &e);
    if (csv)
        csv_read(&s, argv[2], rows);
    else
        rows_generate(&s, rows);
    struct segment_meta meta = segment_write(&s, io);
    int64_t start = cpu_ns();
    must(segment_open(io, "bench.seg", &s.schema, false, &segment, &e), &e);
    printf("open: %.0f us\n", seconds_since(start) * 1e6);
    double n = (double)meta.rows;
    printf("%-22s %10s %8s %10s\n", "column", "B/span", "ns/row", "encoding");
    uint64_t sum = 0;
    for (uint32_t i = 0; i < segment_column_count(segment); i++) {
        uint64_t bytes;
        const char *encoding;
        segment_column_usage(segment, i, &bytes, &encoding);
        sum += bytes;
        printf("%-22s %10.3f %8.2f %10s\n", segment_column(segment, i)->name, (double)bytes / n,
               column_decode(segment, i), encoding);
    }
    uint64_t masks = masks_bytes(segment);
    uint64_t traces = segment->trace_index.part.size;
    printf("%-22s %10.3f\n%-22s %10.3f\n%-22s %10.3f\n", "(row sets)", (double)masks / n,
           "(trace index)", (double)traces / n, "(contents)",
           (double)(meta.bytes - sum - masks - traces) / n);
    printf("%-22s %10.3f B/span, %llu rows, %llu bytes\n", "total", (double)meta.bytes / n,
           (unsigned long long)meta.rows, (unsigned long long)meta.bytes);
    lookups_time(segment);
    segment_close(segment);
    must(io_unlink(io, "bench.seg", &e), &e);
    io_destroy(io);
    (void)rmdir(root);
    mem_free(s.turns);
    schema_deinit(&s.schema);
    return 0;
}
