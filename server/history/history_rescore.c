/*
 * history_rescore.c - today's scorers over stored spans.
 *
 * Order:    spans are scanned block by block and scored; what differs from the stored score is gathered. Every CHANGES_MAX changes the
 *           score table is looked through once, for which of them the old value stands there already, then two commits are
 *           made: old values with the version they were made by, then the new ones. A crash in between loses nothing: the next run finds the
 *           old values and only adds the new.
 * Memory:   one block of spans and CHANGES_MAX changes.
 * Failure:  a damaged block ends the job when the rest has been read: what could be rescored is.
 */
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/span/cell.h"
#include "server/history/history_internal.h"

#define CHANGES_MAX  65536u
#define PIECE_ROWS   256u /* scored at once: bounds the message bodies in memory */
#define SLOTS        (CHANGES_MAX * 2)
#define SCORER_LABEL "driftline"

/* One score that is not what it was. */
struct change {
    struct id128 trace_id;
    uint64_t span_id;
    int64_t time_ns; /* of the span */
    struct slice name;
    struct slice version; /* the old value was made by */
    struct slice finding;
    double before, after;
    bool has_before;
    bool is_recorded; /* before stands in scores */
};

struct rescorer {
    struct engine *engine;
    const struct rescore_options *options;
    const struct progress *progress;
    struct rescore_result *result;
    struct schema *schema;
    /* What is scanned: all fixed columns, then the score columns there were at the beginning. */
    const struct column **columns;
    uint32_t column_count;
    uint32_t fixed_count;
    uint64_t rows_total;
    uint64_t rows_done;
    struct change *changes;
    uint32_t change_count;
    struct arena arena; /* texts of the changes */
    uint32_t *slots;    /* open addressing over changes: index + 1 */
};

/* The piece of a block being scored. */
struct piece {
    struct rescorer *rescorer;
    const struct scan_batch *batch;
    struct batch spans;
    uint32_t first; /* row of the block */
};

/* ---- which scores ---- */

