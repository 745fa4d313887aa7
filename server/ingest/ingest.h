/*
 * ingest.h - the one way in for spans: OTLP requests and native batches are enriched, then appended.
 *
 * Place:    http, grpc, native -> [here] -> engine/enrich -> engine_append
 * Threads:  any (an ingest is shared; OTLP requests run on worker threads, native batches on the loop).
 * Bounds:   an OTLP request is cut into commits of INGEST_CHUNK_ROWS rows or INGEST_CHUNK_BYTES of text, so besides the body it needs
 *           memory of one chunk; peak memory of a request is at most 4x its decoded body plus INGEST_FLOOR_BYTES.
 */
#ifndef DRIFTLINE_INGEST_H
#define DRIFTLINE_INGEST_H

#include "engine/engine.h"
#include "engine/enrich/enrich.h"
#include "server/codec/otlp.h"
#include "server/policy/policy.h"

#define INGEST_CHUNK_ROWS  8192u
#define INGEST_CHUNK_BYTES (8u << 20)
#define INGEST_FLOOR_BYTES (64u << 20)

struct ingest;
/* own_settings: see enricher_create. */
struct ingest *ingest_create(struct engine *engine, const struct enrich_settings *own_settings);
void ingest_destroy(struct ingest *in);
/* The enricher in force, for as long as it is held (a reload does not take it away). */
struct shared_enricher;
struct shared_enricher *ingest_hold(struct ingest *in);
struct enricher *ingest_enricher(struct shared_enricher *held);
void ingest_release(struct ingest *in, struct shared_enricher *held);
/* Swaps the settings (SIGHUP); requests under way finish with the old ones. */
void ingest_reload(struct ingest *in, const struct enrich_settings *own_settings);

/* engine_append with enrichment before it: same results, plus what enrich() says is wrong. The hook of native.h. */
MUST_CHECK enum status ingest_append(struct ingest *in, const struct append *append, struct append_result *ret, struct error *reterr);

struct ingest_request {
    uint32_t project;
    enum otlp_signal signal;
    enum otlp_encoding encoding;
    struct slice body; /* decoded (content_decode) */
};
struct ingest_result {
    uint64_t ticket;   /* answer once the engine has published this (engine_pump) */
    uint64_t accepted, rejected, duplicates;
    char message[ERROR_TEXT_BYTES]; /* partial success: why spans were rejected, or a warning; "" */
};
/* STATUS_INVALID: nothing could be read; STATUS_BUSY, STATUS_READ_ONLY, STATUS_FULL: come again (what was taken already is dropped as duplicate
 * then). */
MUST_CHECK enum status ingest_otlp(struct ingest *in, const struct ingest_request *request, struct ingest_result *ret,
                                   struct error *reterr);

struct ingest_stats {
    uint64_t requests, spans, logs, rejected, duplicates, bytes;
    struct enrich_counts enriched;
};
struct ingest_stats ingest_stats(struct ingest *in);

#endif
