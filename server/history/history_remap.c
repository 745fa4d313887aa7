/*
 * history_remap.c - today's dialect table over what an older one left in `attributes`.
 *
 * Cells:    only those that are NULL are filled, and what was used leaves `attributes`. Identity and order columns stay (a
 *           rewrite can't move rows), so what would become one of them stays in `attributes`. Usage that the engine put aside there, because it
 *           would be counted twice, stays too.
 * Order:    messages and scores found in a block are committed before the block's cells are published, so no cell refers to a message that
 *           could get lost. After a crash in between the attributes are still there, and the next run finds the same.
 */
#include <string.h>

#include "engine/base/check.h"
#include "server/dialect/mapper.h"
#include "server/history/column_edit.h"
#include "server/history/history_internal.h"

#define COLUMNS_MAX       64u
#define COMMIT_TEXT_BYTES (8u << 20)

struct remapper {
    struct engine *engine;
    const struct remap_options *options;
    struct schema *schema;
    struct mapper *mapper;
    struct mapped mapped; /* of one row */
    struct remap_result *result;
    const struct column *read[COLUMNS_MAX]; /* all fixed columns of spans */
    uint32_t read_count;
    uint8_t index[128];          /* by column id: index in read + 1 */
    uint64_t untouchable[2];     /* ids of columns that are never filled */
    uint64_t usage[2];           /* ids of what is counted once */
    struct message_set messages; /* of the block */
    struct builder scores;
};

/* A block as it changes. */
struct block {
    struct remapper *remapper;
    const struct rewrite_rows *in;
    struct arena *arena;
    struct column_edit edits[COLUMNS_MAX]; /* by index in read */
    bool *calls_below;                     /* by row: a model call of the block descends from it */
};

static void bit_set(uint64_t bits[2], uint16_t id)
{
    ASSERT(id < 128);
    bits[id / 64] |= 1ull << (id % 64);
}

static bool bit(const uint64_t bits[2], uint16_t id)
{
    return id < 128 && (bits[id / 64] >> (id % 64) & 1) != 0;
}

static const struct vector *column_of(const struct block *b, uint16_t id)
{
    return &b->in->vectors[b->remapper->index[id] - 1];
}

/* ---- one row ---- */

static bool in_range(const struct remapper *r, int64_t time_ns)
{
    const struct remap_options *o = r->options;
    return (o->from_ns == 0 && o->until_ns == 0) ||
           (time_ns >= o->from_ns && time_ns < o->until_ns);
}

static bool is_call(const struct block *b, uint32_t row)
{
    struct slice kind = vector_bytes(column_of(b, SPANS_kind), row);
    return slice_is(kind, "llm") || slice_is(kind, "embedding");
}