/* They look at what came around the span, which is known on arrival only. */
static bool is_of_trace(const char *name)
{
    static const char *const names[] = {
#define TRACE_SCORER(name, version, doc) #name,
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static enum status scorer_check(const struct rescore_options *o, struct error *reterr)
{
    const char *names[SCORER_COUNT];
    const struct enrich_settings *settings = enricher_settings(o->enricher);
    if (settings->scorers_off)
        return error_set(reterr, STATUS_INVALID, "scoring is switched off by the policy");
    if (o->scorer == NULL)
        return STATUS_OK;
    if (is_of_trace(o->scorer))
        return error_set(reterr, STATUS_INVALID,
                         "%s needs the spans around it as they come: it is given on arrival only",
                         o->scorer);
    for (uint32_t i = 0; i < SCORER_COUNT; i++) {
        names[i] = scorer_name((enum scorer_id)i);
        if (strcmp(names[i], o->scorer) == 0)
            return STATUS_OK;
    }
    /* Rules don't tell their names. */
    if (settings->rules != NULL && rules_count(settings->rules) > 0)
        return STATUS_OK;
    const char *nearest = nearest_name(slice_text(o->scorer), names, SCORER_COUNT);
    return error_set(reterr, STATUS_INVALID, "there is no scorer '%s'%s%s%s", o->scorer,
                     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "?" : "");
}

static struct rescore_line *line_of(struct rescorer *r, const char *name)
{
    struct rescore_result *result = r->result;
    for (uint32_t i = 0; i < result->line_count; i++) {
        if (strncmp(result->lines[i].name, name, sizeof result->lines[i].name - 1) == 0)
            return &result->lines[i];
    }
    ASSERT(result->line_count < RESCORE_LINES_MAX);
    struct rescore_line *line = &result->lines[result->line_count++];
    size_t size = strlen(name);
    bytes_copy(line->name, name, size < sizeof line->name ? size : sizeof line->name - 1);
    return line;
}

/* ---- one row ---- */

static const struct vector *stored_score(const struct piece *p, const char *name)
{
    const struct rescorer *r = p->rescorer;
    for (uint32_t i = r->fixed_count; i < r->column_count; i++) {
        if (strcmp(r->columns[i]->name + sizeof SCORE_PREFIX - 1, name) == 0)
            return &p->batch->vectors[i];
    }
    return NULL;
}

static const struct vector *fixed(const struct piece *p, uint16_t id)
{
    const struct rescorer *r = p->rescorer;
    for (uint32_t i = 0; i < r->fixed_count; i++) {
        if (r->columns[i]->id == id)
            return &p->batch->vectors[i];
    }
    ASSERT(!"all fixed columns are scanned");
    return NULL;
}

static bool in_range(const struct rescorer *r, int64_t time_ns)
{
    const struct rescore_options *o = r->options;
    return (o->from_ns == 0 && o->until_ns == 0) ||
           (time_ns >= o->from_ns && time_ns < o->until_ns);
}

static void change_add(struct piece *p, uint32_t row, const struct score *score,
                       const struct vector *stored)
{
    struct rescorer *r = p->rescorer;
    bool has_before = stored != NULL && vector_has(stored, row);
    r->changes[r->change_count++] = (struct change){
        .trace_id = fixed(p, SPANS_trace_id)->id128[row],
        .span_id = fixed(p, SPANS_span_id)->id64[row],
        .time_ns = fixed(p, SPANS_time)->i64[row],
        .name = arena_copy(&r->arena, slice_text(score->name)),
        .version = arena_copy(&r->arena, vector_bytes(fixed(p, SPANS_scorer_version), row)),
        .finding = arena_copy(&r->arena, score->finding),
        .before = has_before ? stored->f64[row] : 0,
        .after = score->value,
        .has_before = has_before,
    };
}

static void score_take(void *context, uint32_t piece_row, const struct score *score)
{
    struct piece *p = context;
    struct rescorer *r = p->rescorer;
    uint32_t row = p->first + piece_row;
    const char *wanted = r->options->scorer;
    if ((wanted != NULL && strcmp(wanted, score->name) != 0) || is_of_trace(score->name) ||
        !in_range(r, fixed(p, SPANS_time)->i64[row]))
        return;
    struct rescore_line *line = line_of(r, score->name);
    const struct vector *stored = stored_score(p, score->name);
    line->scores++;
    r->result->scores++;
    if (stored != NULL && vector_has(stored, row)) {
        if (stored->f64[row] == score->value)
            return;
        line->before_sum += stored->f64[row];
        line->before_count++;
    }
    line->changed++;
    line->after_sum += score->value;
    r->result->changed++;
    if (!r->options->dry_run)
        change_add(p, row, score, stored);
}

/* ---- which old values are recorded already ---- */

static uint64_t key_hash(struct id128 trace_id, uint64_t span_id, struct slice name)
{
    return hash_mix(id128_hash(trace_id) ^ hash_mix(span_id) ^ hash64(name));
}

/* The slot of the change, or the free one where it belongs. */
static uint32_t *slot_of(struct rescorer *r, struct id128 trace_id, uint64_t span_id,
                         struct slice name)
{
    uint32_t at = (uint32_t)(key_hash(trace_id, span_id, name) % SLOTS);
    while (r->slots[at] != 0) {
        const struct change *c = &r->changes[r->slots[at] - 1];
        if (c->span_id == span_id && id128_equal(c->trace_id, trace_id) &&
            slice_equal(c->name, name))
            break;
        at = (at + 1) % SLOTS;
    }
    return &r->slots[at];
}

static void slots_fill(struct rescorer *r)
{
    memset(r->slots, 0, SLOTS * sizeof *r->slots);
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct change *c = &r->changes[i];
        if (c->has_before)
            *slot_of(r, c->trace_id, c->span_id, c->name) = i + 1;
    }
}

static enum status recorded_mark(struct rescorer *r, struct error *reterr)
{
    const struct column *columns[] = {table_column(TABLE_SCORES, SCORES_trace_id),
                                      table_column(TABLE_SCORES, SCORES_span_id),
                                      table_column(TABLE_SCORES, SCORES_name)};
    const struct scan_options options = {.project = r->options->project,
                                         .table = TABLE_SCORES,
                                         .columns = columns,
                                         .column_count = 3};
    struct scan *scan;
    struct scan_batch batch;
    slots_fill(r);
    enum status s = scan_open(r->engine, &options, &scan, reterr);
    if (s < 0)
        return s;
    struct scan_reader *reader = scan_reader_create(scan);
    while ((s = scan_next(reader, &batch, reterr)) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.rows; i++) {
            if (!vector_has(&batch.vectors[1], i))
                continue;
            uint32_t slot = *slot_of(r, batch.vectors[0].id128[i], batch.vectors[1].id64[i],
                                     vector_bytes(&batch.vectors[2], i));
            if (slot != 0)
                r->changes[slot - 1].is_recorded = true;
        }
    }
    scan_reader_destroy(reader);
    scan_close(scan);
    return s < 0 ? s : STATUS_OK;
}

