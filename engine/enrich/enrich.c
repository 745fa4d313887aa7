/*
 * enrich.c - one batch through all stages, and the enricher that keeps what they need between batches.
 *
 * Place:     server/ingest -> [here] -> mask, price, scorers and rules, class -> engine_append
 * Memory:    what comes out lives in the work's arena; what scorers need for one row goes back after each row.
 * Failure:   only a class the client invented is refused, before anything else is looked at.
 */
#include "engine/enrich/enrich_internal.h"

#include <stdio.h>

#include "engine/base/hash.h"

#define FIXED_COLUMNS_ADDED                                                                        \
    8u /* cost, estimated, pricing, class, source, version, findings, one to spare */

static uint64_t taxonomy_hash(const struct taxonomy *t)
{
    uint64_t hash = class_rules_hash();
    for (uint32_t i = 0; i < t->count; i++) {
        const struct error_class *c = &t->classes[i];
        hash = hash_mix(hash ^ hash64(slice_text(c->name)));
        hash = hash_mix(hash ^ (uint64_t)c->order);
        hash = hash_mix(hash ^ (uint64_t)c->bucket);
    }
#define TRACE_SCORER(name, version, doc) hash = hash_mix(hash ^ hash64(slice_text(#name version)));
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
    return hash;
}

/* What the taxonomy borrows from whoever read it, so that the policy file may be forgotten. */
static void definitions_copy(struct enricher *e)
{
    for (uint32_t i = 0; i < e->settings.taxonomy.count; i++) {
        struct error_class *c = &e->settings.taxonomy.classes[i];
        c->definition = arena_strdup(&e->arena, c->definition != NULL ? c->definition : "");
    }
}

struct enricher *enricher_create(const struct enrich_settings *own_settings)
{
    struct enricher *e = MEM_NEW(struct enricher);
    mutex_init(&e->lock);
    e->settings = *own_settings;
    definitions_copy(e);
    if (!e->settings.scorers_off) {
        e->scorers = scorers_create(&e->settings.scorers, e->settings.rules);
        e->failures = trace_memory_create();
        e->families = families_create();
    }
    if (e->settings.masker != NULL)
        e->masked = mask_memory_create();
    (void)snprintf(e->version, sizeof e->version, "%s/t%08x",
                   e->scorers != NULL ? scorers_version(e->scorers) : "off",
                   (unsigned)(taxonomy_hash(&e->settings.taxonomy) & 0xffffffffu));
    return e;
}

void enricher_destroy(struct enricher *e)
{
    if (e == NULL)
        return;
    scorers_destroy(e->scorers);
    trace_memory_destroy(e->failures);
    families_destroy(e->families);
    mask_memory_destroy(e->masked);
    price_table_destroy(e->settings.prices);
    masker_destroy(e->settings.masker);
    rules_destroy(e->settings.rules);
    arena_deinit(&e->arena);
    mutex_deinit(&e->lock);
    mem_free(e);
}

const struct enrich_settings *enricher_settings(const struct enricher *e)
{
    return &e->settings;
}

const char *enricher_version(const struct enricher *e)
{
    return e->version;
}

/* What a row's scorers have to say; text in it lives in the row's arena. */
REQUIRES(e->lock)
static void row_scores_locked(struct enricher *e, const struct span_view *view,
                              struct arena *row_arena, struct score_list *ret)
{
    ret->count = 0;
    if (e->scorers == NULL)
        return;
    scorers_run(e->scorers, view, row_arena, ret);
    trace_scores_locked(e, view, row_arena, ret);
}

static void version_column(const struct enricher *e, struct enrich_work *work)
{
    struct arena *arena = work->arena;
    struct slice *values = ARENA_ARRAY(arena, struct slice, 2);
    struct dict *dict = ARENA_NEW(arena, struct dict);
    uint32_t *codes = ARENA_ARRAY(arena, uint32_t, work->spans.rows);
    values[0] = SLICE_EMPTY;
    values[1] = arena_copy(arena, slice_text(e->version)); /* the batch may outlive the enricher */
    *dict = (struct dict){.values = values, .count = 2};
    for (uint32_t row = 0; row < work->spans.rows; row++)
        codes[row] = 1;
    batch_put(&work->spans, table_column(TABLE_SPANS, SPANS_scorer_version),
              (struct vector){
                  .storage = STORAGE_STR, .rows = work->spans.rows, .dict = dict, .codes = codes});
}