/* The row of a span of the same trace, which is one run of rows; false: not in the block. */
static bool row_find(const struct block *b, uint32_t near, uint64_t span_id, uint32_t *ret)
{
    const struct id128 *traces = column_of(b, SPANS_trace_id)->id128;
    const uint64_t *spans = column_of(b, SPANS_span_id)->id64;
    uint32_t first = near;
    while (first > 0 && id128_equal(traces[first - 1], traces[near]))
        first--;
    for (uint32_t i = first; i < b->in->rows && id128_equal(traces[i], traces[near]); i++) {
        if (spans[i] == span_id) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Marks the ancestors of model calls. */
static void calls_mark(struct block *b)
{
    const struct vector *parents = column_of(b, SPANS_parent_id);
    b->calls_below = arena_zero(b->arena, b->in->rows, sizeof *b->calls_below);
    for (uint32_t row = 0; row < b->in->rows; row++) {
        uint32_t at = row;
        if (!is_call(b, row))
            continue;
        while (vector_has(parents, at) && row_find(b, at, parents->id64[at], &at) &&
               !b->calls_below[at])
            b->calls_below[at] = true;
    }
}

/* Usage of a span that is no model call, or whose calls count themselves (engine/usage.h), is not for columns. */
static bool keeps_usage_aside(const struct block *b, uint32_t row, struct slice attributes)
{
    static const char marker[] = "{\"usage";
    struct slice kind = vector_bytes(column_of(b, SPANS_kind), row);
    if (attributes.size >= sizeof marker - 1 &&
        memcmp(attributes.data, marker, sizeof marker - 1) == 0)
        return true;
    return (kind.size > 0 && !is_call(b, row)) || b->calls_below[row];
}

static void have_fill(const struct block *b, uint32_t row, struct slice attributes,
                      uint64_t have[2])
{
    const struct remapper *r = b->remapper;
    bool aside = keeps_usage_aside(b, row, attributes);
    for (uint32_t i = 0; i < 2; i++)
        have[i] = r->untouchable[i] | (aside ? r->usage[i] : 0);
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (vector_has(&b->in->vectors[i], row))
            bit_set(have, r->read[i]->id);
    }
}

static struct column_edit *edit_of(struct block *b, uint16_t id)
{
    struct remapper *r = b->remapper;
    uint32_t i = r->index[id] - 1u;
    if (b->edits[i].column == NULL)
        column_edit_begin(&b->edits[i], r->read[i], &b->in->vectors[i], b->in->rows, b->arena);
    return &b->edits[i];
}

static void cells_take(struct block *b, uint32_t row, const uint64_t have[2])
{
    struct remapper *r = b->remapper;
    struct batch cells = builder_batch(&r->mapped.spans);
    for (uint32_t i = 0; i < cells.column_count; i++) {
        const struct column *column = cells.columns[i].column;
        const struct vector *v = &cells.columns[i].vector;
        if (v->rows != 1 || !vector_has(v, 0) || column->id >= COLUMN_DYNAMIC ||
            bit(have, column->id) || column->id == SPANS_attributes)
            continue;
        column_edit_cell(edit_of(b, column->id), row, v, 0);
        r->result->cells++;
    }
}

/* A score of the row, or one that was made a column of it, as a row of scores. */
static void score_add(struct block *b, uint32_t row, struct slice name)
{
    struct remapper *r = b->remapper;
    builder_row(&r->scores);
    builder_i64(&r->scores, SCORES_time, column_of(b, SPANS_time)->i64[row]);
    builder_id128(&r->scores, SCORES_trace_id, column_of(b, SPANS_trace_id)->id128[row]);
    builder_id64(&r->scores, SCORES_span_id, column_of(b, SPANS_span_id)->id64[row]);
    builder_str(&r->scores, SCORES_name, name);
}

static bool is_given_here(uint16_t id)
{
    return id == SCORES_time || id == SCORES_trace_id || id == SCORES_span_id ||
           id == SCORES_name || id == SCORES_seq;
}

static void score_cell(struct builder *to, uint16_t id, const struct vector *v, uint32_t row)
{
    if (v->storage == STORAGE_F64)
        builder_f64(to, id, v->f64[row]);
    else if (v->storage == STORAGE_STR || v->storage == STORAGE_TEXT)
        builder_str(to, id, vector_bytes(v, row));
}

static void scores_take(struct block *b, uint32_t row)
{
    struct remapper *r = b->remapper;
    struct batch scores = builder_batch(&r->mapped.scores);
    const struct vector *names = batch_vector(&scores, SCORES_name);
    for (uint32_t i = 0; i < scores.rows && names != NULL; i++) {
        if (!vector_has(names, i) || r->scores.rows >= BATCH_ROWS_MAX)
            continue;
        score_add(b, row, vector_bytes(names, i));
        for (uint32_t c = 0; c < scores.column_count; c++) {
            const struct vector *v = &scores.columns[c].vector;
            if (vector_has(v, i) && !is_given_here(scores.columns[c].column->id))
                score_cell(&r->scores, scores.columns[c].column->id, v, i);
        }
        r->result->cells++;
    }
}

static void messages_take(struct remapper *r)
{
    for (uint32_t i = 0; i < r->mapped.messages.count; i++)
        message_set_add_message(&r->messages, &r->mapped.messages.messages[i]);
}

/* Maps one row once more; false: nothing new. */
static bool row_remap(struct block *b, uint32_t row)
{
    struct remapper *r = b->remapper;
    const struct vector *attributes = column_of(b, SPANS_attributes);
    struct slice text = vector_bytes(attributes, row);
    struct slice rest;
    uint64_t have[2];
    if (text.size == 0)
        return false;
    have_fill(b, row, text, have);
    mapped_reset(&r->mapped);
    if (!mapper_remap(r->mapper, text, have, &r->mapped, b->arena, &rest))
        return false;
    cells_take(b, row, have);
    scores_take(b, row);
    messages_take(r);
    if (rest.size == 0)
        column_edit_null(edit_of(b, SPANS_attributes), row);
    else if (!slice_equal(rest, text))
        column_edit_bytes(edit_of(b, SPANS_attributes), row, rest);
    return true;
}

/* ---- a block ---- */

static enum status messages_write(struct remapper *r, struct error *reterr)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < r->messages.count && s >= 0;) {
        uint32_t first = i;
        size_t bytes = 0;
        while (i < r->messages.count && (i == first || bytes < COMMIT_TEXT_BYTES))
            bytes += r->messages.messages[i++].body.size;
        const struct append append = {.project = r->options->project,
                                      .messages = r->messages.messages + first,
                                      .message_count = i - first};
        s = history_append(r->engine, &append, r->options->offline, reterr);
    }
    return s;
}

