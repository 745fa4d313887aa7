/*
 * fuzz_cell.c - any bytes as a field name, a cell of every kind, a moment and a duration.
 *
 * The input is text; its first byte chooses the column the rest goes to.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/span/cell.h"
#include "tests/unit/engine/span/batch_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "time",       "time_us",        "latency_ms", "latency_s",  "cost_usd",
    "cost_nusd",  "tokens_in",      "trace_id",   "span_id",    "model",
    "attributes", "cost_estimated", "input",      "score.fuzz", "temperature",
};
#define NAME_COUNT (sizeof names / sizeof names[0])

/* What is read is the same after it was written. */
static void time_check(struct slice text)
{
    int64_t ns = 0;
    int64_t again = 0;
    char written[TIME_TEXT_BYTES];
    if (time_from_text(text, &ns)) {
        time_to_text(ns, written);
        ASSERT(time_from_text(slice_text(written), &again));
        ASSERT(again == ns);
        time_to_pg_text(ns, written);
        ASSERT(strlen(written) < TIME_TEXT_BYTES);
    }
    if (duration_from_text(text, &ns)) {
        ASSERT(ns >= 0);
        duration_to_text(ns, written);
        ASSERT(duration_from_text(slice_text(written), &again));
        ASSERT(again == ns);
    }
}

static void cell_check(struct schema *schema, struct builder *b, struct slice name,
                       struct slice text)
{
    struct cell_target target;
    struct error e = {0};
    if (cell_target_find(schema, TABLE_SPANS, name, &target, &e) < 0 ||
        cell_parse(&target, text, b, &e) < 0) {
        ASSERT(e.text[0] != 0);
        return;
    }
    struct batch batch = builder_batch(b);
    const struct vector *v = batch_vector(&batch, target.column->id);
    ASSERT((v != NULL && vector_has(v, 0)) == (text.size != 0));
    batch_check(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct schema schema;
    struct builder b;
    struct slice text = slice_of(data + 1, size - 1);
    schema_init(&schema);
    builder_init(&b, TABLE_SPANS, &schema);
    builder_row(&b);
    cell_check(&schema, &b, slice_text(names[data[0] % NAME_COUNT]), text);
    builder_reset(&b);
    builder_row(&b);
    cell_check(&schema, &b, text, slice_text("1"));
    time_check(text);
    builder_deinit(&b);
    schema_deinit(&schema);
    return 0;
}
