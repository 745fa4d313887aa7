/*
 * ingest_internal.h - what ingest.c and ingest_otlp.c share.
 */
#ifndef DRIFTLINE_INGEST_INTERNAL_H
#define DRIFTLINE_INGEST_INTERNAL_H

#include "engine/base/thread.h"
#include "engine/span/batch_edit.h"
#include "server/dialect/mapper.h"
#include "server/ingest/ingest.h"

/* An enricher lives until its last user let go of it. */
struct shared_enricher {
    struct enricher *enricher;
    uint32_t references; /* under ingest.lock */
};

/* What a thread needs to read requests; kept between them. */
struct otlp_worker {
    struct otlp_reader *reader;
    struct mapper *mapper;
    struct mapped mapped;
    uint32_t project; /* of mapped's schema; 0: mapped is not made yet */
    struct arena arena;
    struct otlp_worker *next;
};
void otlp_worker_destroy(struct otlp_worker *w);

struct ingest {
    struct engine *engine;
    struct mutex lock;
    struct shared_enricher *current;
    struct otlp_worker *idle;
    struct ingest_stats stats;
    struct enrich_counts retired; /* of enrichers that are gone */
};

void ingest_counts_add(struct enrich_counts *to, const struct enrich_counts *c);
/* Enriches and appends one commit; what comes out of the enrichment lives in the arena. */
MUST_CHECK enum status ingest_commit(struct ingest *in, struct enricher *e, const struct append *append,
                                     bool lenient, struct arena *arena, struct append_result *ret,
                                     struct error *reterr);

#endif
