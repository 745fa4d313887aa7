/*
 * fuzz_judge.c - bodies of scores, tags and verdicts: the first byte chooses which.
 *
 * Invariants: what is taken has rows that the engine's own check would take as far as ids, names and numbers go; what is
 *             refused says why.
 */
#include <math.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "server/judge/judge_body.h"
#include "server/judge/write_back.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rows_check(const struct batch *b)
{
    const struct vector *traces = batch_vector(b, SCORES_trace_id);
    const struct vector *values = batch_vector(b, SCORES_value);
    const struct vector *labels = batch_vector(b, SCORES_label);
    ASSERT(b->rows > 0 && traces != NULL);
    for (uint32_t i = 0; i < b->rows; i++) {
        ASSERT(!id128_is_zero(traces->id128[i]));
        if (b->table != TABLE_SCORES)
            continue;
        bool has_value = values != NULL && vector_has(values, i);
        ASSERT(has_value || (labels != NULL && vector_has(labels, i)));
        ASSERT(!has_value || isfinite(values->f64[i]));
    }
}

static void write_back(enum table table, struct slice body)
{
    struct builder b;
    struct error error = {0};
    builder_init(&b, table, NULL);
    if (write_back_read(body, &b, &error) >= 0) {
        struct batch batch = builder_batch(&b);
        rows_check(&batch);
    } else {
        ASSERT(error.status < 0 && error.text[0] != 0);
    }
    builder_deinit(&b);
}

static void verdict(struct slice body)
{
    struct arena arena = {0};
    struct error error = {0};
    struct judge_body b;
    if (judge_body_read(body, ~0u, 0, &arena, &b, &error) >= 0) {
        ASSERT(!isinf(b.verdict.value));
        ASSERT(b.verdict.cost_nusd >= 0 && b.lease_ns >= 0);
    } else {
        ASSERT(error.status < 0 && error.text[0] != 0);
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice body = slice_of(data + 1, size - 1);
    if (data[0] % 3 == 2)
        verdict(body);
    else
        write_back(data[0] % 3 == 0 ? TABLE_SCORES : TABLE_TAGS, body);
    return 0;
}