/* Scores, findings and classes of all rows. */
REQUIRES(e->lock)
static void rows_score_locked(struct enricher *e, struct enrich_work *work,
                              struct class_column *classes, struct enrich_counts *counts)
{
    struct body_map bodies;
    struct view_reader reader;
    struct score_columns columns = {.work = work};
    struct arena row_arena = {0};
    struct score_list scores;
    body_map_init(&bodies, work);
    /* User rules may read all of the input. */
    view_reader_init(&reader, work, &bodies, e->settings.rules == NULL ? e->scorers : NULL);
    if (e->families != NULL)
        families_note(e->families, &work->spans);
    for (uint32_t row = 0; row < work->spans.rows; row++) {
        struct span_view view;
        view_read(&reader, row, &view);
        row_scores_locked(e, &view, &row_arena, &scores);
        class_column_row(classes, row, &view, &scores, counts);
        for (uint32_t i = 0; i < scores.count; i++)
            score_columns_add(&columns, row, &scores.items[i]);
        struct slice unknown = class_column_unknown(classes, row);
        if (unknown.size > 0)
            score_columns_finding(
                &columns, "error_class",
                slice_text(arena_printf(&row_arena,
                                        "the client said '%.*s', which is not in the taxonomy",
                                        SLICE_ARG(unknown))));
        score_columns_row(&columns, row);
        counts->scored += scores.count;
        arena_reset(&row_arena);
    }
    score_columns_end(&columns);
    arena_deinit(&row_arena);
    view_reader_deinit(&reader);
}

static void counts_add(struct enrich_counts *to, const struct enrich_counts *more)
{
    to->masked += more->masked;
    to->priced += more->priced;
    to->unpriced += more->unpriced;
    to->scored += more->scored;
    to->classified += more->classified;
    to->unknown_classes += more->unknown_classes;
}

enum status enrich(struct enricher *e, struct enrich_work *work, struct enrich_counts *counts,
                   struct error *reterr)
{
    enum status s;
    struct class_column classes;
    struct enrich_counts done = {0};
    if (work->spans.rows == 0 && work->message_count == 0)
        return STATUS_OK;
    if ((s = class_column_init(&classes, &e->settings.taxonomy, work, reterr)) < 0)
        return s;
    work->spans =
        batch_edit(&work->spans, TABLE_SPANS, FIXED_COLUMNS_ADDED + SCORE_SLOTS_MAX, work->arena);
    mutex_lock(&e->lock);
    enrich_mask_locked(e, work, &done);
    if (work->spans.rows > 0) {
        enrich_price(e->settings.prices, work, &done);
        rows_score_locked(e, work, &classes, &done);
        class_column_end(&classes);
        version_column(e, work);
    }
    counts_add(&e->totals, &done);
    mutex_unlock(&e->lock);
    if (counts != NULL)
        counts_add(counts, &done);
    return STATUS_OK;
}

/* Without the scores of traces: they speak of what had come when a span did, which history does not tell. */
enum status enrich_scores(struct enricher *e, const struct enrich_work *work,
                          void (*each)(void *context, uint32_t row, const struct score *score),
                          void *context, struct error *reterr)
{
    (void)reterr;
    struct body_map bodies;
    struct view_reader reader;
    struct arena row_arena = {0};
    struct score_list scores;
    body_map_init(&bodies, work);
    view_reader_init(&reader, work, &bodies, NULL);
    mutex_lock(&e->lock);
    for (uint32_t row = 0; row < work->spans.rows; row++) {
        struct span_view view;
        view_read(&reader, row, &view);
        scores.count = 0;
        if (e->scorers != NULL)
            scorers_run(e->scorers, &view, &row_arena, &scores);
        for (uint32_t i = 0; i < scores.count; i++)
            each(context, row, &scores.items[i]);
        arena_reset(&row_arena);
    }
    mutex_unlock(&e->lock);
    arena_deinit(&row_arena);
    view_reader_deinit(&reader);
    return STATUS_OK;
}

struct enrich_counts enricher_totals(struct enricher *e)
{
    mutex_lock(&e->lock);
    struct enrich_counts totals = e->totals;
    mutex_unlock(&e->lock);
    return totals;
}

void enricher_masked(struct enricher *e,
                     void (*each)(void *context, struct slice rule, uint64_t count), void *context)
{
    uint64_t counts[MASK_RULES_MAX];
    mutex_lock(&e->lock);
    memcpy(counts, e->mask_counts, sizeof counts);
    mutex_unlock(&e->lock);
    const struct masker *m = e->settings.masker;
    for (uint32_t i = 0; m != NULL && i < masker_count(m); i++)
        each(context, masker_rule_name(m, i), counts[i]);
}
