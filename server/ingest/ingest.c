/*
 * ingest.c - enrichment in front of the engine, and what all requests share.
 */
#include "server/ingest/ingest_internal.h"

#include "engine/base/check.h"

/* ---- settings that can be swapped ---- */

static struct shared_enricher *shared_make(const struct enrich_settings *own_settings)
{
    struct shared_enricher *s = MEM_NEW(struct shared_enricher);
    s->enricher = enricher_create(own_settings);
    s->references = 1;
    return s;
}

struct shared_enricher *ingest_hold(struct ingest *in)
{
    mutex_lock(&in->lock);
    struct shared_enricher *s = in->current;
    s->references++;
    mutex_unlock(&in->lock);
    return s;
}

void ingest_release(struct ingest *in, struct shared_enricher *s)
{
    mutex_lock(&in->lock);
    bool last = --s->references == 0;
    if (last) {
        struct enrich_counts c = enricher_totals(s->enricher);
        ingest_counts_add(&in->retired, &c);
    }
    mutex_unlock(&in->lock);
    if (!last)
        return;
    enricher_destroy(s->enricher);
    mem_free(s);
}

void ingest_counts_add(struct enrich_counts *to, const struct enrich_counts *c)
{
    to->masked += c->masked;
    to->priced += c->priced;
    to->unpriced += c->unpriced;
    to->scored += c->scored;
    to->classified += c->classified;
    to->unknown_classes += c->unknown_classes;
}

struct ingest *ingest_create(struct engine *engine, const struct enrich_settings *own_settings)
{
    struct ingest *in = MEM_NEW(struct ingest);
    in->engine = engine;
    in->current = shared_make(own_settings);
    mutex_init(&in->lock);
    return in;
}

void ingest_destroy(struct ingest *in)
{
    if (in == NULL)
        return;
    while (in->idle != NULL) {
        struct otlp_worker *w = in->idle;
        in->idle = w->next;
        otlp_worker_destroy(w);
    }
    ingest_release(in, in->current);
    mutex_deinit(&in->lock);
    mem_free(in);
}

void ingest_reload(struct ingest *in, const struct enrich_settings *own_settings)
{
    struct shared_enricher *fresh = shared_make(own_settings);
    mutex_lock(&in->lock);
    struct shared_enricher *old = in->current;
    in->current = fresh;
    mutex_unlock(&in->lock);
    ingest_release(in, old);
}

struct enricher *ingest_enricher(struct shared_enricher *held)
{
    return held->enricher;
}

/* ---- one commit ---- */

struct bodies {
    struct engine *engine;
    uint32_t project;
};

/* The body of one stored message: the array of one, without its brackets. */
static bool body_stored(void *context, struct id128 address, struct arena *arena, struct slice *ret)
{
    const struct bodies *b = context;
    struct slice text;
    struct slice refs = slice_of(address.bytes, sizeof address.bytes);
    if (engine_messages_text(b->engine, b->project, refs, arena, &text, NULL) < 0 ||
        text.size < 2 || slice_is(text, "[null]"))
        return false;
    *ret = slice_of(text.data + 1, text.size - 2);
    return true;
}

/* Every class tags give must be in the taxonomy. */
static enum status tags_check(const struct enricher *e, const struct batch *tags,
                              struct error *reterr)
{
    const struct vector *v = tags == NULL ? NULL : batch_vector(tags, TAGS_class);
    for (uint32_t i = 0; v != NULL && i < v->rows; i++) {
        if (v->codes[i] == 0)
            continue;
        enum status s = enrich_class_check(e, vector_bytes(v, i), reterr);
        if (s < 0) {
            error_prefix(reterr, "tags row %u: class", i);
            return s;
        }
    }
    return STATUS_OK;
}

/* The client knows its own addresses, not those of masked bodies. */
static void missing_as_sent(const struct batch *sent, const struct batch *enriched,
                            struct append_result *ret)
{
    uint32_t most = sizeof ret->missing_addresses / sizeof ret->missing_addresses[0];
    enrich_missing_as_sent(sent, enriched, ret->missing_addresses,
                           ret->missing < most ? ret->missing : most);
}

enum status ingest_commit(struct ingest *in, struct enricher *e, const struct append *append,
                          bool lenient, struct arena *arena, struct append_result *ret,
                          struct error *reterr)
{
    enum status s;
    /* A commit that will be refused is tried again soon: don't pay for it twice. */
    if ((s = engine_accepts(in->engine, reterr)) < 0)
        return s;
    if ((s = tags_check(e, append->tags, reterr)) < 0)
        return s;
    /* Messages that come ahead of their spans are masked as well. */
    bool spans = append->spans != NULL && append->spans->rows > 0;
    if (!spans && append->message_count == 0)
        return engine_append(in->engine, append, ret, reterr);
    struct bodies bodies = {.engine = in->engine, .project = append->project};
    struct enrich_work work = {
        .project = slice_text(engine_project_name(in->engine, append->project)),
        .schema = engine_schema(in->engine, append->project),
        .spans = spans ? *append->spans : (struct batch){.table = TABLE_SPANS},
        .messages = append->messages,
        .message_count = append->message_count,
        .body = body_stored,
        .body_context = &bodies,
        .lenient = lenient,
        .arena = arena,
    };
    struct enrich_counts counts = {0};
    if ((s = enrich(e, &work, &counts, reterr)) < 0)
        return s;
    struct append enriched = *append;
    enriched.spans = spans ? &work.spans : NULL;
    enriched.messages = work.messages;
    enriched.message_count = work.message_count;
    s = engine_append(in->engine, &enriched, ret, reterr);
    if (s == STATUS_NOT_FOUND && ret->missing > 0 && spans)
        missing_as_sent(append->spans, &work.spans, ret);
    return s;
}

enum status ingest_append(struct ingest *in, const struct append *append, struct append_result *ret,
                          struct error *reterr)
{
    struct arena arena = {0};
    struct shared_enricher *held = ingest_hold(in);
    enum status s = ingest_commit(in, held->enricher, append, false, &arena, ret, reterr);
    ingest_release(in, held);
    arena_deinit(&arena);
    return s;
}

struct ingest_stats ingest_stats(struct ingest *in)
{
    struct shared_enricher *held = ingest_hold(in);
    struct enrich_counts now = enricher_totals(held->enricher);
    mutex_lock(&in->lock);
    struct ingest_stats stats = in->stats;
    stats.enriched = in->retired;
    mutex_unlock(&in->lock);
    ingest_counts_add(&stats.enriched, &now);
    ingest_release(in, held);
    return stats;
}