/* ---- writing ---- */

static void row_add(struct builder *b, const struct change *c, bool after, const char *version)
{
    struct slice made_by = after ? slice_text(version) : c->version;
    builder_row(b);
    if (!after)
        builder_i64(b, SCORES_time, c->time_ns);
    builder_id128(b, SCORES_trace_id, c->trace_id);
    builder_id64(b, SCORES_span_id, c->span_id);
    builder_str(b, SCORES_name, c->name);
    builder_f64(b, SCORES_value, after ? c->after : c->before);
    if (after && c->finding.size > 0)
        builder_str(b, SCORES_explanation, c->finding);
    builder_str(b, SCORES_source, slice_text("rule"));
    builder_str(b, SCORES_scorer, slice_text(SCORER_LABEL));
    if (made_by.size > 0)
        builder_str(b, SCORES_scorer_version, made_by);
}

/* Old values (those not recorded yet), or new ones, in commits of HISTORY_COMMIT_ROWS. */
static enum status rows_write(struct rescorer *r, bool after, struct error *reterr)
{
    struct builder b;
    enum status s = STATUS_OK;
    const char *version = enricher_version(r->options->enricher);
    builder_init(&b, TABLE_SCORES, r->schema);
    for (uint32_t i = 0; i < r->change_count && s >= 0; i++) {
        const struct change *c = &r->changes[i];
        if (after || (c->has_before && !c->is_recorded))
            row_add(&b, c, after, version);
        if (b.rows == 0 || (b.rows < HISTORY_COMMIT_ROWS && i + 1 < r->change_count))
            continue;
        const struct batch batch = builder_batch(&b);
        const struct append append = {.project = r->options->project, .scores = &batch};
        s = history_append(r->engine, &append, r->options->offline, reterr);
        builder_reset(&b);
    }
    builder_deinit(&b);
    return s;
}

static enum status changes_write(struct rescorer *r, struct error *reterr)
{
    enum status s = STATUS_OK;
    if (r->change_count > 0)
        s = recorded_mark(r, reterr);
    if (s >= 0)
        s = rows_write(r, false, reterr);
    if (s >= 0)
        s = rows_write(r, true, reterr);
    r->change_count = 0;
    arena_reset(&r->arena);
    return s;
}

/* ---- blocks ---- */

/* Rows [first, first + rows) of a vector. */
static struct vector vector_part(const struct vector *v, uint32_t first, uint32_t rows)
{
    struct vector part = *v;
    const uint8_t *payload = (const uint8_t *)v->i64;
    part.i64 = (const int64_t *)(const void *)(payload + first * storage_width(v->storage));
    part.valid = v->valid == NULL ? NULL : v->valid + first;
    part.rows = rows;
    return part;
}

static enum status piece_score(struct piece *p, struct arena *arena, struct error *reterr)
{
    struct rescorer *r = p->rescorer;
    struct history_bodies bodies = {.engine = r->engine, .project = r->options->project};
    const char *project = engine_project_name(r->engine, r->options->project);
    const struct enrich_work work = {.project = slice_text(project),
                                     .schema = r->schema,
                                     .spans = p->spans,
                                     .body = history_body,
                                     .body_context = &bodies,
                                     .arena = arena};
    return enrich_scores(r->options->enricher, &work, score_take, p, reterr);
}

static enum status block_score(struct rescorer *r, const struct scan_batch *batch,
                               struct error *reterr)
{
    struct arena arena = {0};
    enum status s = STATUS_OK;
    uint32_t rows;
    struct batch_column *columns = mem_alloc(r->fixed_count * sizeof *columns);
    for (uint32_t first = 0; first < batch->rows && s >= 0; first += rows) {
        struct piece p = {.rescorer = r, .batch = batch, .first = first};
        rows = batch->rows - first < PIECE_ROWS ? batch->rows - first : PIECE_ROWS;
        for (uint32_t i = 0; i < r->fixed_count; i++)
            columns[i] = (struct batch_column){
                .column = r->columns[i], .vector = vector_part(&batch->vectors[i], first, rows)};
        p.spans = (struct batch){
            .table = TABLE_SPANS, .rows = rows, .column_count = r->fixed_count, .columns = columns};
        if (r->change_count + PIECE_ROWS * RESCORE_LINES_MAX > CHANGES_MAX)
            s = changes_write(r, reterr);
        if (s >= 0)
            s = piece_score(&p, &arena, reterr);
        arena_reset(&arena);
    }
    mem_free(columns);
    arena_deinit(&arena);
    return s;
}

