/*
 * bench_merge.c - how fast segments merge.
 *
 *     bench_merge [rows per input] [inputs]
 *
 * Inputs are one hour of spans with the columns an LLM call has, sessions shared between inputs,
 * one row in fifty amended. Reports rows and file bytes a second of the merge alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/rng.h"
#include "engine/compact/compact.h"

#define HOUR0      ((int64_t)480000 * NS_PER_HOUR)
#define INPUTS_MAX 64u

static void require(enum status s, const struct error *e)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "bench_merge: %s\n", e->text);
    exit(1);
}

PRINTF_LIKE(3, 4)
static void text_put(struct builder *b, uint16_t column, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    builder_str(b, column, slice_of(text, (size_t)size));
}

static void row_build(struct builder *b, struct rng *r, uint64_t trace, uint64_t span)
{
    struct id128 trace_id = {{0}};
    uint64_t mixed = trace * 0x9e3779b97f4a7c15u;
    uint8_t refs[64];
    memcpy(trace_id.bytes, &mixed, 8);
    memcpy(trace_id.bytes + 8, &trace, 8);
    for (size_t i = 0; i < sizeof refs; i += 8) {
        uint64_t v = rng_u64(r);
        memcpy(refs + i, &v, 8);
    }
    builder_row(b);
    builder_i64(b, SPANS_time, HOUR0 + (int64_t)rng_below(r, (uint64_t)NS_PER_HOUR));
    builder_id128(b, SPANS_trace_id, trace_id);
    builder_id64(b, SPANS_span_id, rng_u64(r));
    if (span % 5 != 0)
        builder_id64(b, SPANS_parent_id, mixed);
    text_put(b, SPANS_session, "ses_%" PRIu64, trace / 4);
    text_put(b, SPANS_user_id, "user_%" PRIu64, trace % 5000);
    builder_i64(b, SPANS_seq, (int64_t)span + 1);
    text_put(b, SPANS_service, "svc-%" PRIu64, trace % 5);
    builder_str(b, SPANS_environment, slice_text("prod"));
    text_put(b, SPANS_release, "1.%" PRIu64, trace % 3);
    builder_str(b, SPANS_name, slice_text("chat"));
    builder_str(b, SPANS_kind, slice_text(span % 5 == 0 ? "agent" : "llm"));
    builder_str(b, SPANS_provider, slice_text("openai"));
    text_put(b, SPANS_model, "gpt-%" PRIu64, trace % 6);
    text_put(b, SPANS_prompt_version, "v%" PRIu64, trace % 12);
    builder_f64(b, SPANS_temperature, 0.7);
    builder_str(b, SPANS_status, slice_text("ok"));
    builder_i64(b, SPANS_http_status, 200);
    builder_str(b, SPANS_error_class, slice_text(rng_below(r, 50) == 0 ? "timeout" : "none"));
    builder_i64(b, SPANS_latency_ms, (int64_t)(rng_unit(r) * 3e9));
    builder_i64(b, SPANS_ttft_ms, (int64_t)(rng_unit(r) * 5e8));
    builder_i64(b, SPANS_tokens_in, (int64_t)rng_below(r, 8000));
    builder_i64(b, SPANS_tokens_out, (int64_t)rng_below(r, 900));
    builder_i64(b, SPANS_cost_usd, (int64_t)rng_below(r, 90000) * 1000);
    if (span % 3 == 0)
        builder_str(b, SPANS_input, slice_of(refs, sizeof refs));
}

/* One group of at most BATCH_ROWS_MAX rows, the first of which is row `first` of all inputs. */
static void group_write(struct segment_writer *w, struct schema *schema, uint64_t first,
                        uint32_t rows, struct rng *rng)
{
    struct builder b;
    struct arena arena = {0};
    struct error e = {0};
    builder_init(&b, TABLE_SPANS, schema);
    for (uint32_t i = 0; i < rows; i++)
        row_build(&b, rng, (first + i) / 5, first + i);
    struct batch batch = builder_batch(&b);
    struct batch out = batch;
    uint32_t *order = ARENA_ARRAY(&arena, uint32_t, rows);
    rows_cluster(&batch, order);
    out.columns = ARENA_ARRAY(&arena, struct batch_column, batch.column_count);
    for (uint32_t i = 0; i < batch.column_count; i++)
        out.columns[i] = (struct batch_column){
            batch.columns[i].column, vector_gather(&batch.columns[i].vector, order, rows, &arena)};
    require(segment_writer_add_group(w, &out, &e), &e);
    builder_deinit(&b);
    arena_deinit(&arena);
}

