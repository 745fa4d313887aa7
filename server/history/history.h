/*
 * history.h - changing one's mind about the past: prices, scores and mappings recomputed over stored spans.
 *
 * Place:    http admin routes and the command line (offline) -> [here] -> engine_rewrite, engine_append
 * Threads:  any; one thread a job.
 */
#ifndef DRIFTLINE_HISTORY_H
#define DRIFTLINE_HISTORY_H

#include "engine/engine.h"
#include "engine/enrich/enrich.h"

struct reprice_options {
    uint32_t project;
    int64_t from_ns, until_ns; /* 0, 0: all */
    struct price_table *table;
    bool dry_run;
    bool all; /* also costs the client reported; default: only those we computed and those missing */
};
struct reprice_line { /* one model's difference, largest first */
    char model[128];
    uint64_t spans;
    int64_t before_nusd, after_nusd;
};
struct reprice_result {
    uint64_t rows, changed, unpriced;
    int64_t before_nusd, after_nusd;
    struct reprice_line lines[32];
    uint32_t line_count;
};
MUST_CHECK enum status history_reprice(struct engine *e, const struct reprice_options *options, const struct progress *progress,
                                       struct reprice_result *ret, struct error *reterr);

struct rescore_options {
    uint32_t project;
    int64_t from_ns, until_ns;
    const char *scorer; /* NULL: all */
    struct enricher *enricher;
    bool dry_run;
    bool offline; /* nobody else pumps the engine */
};
struct rescore_line { /* one scorer */
    char name[64];
    uint64_t scores, changed;
    double before_sum, after_sum; /* over the changed ones; before: over those that had a value, */
    uint64_t before_count;        /* which are this many */
};
#define RESCORE_LINES_MAX (SCORER_COUNT + RULES_MAX)
struct rescore_result {
    uint64_t rows, scores, changed; /* scores computed; those that differ from the stored value */
    struct rescore_line lines[RESCORE_LINES_MAX];
    uint32_t line_count;
};
/* Where a score differs, two rows go to `scores`: what stood there with the version it was made by (once), then the new one with its
 * version, source 'rule'; the span shows the new one. Scores that need the other spans of the trace (trace_scorer.def) are given on
 * arrival only. */
MUST_CHECK enum status history_rescore(struct engine *e, const struct rescore_options *options, const struct progress *progress,
                                       struct rescore_result *ret, struct error *reterr);

struct remap_options {
    uint32_t project;
    int64_t from_ns, until_ns;
    bool dry_run;
    bool offline; /* nobody else pumps the engine */
};
struct remap_result {
    uint64_t rows, changed, cells;
};
/* Applies the current dialect table to what is left in `attributes`; fills only cells that are NULL. */
MUST_CHECK enum status history_remap(struct engine *e, const struct remap_options *options, const struct progress *progress,
                                     struct remap_result *ret, struct error *reterr);

#endif