static enum status scores_write(struct remapper *r, struct error *reterr)
{
    if (r->scores.rows == 0)
        return STATUS_OK;
    const struct batch scores = builder_batch(&r->scores);
    const struct append append = {.project = r->options->project, .scores = &scores};
    return history_append(r->engine, &append, r->options->offline, reterr);
}

static enum status found_write(struct remapper *r, struct error *reterr)
{
    enum status s = STATUS_OK;
    if (!r->options->dry_run)
        s = messages_write(r, reterr);
    if (s >= 0 && !r->options->dry_run)
        s = scores_write(r, reterr);
    message_set_reset(&r->messages);
    builder_reset(&r->scores);
    return s;
}

static enum status rows_edit(void *context, const struct rewrite_rows *in, struct arena *arena,
                             struct batch_column *ret_columns, uint32_t *ret_count,
                             uint64_t *ret_changed, struct error *reterr)
{
    struct remapper *r = context;
    struct block *b = ARENA_NEW(arena, struct block);
    *b = (struct block){.remapper = r, .in = in, .arena = arena};
    const struct vector *times = column_of(b, SPANS_time);
    calls_mark(b);
    for (uint32_t row = 0; row < in->rows; row++)
        *ret_changed += in_range(r, times->i64[row]) && row_remap(b, row);
    enum status s = found_write(r, reterr);
    if (s < 0)
        return s;
    for (uint32_t i = 0; i < r->read_count; i++) {
        if (b->edits[i].column != NULL)
            ret_columns[(*ret_count)++] = column_edit_end(&b->edits[i]);
    }
    return STATUS_OK;
}

/* ---- all of it ---- */

static void columns_choose(struct remapper *r)
{
    static const uint16_t fixed[] = {SPANS_time,    SPANS_trace_id, SPANS_span_id, SPANS_parent_id,
                                     SPANS_session, SPANS_seq,      SPANS_turn};
    static const uint16_t usage[] = {SPANS_tokens_in,        SPANS_tokens_out,
                                     SPANS_tokens_cached,    SPANS_tokens_cache_write,
                                     SPANS_tokens_reasoning, SPANS_cost_usd};
    const struct column *columns = table_columns(TABLE_SPANS, &r->read_count);
    ASSERT(r->read_count <= COLUMNS_MAX);
    for (uint32_t i = 0; i < r->read_count; i++) {
        ASSERT(columns[i].id < sizeof r->index);
        r->read[i] = &columns[i];
        r->index[columns[i].id] = (uint8_t)(i + 1);
    }
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        bit_set(r->untouchable, fixed[i]);
    for (size_t i = 0; i < sizeof usage / sizeof *usage; i++)
        bit_set(r->usage, usage[i]);
}

enum status history_remap(struct engine *e, const struct remap_options *options,
                          const struct progress *progress, struct remap_result *ret,
                          struct error *reterr)
{
    struct remap_result result = {0};
    struct rewrite_result rewritten = {0};
    if (engine_project_name(e, options->project) == NULL)
        return error_set(reterr, STATUS_NOT_FOUND, "there is no project %u", options->project);
    struct remapper *r = MEM_NEW(struct remapper);
    *r = (struct remapper){.engine = e,
                           .options = options,
                           .schema = engine_schema(e, options->project),
                           .mapper = mapper_create(NULL),
                           .result = &result};
    mapped_init(&r->mapped, r->schema);
    message_set_init(&r->messages);
    builder_init(&r->scores, TABLE_SCORES, r->schema);
    columns_choose(r);
    const struct rewrite rewrite = {.project = options->project,
                                    .from_ns = options->from_ns,
                                    .until_ns = options->until_ns,
                                    .read = r->read,
                                    .read_count = r->read_count,
                                    .edit = rows_edit,
                                    .context = r,
                                    .dry_run = options->dry_run};
    enum status s = engine_rewrite(e, &rewrite, progress, &rewritten, reterr);
    result.rows = rewritten.rows;
    result.changed = rewritten.changed;
    builder_deinit(&r->scores);
    message_set_deinit(&r->messages);
    mapped_deinit(&r->mapped);
    mapper_destroy(r->mapper);
    mem_free(r);
    *ret = result;
    return s;
}
