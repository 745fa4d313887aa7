/*
 * history_reprice.c - costs of stored spans under another price table.
 *
 * Rule:     a cost we computed (cost_estimated) and a missing one are computed anew where the span has tokens and the table a price;
 *           what the client reported stays unless `all` is asked for. Where the table has no price the old cost stays, with its version.
 * Exact:    sums are nano-USD integers and equal what SQL says of the same range.
 * Bounds:   MODELS_MAX models are told apart; the rest is "(others)".
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/hash.h"
#include "engine/base/intern.h"
#include "server/history/column_edit.h"
#include "server/history/history.h"

#define MODELS_MAX  4096u
#define LINES_MAX   (sizeof((struct reprice_result *)0)->lines / sizeof(struct reprice_line))
#define OTHERS_NAME "(others)"
#define NO_NAME     "(no model)"

enum {
    READ_TIME,
    READ_KIND,
    READ_PROVIDER,
    READ_MODEL,
    READ_MODEL_SERVED,
    READ_TOKENS_IN,
    READ_TOKENS_OUT,
    READ_TOKENS_CACHED,
    READ_TOKENS_CACHE_WRITE,
    READ_TOKENS_REASONING,
    READ_COST,
    READ_ESTIMATED,
    READ_VERSION,
    READ_ATTRIBUTES,
    READ_COUNT
};
static const uint16_t read_ids[READ_COUNT] = {
    SPANS_time,
    SPANS_kind,
    SPANS_provider,
    SPANS_model,
    SPANS_model_served,
    SPANS_tokens_in,
    SPANS_tokens_out,
    SPANS_tokens_cached,
    SPANS_tokens_cache_write,
    SPANS_tokens_reasoning,
    SPANS_cost_usd,
    SPANS_cost_estimated,
    SPANS_pricing_version,
    SPANS_attributes,
};

struct model_sum {
    uint64_t spans;
    int64_t before_nusd, after_nusd;
};

struct repricer {
    const struct reprice_options *options;
    struct slice version;
    struct intern models;
    struct model_sum *sums; /* by code of models; [0]: the rest */
    size_t sums_capacity;
    struct reprice_result *result;
    struct arena scratch; /* of one row */
};

/* One row's answer. */
struct repriced {
    int64_t cost_nusd;
    bool changed;
};

/* The cells of a block as they change. Column edits begin with the first change. */
struct block {
    const struct rewrite_rows *in;
    struct arena *arena;
    struct column_edit cost, estimated, version;
};

static int64_t cell_i64(const struct rewrite_rows *in, uint32_t column, uint32_t row, int64_t none)
{
    const struct vector *v = &in->vectors[column];
    return vector_has(v, row) ? v->i64[row] : none;
}

static struct slice cell_str(const struct rewrite_rows *in, uint32_t column, uint32_t row)
{
    return vector_bytes(&in->vectors[column], row);
}

static struct usage_cost usage_of(struct repricer *r, const struct rewrite_rows *in, uint32_t row)
{
    return (struct usage_cost){
        .provider = cell_str(in, READ_PROVIDER, row),
        .model = cell_str(in, READ_MODEL, row),
        .model_served = cell_str(in, READ_MODEL_SERVED, row),
        .tier = enrich_service_tier(cell_str(in, READ_ATTRIBUTES, row), &r->scratch),
        .time_ns = in->vectors[READ_TIME].i64[row],
        .tokens_in = cell_i64(in, READ_TOKENS_IN, row, -1),
        .tokens_out = cell_i64(in, READ_TOKENS_OUT, row, -1),
        .tokens_cached = cell_i64(in, READ_TOKENS_CACHED, row, -1),
        .tokens_cache_write = cell_i64(in, READ_TOKENS_CACHE_WRITE, row, -1),
        .tokens_reasoning = cell_i64(in, READ_TOKENS_REASONING, row, -1),
    };
}

/* ---- sums ---- */