static uint64_t input_write(struct io *io, struct schema *schema, uint32_t input, uint32_t rows,
                            struct rng *rng)
{
    struct segment_writer *w;
    struct segment_meta meta;
    struct error e = {0};
    char path[32];
    snprintf(path, sizeof path, "seg/%u.seg", input);
    require(segment_writer_open(io, path, TABLE_SPANS, TIER_SEAL, 0, 1, &w, &e), &e);
    for (uint32_t done = 0; done < rows;) {
        uint32_t now = rows - done < BATCH_ROWS_MAX ? rows - done : BATCH_ROWS_MAX;
        /* Inputs overlap by a tenth of their traces, as conversations go on. */
        group_write(w, schema, (uint64_t)input * rows / 10 * 9 + done, now, rng);
        done += now;
    }
    require(segment_writer_finish(w, &meta, &e), &e);
    segment_writer_close(w);
    return meta.bytes;
}

static struct patch_set *amendments_make(uint32_t rows)
{
    uint32_t count = rows / 50;
    struct amendment *a = mem_zero(count + 1, sizeof *a);
    struct patch_row *r = mem_zero(count + 1, sizeof *r);
    for (uint32_t i = 0; i < count; i++) {
        a[i] = (struct amendment){.seq = i + 1,
                                  .column = table_column(TABLE_SPANS, SPANS_error_class),
                                  .bytes = slice_text("refusal")};
        r[i] = (struct patch_row){.row = (uint64_t)i * 50, .amendment = &a[i]};
    }
    struct patch_set *s = patch_set_extend(NULL, r, count);
    mem_free(a);
    mem_free(r);
    return s;
}

int main(int argc, char **argv)
{
    char root[] = "/tmp/driftline-bench-merge-XXXXXX";
    uint32_t rows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 250000;
    uint32_t inputs = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 4;
    struct merge_input merged[INPUTS_MAX];
    struct schema schema;
    struct segment_meta meta;
    struct error e = {0};
    struct rng rng;
    struct io *io;
    uint64_t bytes = 0;
    if (rows == 0 || inputs == 0 || inputs > INPUTS_MAX || mkdtemp(root) == NULL) {
        (void)fprintf(stderr, "usage: bench_merge [rows per input] [inputs]\n");
        return 2;
    }
    schema_init(&schema);
    rng_init(&rng, 1);
    require(io_posix_backend_create(root, &io, &e), &e);
    require(io_make_dir(io, "seg", &e), &e);
    for (uint32_t i = 0; i < inputs; i++) {
        char path[32];
        snprintf(path, sizeof path, "seg/%u.seg", i);
        bytes += input_write(io, &schema, i, rows, &rng);
        require(segment_open(io, path, &schema, false, &merged[i].segment, &e), &e);
        merged[i].patches = amendments_make(rows);
    }
    int64_t start_ns = clock_monotonic_ns();
    require(merge_segments(io, &schema, TABLE_SPANS, merged, inputs, "seg/out.seg", TIER_HOUR,
                           UINT64_MAX, NULL, NULL, &meta, &e),
            &e);
    double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    printf("%u inputs of %u rows, %.2f MB -> %.2f MB (%.1f -> %.1f bytes a row)\n", inputs, rows,
           (double)bytes / 1e6, (double)meta.bytes / 1e6, (double)bytes / ((double)rows * inputs),
           (double)meta.bytes / (double)meta.rows);
    printf("merged in %.2f s: %.0f rows/s, %.1f MB/s of files\n", seconds,
           (double)meta.rows / seconds, (double)bytes / 1e6 / seconds);
    for (uint32_t i = 0; i < inputs; i++) {
        segment_close(merged[i].segment);
        patch_set_unref(merged[i].patches);
    }
    schema_deinit(&schema);
    io_destroy(io);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command) == 0 ? 0 : 1;
}
