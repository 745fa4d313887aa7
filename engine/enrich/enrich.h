/*
 * enrich.h - every span is masked, priced, scored and classified on arrival, before it is written.
 *
 * Place:     server/ingest -> [here] -> engine_append
 * Order:     mask -> prices -> scorers and rules -> class (taxonomy order decides; a class the client gave stays, class_source
 *            'client')
 * Promise:   pure: the same spans and the same settings give the same answer, but for trace memory (loops), which is bounded.
 * Threads:   any; an enricher serialises its callers. work->body is called with the enricher's lock held: it may take the engine's
 *            locks, and nobody who holds those may call an enricher.
 */
#ifndef DRIFTLINE_ENRICH_H
#define DRIFTLINE_ENRICH_H

#include "engine/enrich/mask.h"
#include "engine/enrich/price.h"
#include "engine/enrich/rule.h"
#include "engine/enrich/scorer.h"
#include "engine/enrich/taxonomy.h"
#include "engine/span/batch.h"

struct enrich_settings {
    struct taxonomy taxonomy;
    struct price_table *prices;  /* NULL: costs are not computed. Owned */
    struct masker *masker;       /* NULL. Owned */
    struct rules *rules;         /* NULL. Owned */
    struct scorer_options scorers;
    bool scorers_off;            /* nothing but masking, prices and classes from facts */
};

struct enricher;
/* Takes the settings' parts over. */
struct enricher *enricher_create(const struct enrich_settings *own_settings);
void enricher_destroy(struct enricher *e);
const struct enrich_settings *enricher_settings(const struct enricher *e);

struct enrich_work {
    struct slice project;
    struct schema *schema;           /* score columns are added to it */
    struct batch spans;              /* in: as received; out: with columns added or replaced (vectors are never written through) */
    const struct message *messages;  /* in; out: masked bodies under their new addresses */
    uint32_t message_count;
    /* Bodies that are not in messages (stored by an earlier commit). May be NULL; false: not at hand. */
    bool (*body)(void *context, struct id128 address, struct arena *arena, struct slice *ret);
    void *body_context;
    bool lenient; /* a class that is not in the taxonomy becomes 'other', with a finding, instead of an error */
    struct arena *arena;             /* for everything that comes out */
};
struct enrich_counts {
    uint64_t masked;      /* replacements */
    uint64_t priced;      /* costs computed */
    uint64_t unpriced;    /* llm or embedding spans with tokens that no price fits */
    uint64_t scored;      /* scores given */
    uint64_t classified;  /* spans that got a class other than none */
    uint64_t unknown_classes; /* lenient: how many became 'other' */
};
/* The class a tag gives is in the taxonomy? STATUS_INVALID says how to add it, with the nearest name. */
MUST_CHECK enum status enrich_class_check(const struct enricher *e, struct slice name, struct error *reterr);
/* STATUS_INVALID: an error_class the client sent is not in the taxonomy, naming row, class and how to add it. */
MUST_CHECK enum status enrich(struct enricher *e, struct enrich_work *work, struct enrich_counts *counts, struct error *reterr);

/* The service tier among a span's attributes (JSON), what the provider answered before what was asked for; empty: none. */
struct slice enrich_service_tier(struct slice attributes, struct arena *arena);

/* When engine_append misses messages of an enriched batch: turns the addresses it names, which may be those of masked messages, into
 * the ones the client sent (same row, column and position of its batch), so that the client knows which bodies to send again. */
void enrich_missing_as_sent(const struct batch *sent, const struct batch *stored, struct id128 *addresses, uint32_t count);

/* Totals since start. */
struct enrich_counts enricher_totals(struct enricher *e);
/* Replacements by mask rule: name and count. */
void enricher_masked(struct enricher *e, void (*each)(void *context, struct slice rule, uint64_t count), void *context);

/* For rescore: the scores of stored rows, one row each, as a batch of TABLE_SCORES-to-be: calls each() per score. The scores of
 * trace_scorer.def are not among them: those are given on arrival only. */
MUST_CHECK enum status enrich_scores(struct enricher *e, const struct enrich_work *work,
                                     void (*each)(void *context, uint32_t row, const struct score *score), void *context,
                                     struct error *reterr);
/* What scorer_version says now. */
const char *enricher_version(const struct enricher *e);

#endif