static struct model_sum *sum_of(struct repricer *r, const struct rewrite_rows *in, uint32_t row)
{
    struct slice name = cell_str(in, READ_MODEL, row);
    if (name.size == 0)
        name = cell_str(in, READ_MODEL_SERVED, row);
    if (name.size == 0)
        name = slice_text(NO_NAME);
    uint32_t code = intern_find(&r->models, name);
    if (code == 0 && r->models.count <= MODELS_MAX) {
        code = intern_add(&r->models, name);
        r->sums = mem_grow(r->sums, &r->sums_capacity, (size_t)code + 1, sizeof *r->sums);
        r->sums[code] = (struct model_sum){0};
    }
    return &r->sums[code];
}

/* Saturates: a sum is for people, and no int64 of nano-USD is a bill. */
static void add(int64_t *sum, int64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = value > 0 ? INT64_MAX : INT64_MIN;
}

static void count(struct repricer *r, const struct rewrite_rows *in, uint32_t row,
                  int64_t before_nusd, int64_t after_nusd)
{
    struct model_sum *sum = sum_of(r, in, row);
    sum->spans++;
    add(&sum->before_nusd, before_nusd);
    add(&sum->after_nusd, after_nusd);
    add(&r->result->before_nusd, before_nusd);
    add(&r->result->after_nusd, after_nusd);
}

static uint64_t difference(const struct reprice_line *l)
{
    uint64_t a = (uint64_t)l->after_nusd - (uint64_t)l->before_nusd;
    return l->after_nusd >= l->before_nusd ? a : 0 - a;
}

static int by_difference(const void *a, const void *b)
{
    const struct reprice_line *x = a;
    const struct reprice_line *y = b;
    if (difference(x) != difference(y))
        return difference(x) > difference(y) ? -1 : 1;
    if (x->spans != y->spans)
        return x->spans > y->spans ? -1 : 1;
    return strcmp(x->model, y->model);
}

static struct reprice_line line_of(struct slice name, const struct model_sum *sum)
{
    struct reprice_line line = {
        .spans = sum->spans, .before_nusd = sum->before_nusd, .after_nusd = sum->after_nusd};
    size_t size = name.size < sizeof line.model - 1 ? name.size : sizeof line.model - 1;
    bytes_copy(line.model, name.data, size);
    return line;
}

/* The largest differences get a line of their own, the rest one together. */
static void report(struct repricer *r)
{
    struct reprice_result *result = r->result;
    uint32_t count = r->models.count - 1;
    struct reprice_line *lines = mem_zero((size_t)count + 1, sizeof *lines);
    struct model_sum others = r->sums[0];
    for (uint32_t i = 0; i < count; i++)
        lines[i] = line_of(r->models.values[i + 1], &r->sums[i + 1]);
    if (count > 1)
        qsort(lines, count, sizeof *lines, by_difference);
    uint32_t room = count > LINES_MAX || others.spans > 0 ? LINES_MAX - 1 : LINES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (i < room) {
            result->lines[result->line_count++] = lines[i];
            continue;
        }
        others.spans += lines[i].spans;
        add(&others.before_nusd, lines[i].before_nusd);
        add(&others.after_nusd, lines[i].after_nusd);
    }
    if (others.spans > 0)
        result->lines[result->line_count++] = line_of(slice_text(OTHERS_NAME), &others);
    mem_free(lines);
}

/* ---- rows ---- */

static bool in_range(const struct repricer *r, int64_t time_ns)
{
    const struct reprice_options *o = r->options;
    return (o->from_ns == 0 && o->until_ns == 0) ||
           (time_ns >= o->from_ns && time_ns < o->until_ns);
}

/* As on arrival: llm and embedding spans, and those of unknown kind, with a model and tokens. */
static bool is_call(const struct rewrite_rows *in, uint32_t row)
{
    struct slice kind = cell_str(in, READ_KIND, row);
    bool has_tokens = false;
    for (uint32_t i = READ_TOKENS_IN; i <= READ_TOKENS_REASONING; i++)
        has_tokens |= vector_has(&in->vectors[i], row);
    return has_tokens && (kind.size == 0 || slice_is(kind, "llm") || slice_is(kind, "embedding")) &&
           (cell_str(in, READ_MODEL, row).size > 0 ||
            cell_str(in, READ_MODEL_SERVED, row).size > 0);
}