static void range_count(struct rescorer *r, const struct scan_batch *batch)
{
    const struct vector *times = &batch->vectors[0];
    for (uint32_t i = 0; i < batch->rows; i++)
        r->result->rows += in_range(r, times->i64[i]);
}

static bool go_on(struct rescorer *r, uint32_t rows)
{
    r->rows_done += rows;
    double fraction = r->rows_total == 0 ? 1 : (double)r->rows_done / (double)r->rows_total;
    return r->progress == NULL ||
           r->progress->report(r->progress->context, fraction < 1 ? fraction : 1, "rescoring");
}

static enum status spans_score(struct rescorer *r, struct error *reterr)
{
    const struct scan_options options = {.project = r->options->project,
                                         .table = TABLE_SPANS,
                                         .from_ns = r->options->from_ns,
                                         .until_ns = r->options->until_ns,
                                         .columns = r->columns,
                                         .column_count = r->column_count};
    struct scan *scan;
    struct scan_batch batch;
    enum status s = scan_open(r->engine, &options, &scan, reterr);
    if (s < 0)
        return s;
    struct scan_reader *reader = scan_reader_create(scan);
    while (s >= 0 && (s = scan_next(reader, &batch, reterr)) == STATUS_OK) {
        range_count(r, &batch);
        s = block_score(r, &batch, reterr);
        if (s >= 0 && !go_on(r, batch.rows))
            s = error_set(reterr, STATUS_CANCELLED, "the rescoring was cancelled");
    }
    if (s >= 0)
        s = changes_write(r, reterr);
    const struct error *damage = scan_damage(scan);
    if (s >= 0 && damage != NULL)
        s = error_set(reterr, damage->status, "%s", damage->text);
    scan_reader_destroy(reader);
    scan_close(scan);
    return s < 0 ? s : STATUS_OK;
}

static void segment_count(void *context, const struct segment_info *s)
{
    struct rescorer *r = context;
    const struct rescore_options *o = r->options;
    bool all = o->from_ns == 0 && o->until_ns == 0;
    if (s->project == o->project && s->table == TABLE_SPANS &&
        (all || (s->time_max_ns >= o->from_ns && s->time_min_ns < o->until_ns)))
        r->rows_total += s->rows;
}

static void columns_choose(struct rescorer *r)
{
    const struct column *fixed_columns = table_columns(TABLE_SPANS, &r->fixed_count);
    uint32_t scores = schema_score_count(r->schema);
    r->columns = mem_alloc((r->fixed_count + scores) * sizeof(struct column *));
    for (uint32_t i = 0; i < r->fixed_count; i++)
        r->columns[r->column_count++] = &fixed_columns[i];
    for (uint32_t i = 0; i < scores; i++)
        r->columns[r->column_count++] =
            schema_column(r->schema, TABLE_SPANS, (uint16_t)(COLUMN_DYNAMIC + i));
    ASSERT(r->columns[0]->id == SPANS_time);
}

enum status history_rescore(struct engine *e, const struct rescore_options *options,
                            const struct progress *progress, struct rescore_result *ret,
                            struct error *reterr)
{
    enum status s = scorer_check(options, reterr);
    if (s < 0)
        return s;
    if (engine_project_name(e, options->project) == NULL)
        return error_set(reterr, STATUS_NOT_FOUND, "there is no project %u", options->project);
    struct rescore_result *result = MEM_NEW(struct rescore_result);
    struct rescorer r = {.engine = e,
                         .options = options,
                         .progress = progress,
                         .result = result,
                         .schema = engine_schema(e, options->project),
                         .changes = mem_alloc(CHANGES_MAX * sizeof *r.changes),
                         .slots = mem_zero(SLOTS, sizeof *r.slots),
                         .rows_total = engine_health(e).head_rows};
    columns_choose(&r);
    s = engine_segments(e, false, segment_count, &r, reterr);
    if (s >= 0)
        s = spans_score(&r, reterr);
    *ret = *result;
    mem_free(r.columns);
    mem_free(r.changes);
    mem_free(r.slots);
    mem_free(result);
    arena_deinit(&r.arena);
    return s;
}