static struct repriced row_price(struct repricer *r, const struct rewrite_rows *in, uint32_t row)
{
    int64_t before_nusd = cell_i64(in, READ_COST, row, 0);
    struct repriced result = {.cost_nusd = before_nusd};
    bool has_cost = vector_has(&in->vectors[READ_COST], row);
    bool ours = !has_cost || cell_i64(in, READ_ESTIMATED, row, 0) == 1;
    if ((!ours && !r->options->all) || !is_call(in, row))
        return result;
    arena_reset(&r->scratch);
    const struct usage_cost usage = usage_of(r, in, row);
    int64_t cost_nusd;
    if (!price_cost(r->options->table, &usage, &cost_nusd)) {
        r->result->unpriced++;
        return result;
    }
    result.cost_nusd = cost_nusd;
    result.changed = !has_cost || cost_nusd != before_nusd ||
                     cell_i64(in, READ_ESTIMATED, row, 0) != 1 ||
                     !slice_equal(cell_str(in, READ_VERSION, row), r->version);
    return result;
}

static void edit_begin(struct block *b, struct column_edit *e, uint32_t column)
{
    if (e->column == NULL)
        column_edit_begin(e, table_column(TABLE_SPANS, read_ids[column]), &b->in->vectors[column],
                          b->in->rows, b->arena);
}

static void row_put(struct repricer *r, struct block *b, uint32_t row, int64_t cost_nusd)
{
    edit_begin(b, &b->cost, READ_COST);
    edit_begin(b, &b->estimated, READ_ESTIMATED);
    edit_begin(b, &b->version, READ_VERSION);
    column_edit_i64(&b->cost, row, cost_nusd);
    column_edit_i64(&b->estimated, row, 1);
    column_edit_bytes(&b->version, row, r->version);
}

static enum status rows_edit(void *context, const struct rewrite_rows *in, struct arena *arena,
                             struct batch_column *ret_columns, uint32_t *ret_count,
                             uint64_t *ret_changed, struct error *reterr)
{
    struct repricer *r = context;
    struct block b = {.in = in, .arena = arena};
    (void)reterr;
    for (uint32_t row = 0; row < in->rows; row++) {
        if (!in_range(r, in->vectors[READ_TIME].i64[row]))
            continue;
        struct repriced priced = row_price(r, in, row);
        if (priced.changed) {
            row_put(r, &b, row, priced.cost_nusd);
            (*ret_changed)++;
        }
        if (priced.changed || vector_has(&in->vectors[READ_COST], row))
            count(r, in, row, cell_i64(in, READ_COST, row, 0), priced.cost_nusd);
    }
    if (*ret_changed == 0)
        return STATUS_OK;
    ret_columns[0] = column_edit_end(&b.cost);
    ret_columns[1] = column_edit_end(&b.estimated);
    ret_columns[2] = column_edit_end(&b.version);
    *ret_count = 3;
    return STATUS_OK;
}

enum status history_reprice(struct engine *e, const struct reprice_options *options,
                            const struct progress *progress, struct reprice_result *ret,
                            struct error *reterr)
{
    struct reprice_result result = {0};
    struct repricer r = {
        .options = options, .version = price_table_version(options->table), .result = &result};
    const struct column *read[READ_COUNT];
    struct rewrite_result rewritten = {0};
    for (uint32_t i = 0; i < READ_COUNT; i++)
        read[i] = table_column(TABLE_SPANS, read_ids[i]);
    const struct rewrite rewrite = {.project = options->project,
                                    .from_ns = options->from_ns,
                                    .until_ns = options->until_ns,
                                    .read = read,
                                    .read_count = READ_COUNT,
                                    .edit = rows_edit,
                                    .context = &r,
                                    .dry_run = options->dry_run};
    intern_init(&r.models);
    r.sums = mem_grow(NULL, &r.sums_capacity, 1, sizeof *r.sums);
    r.sums[0] = (struct model_sum){0};
    enum status s = engine_rewrite(e, &rewrite, progress, &rewritten, reterr);
    result.rows = rewritten.rows;
    result.changed = rewritten.changed;
    report(&r);
    intern_deinit(&r.models);
    arena_deinit(&r.scratch);
    mem_free(r.sums);
    *ret = result;
    return s;
}
