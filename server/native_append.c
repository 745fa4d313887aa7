/*
 * native_append.c - batches of a connection into the engine, and their acknowledgement.
 *
 * Invariant: per connection the engine sees batches in order of batch_seq without a hole that could
 *            still be filled: once a batch is sent back (WANT, retryable ERROR), all later ones are dropped
 *            until the client resumes. Otherwise a later batch would make the engine take the earlier
 *            one for a repeat.
 */
#include "server/native_internal.h"

#include "engine/base/check.h"
#include "server/auth/auth.h"

#include <stdio.h>

#define PENDING_MAX  65536u
#define GIVE_BACK_MS 1000u
#define WANT_CHUNK   1024u

/* ---- acks ---- */

static struct pending *pending_at(struct native_connection *c, uint32_t i)
{
    return &c->pending[(c->pending_first + i) & (c->pending_capacity - 1)];
}

static void pending_add(struct native_connection *c, struct pending p)
{
    if (c->pending_count == c->pending_capacity) {
        size_t capacity = c->pending_capacity == 0 ? 64 : 2 * c->pending_capacity;
        struct pending *grown = mem_alloc(capacity * sizeof *grown);
        for (uint32_t i = 0; i < c->pending_count; i++)
            grown[i] = *pending_at(c, i);
        mem_free(c->pending);
        c->pending = grown;
        c->pending_capacity = capacity;
        c->pending_first = 0;
    }
    c->pending_count++;
    *pending_at(c, c->pending_count - 1) = p;
    if (!c->acking) {
        c->acking = true;
        TAILQ_INSERT_TAIL(&c->native->acking, c, acking_link);
    }
}

/* When input memory runs short, clients are asked to keep less in flight. */
static uint32_t credit_share(const struct native *n)
{
    return n->stats.memory_bytes > n->options.memory_bytes_max / 2 ? 4 : 1;
}

void native_ack(struct native_connection *c)
{
    struct native *n = c->native;
    struct wire_ack ack = {.credit_rows = n->options.credit_rows / credit_share(n),
                           .credit_bytes = n->options.credit_bytes / credit_share(n)};
    if (c->state != CONNECTION_OPEN && c->state != CONNECTION_DRAINING)
        return;
    while (c->pending_count > 0 && pending_at(c, 0)->ticket <= n->durable) {
        const struct pending *p = pending_at(c, 0);
        ack.batch_seq = p->batch_seq;
        ack.accepted += p->accepted;
        ack.duplicates += p->duplicates;
        c->pending_first = (c->pending_first + 1) & (uint32_t)(c->pending_capacity - 1);
        c->pending_count--;
    }
    if (ack.batch_seq == 0)
        return;
    if (c->pending_count == 0) {
        c->acking = false;
        TAILQ_REMOVE(&n->acking, c, acking_link);
    }
    wire_ack_write(&c->out, &ack);
    if (c->state == CONNECTION_DRAINING && c->pending_count == 0)
        connection_close_soon(c);
    else
        connection_flush(c);
}

void native_tell_appended(struct native *n)
{
    if (!n->appended)
        return;
    n->appended = false;
    if (n->hooks.appended != NULL)
        n->hooks.appended(n->hooks.context);
}

/* ---- refusals ---- */

static enum outcome batch_error(struct native_connection *c, const struct wire_error *e)
{
    wire_error_write(&c->out, e);
    if (e->retryable)
        c->rejected = true;
    else
        c->native->stats.rejected++;
    connection_flush(c);
    return c->state == CONNECTION_OPEN ? OUTCOME_TAKEN : OUTCOME_ENDED;
}

/* The engine says where in its text: "spans row 7: model ...". */
static enum outcome engine_error(struct native_connection *c, uint64_t batch_seq,
                                 enum status status, const struct error *error)
{
    char table[16] = "";
    char name[64] = "";
    char column[96] = "";
    unsigned row = WIRE_ROW_NONE;
    int fields = sscanf(error->text, "%15[a-z] row %u: %63[a-z0-9_.]", table, &row, name);
    if (fields < 2)
        row = WIRE_ROW_NONE;
    if (fields == 3)
        (void)snprintf(column, sizeof column, "%s.%s", table, name);
    return batch_error(c, &(struct wire_error){.batch_seq = batch_seq,
                                               .status = status,
                                               .row = row,
                                               .column = slice_text(column),
                                               .text = slice_text(error->text)});
}

/* ---- missing messages ---- */

struct want {
    struct id128 *addresses; /* also the hash table's values */
    uint32_t *slots;         /* index + 1 */
    uint32_t mask;
    uint32_t count;
};

static void want_add(struct want *w, struct id128 address)
{
    uint32_t slot = (uint32_t)id128_hash(address) & w->mask;
    while (w->slots[slot] != 0) {
        if (id128_equal(w->addresses[w->slots[slot] - 1], address))
            return;
        slot = (slot + 1) & w->mask;
    }
    if (w->count == WIRE_ADDRESSES_MAX)
        return;
    w->addresses[w->count++] = address;
    w->slots[slot] = w->count;
}

static void want_add_missing(struct native_connection *c, struct want *w, struct slice refs)
{
    struct id128 missing[WANT_CHUNK];
    for (size_t at = 0; at < refs.size; at += sizeof missing) {
        size_t bytes = refs.size - at < sizeof missing ? refs.size - at : sizeof missing;
        const struct id128 *addresses = (const struct id128 *)(const void *)(refs.data + at);
        uint32_t count = engine_messages_missing(c->native->engine, c->project, addresses,
                                                 (uint32_t)(bytes / sizeof(struct id128)), missing);
        for (uint32_t i = 0; i < count; i++)
            want_add(w, missing[i]);
    }
}

/* All addresses a batch refers to that are neither stored nor in it. */
static void want_collect(struct native_connection *c, const struct wire_batch *batch,
                         struct arena *arena, struct want *w)
{
    w->mask = 4 * WIRE_ADDRESSES_MAX - 1;
    w->slots = arena_zero(arena, (size_t)w->mask + 1, sizeof *w->slots);
    w->addresses = ARENA_ARRAY(arena, struct id128, WIRE_ADDRESSES_MAX);
    for (size_t k = 0; k < REFS_COLUMNS; k++) {
        const struct vector *v = batch_vector(&batch->tables[TABLE_SPANS], refs_columns[k]);
        for (uint32_t row = 0; v != NULL && row < v->rows; row++)
            want_add_missing(c, w, vector_bytes(v, row));
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        bool sent = false;
        for (uint32_t m = 0; m < batch->message_count && !sent; m++)
            sent = id128_equal(batch->messages[m].address, w->addresses[i]);
        if (!sent)
            w->addresses[kept++] = w->addresses[i];
    }
    w->count = kept;
}

static enum outcome batch_want(struct native_connection *c, const struct wire_batch *batch,
                               const struct append_result *result)
{
    struct arena arena = {0};
    struct wire_addresses list = {.batch_seq = batch->batch_seq,
                                  .count = result->missing,
                                  .addresses = result->missing_addresses};
    const uint32_t named = sizeof result->missing_addresses / sizeof(struct id128);
    if (result->missing > named) {
        struct want w = {0};
        want_collect(c, batch, &arena, &w);
        list.addresses = w.addresses;
        list.count = w.count;
    }
    wire_addresses_write(&c->out, WIRE_MESSAGES_WANT, &list);
    arena_deinit(&arena);
    c->rejected = true;
    c->native->stats.wanted++;
    connection_flush(c);
    return c->state == CONNECTION_OPEN ? OUTCOME_TAKEN : OUTCOME_ENDED;
}

/* ---- scopes ---- */

/* Human verdicts need the scope review: an ingest key sits in every service. */
static bool has_human_source(const struct batch *b, uint16_t column_id)
{
    const struct vector *v = batch_vector(b, column_id);
    for (uint32_t row = 0; v != NULL && row < v->rows; row++)
        if (slice_is(vector_bytes(v, row), "human"))
            return true;
    return false;
}

static enum status scopes_check(const struct native_connection *c, const struct wire_batch *batch,
                                struct error *reterr)
{
    bool admin = (c->scopes & SCOPE_ADMIN) != 0;
    bool amends = batch->tables[TABLE_SCORES].rows > 0 || batch->tables[TABLE_TAGS].rows > 0;
    bool ingests = batch->tables[TABLE_SPANS].rows > 0 || batch->message_count > 0;
    if (ingests && !admin && (c->scopes & SCOPE_INGEST) == 0)
        return error_set(reterr, STATUS_DENIED, "spans and messages need the scope ingest");
    if (!amends || admin || (c->scopes & SCOPE_REVIEW) != 0)
        return STATUS_OK;
    if (has_human_source(&batch->tables[TABLE_SCORES], SCORES_source) ||
        has_human_source(&batch->tables[TABLE_TAGS], TAGS_source))
        return error_set(reterr, STATUS_DENIED,
                         "scores and tags with source human need the scope review");
    return STATUS_OK;
}

/* ---- batches ---- */

static enum status engine_take(struct native_connection *c, const struct append *append,
                               struct append_result *ret, struct error *reterr)
{
    const struct native_hooks *hooks = &c->native->hooks;
    enum status s = hooks->append != NULL ? hooks->append(hooks->context, append, ret, reterr)
                                          : engine_append(c->native->engine, append, ret, reterr);
    if (s == STATUS_OK)
        c->native->appended = true;
    return s;
}

static bool is_passing(enum status s)
{
    return s == STATUS_BUSY || s == STATUS_READ_ONLY || s == STATUS_FULL || s == STATUS_IO;
}

/* Gives a decoded batch to the engine. error->status says why it stalled. */
static enum outcome batch_append(struct native_connection *c, const struct wire_batch *batch,
                                 struct error *error)
{
    struct append_result result = {0};
    const struct batch *tables[TABLE_COUNT];
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        tables[t] = batch->tables[t].rows > 0 ? &batch->tables[t] : NULL;
    struct append append = {.project = c->project,
                            .spans = tables[TABLE_SPANS],
                            .scores = tables[TABLE_SCORES],
                            .tags = tables[TABLE_TAGS],
                            .messages = batch->messages,
                            .message_count = batch->message_count,
                            .client = c->client,
                            .batch_seq = batch->batch_seq};
    enum status s = engine_take(c, &append, &result, error);
    if (is_passing(s)) {
        error->status = s;
        return OUTCOME_STALLED;
    }
    if (s == STATUS_NOT_FOUND && result.missing > 0)
        return batch_want(c, batch, &result);
    if (s < 0)
        return engine_error(c, batch->batch_seq, s, error);
    c->stalled_ns = 0;
    c->native->stats.batches++;
    c->native->stats.spans += result.spans;
    c->native->stats.duplicates += result.duplicates;
    pending_add(c, (struct pending){.ticket = result.ticket,
                                    .batch_seq = batch->batch_seq,
                                    .accepted = result.spans,
                                    .duplicates = result.duplicates});
    return OUTCOME_TAKEN;
}

/* The dictionaries count for the memory of all connections. */
static bool dictionaries_fit(struct native_connection *c)
{
    struct native *n = c->native;
    uint64_t now = wire_dictionaries_memory(&c->dictionaries);
    n->stats.memory_bytes += now - c->dictionary_memory;
    c->dictionary_memory = now;
    return n->stats.memory_bytes <= n->options.memory_bytes_max;
}

static enum outcome batch_bad(struct native_connection *c, const struct wire_fault *fault,
                              enum status s, const struct error *error)
{
    if (fault->fatal)
        return connection_fail(c, s, false, "%s", error->text);
    return batch_error(c, &(struct wire_error){.batch_seq = fault->batch_seq,
                                               .status = s,
                                               .row = WIRE_ROW_NONE,
                                               .column = slice_text(fault->column),
                                               .text = slice_text(error->text)});
}

/* Keeps a decoded batch for later: its arena moves to the connection, its bytes stay in the input. */
static enum outcome batch_hold(struct native_connection *c, const struct wire_batch *batch,
                               size_t frame_bytes, const struct error *error)
{
    c->held = true;
    c->held_batch = *batch;
    c->held_bytes = frame_bytes;
    c->held_arena = c->native->arena;
    c->native->arena = (struct arena){0};
    connection_stall(c, error);
    return OUTCOME_STALLED;
}

enum outcome native_batch_handle(struct native_connection *c, const struct frame *frame,
                                 size_t frame_bytes)
{
    struct native *n = c->native;
    struct wire_batch batch;
    struct wire_fault fault;
    struct error error = {0};
    if (c->rejected)
        return OUTCOME_TAKEN;
    /* Others wait already, or the disk does: queue up behind them without even decoding. */
    if ((!n->retrying && !TAILQ_EMPTY(&n->stalled)) || c->pending_count >= PENDING_MAX) {
        (void)error_set(&error, STATUS_BUSY, "the server is catching up");
        connection_stall(c, &error);
        return OUTCOME_STALLED;
    }
    arena_reset(&n->arena);
    enum status s = wire_batch_read(frame, &c->dictionaries, engine_schema(n->engine, c->project),
                                    &n->arena, &batch, &fault, &error);
    if (!dictionaries_fit(c))
        return connection_fail(c, STATUS_BUSY, true,
                               "the server is out of memory for dictionaries");
    if (s < 0)
        return batch_bad(c, &fault, s, &error);
    if ((s = scopes_check(c, &batch, &error)) < 0)
        return batch_error(c, &(struct wire_error){.batch_seq = batch.batch_seq,
                                                   .status = s,
                                                   .row = WIRE_ROW_NONE,
                                                   .column = SLICE_EMPTY,
                                                   .text = slice_text(error.text)});
    enum outcome outcome = batch_append(c, &batch, &error);
    if (outcome == OUTCOME_STALLED)
        return batch_hold(c, &batch, frame_bytes, &error);
    return outcome;
}

enum outcome native_batch_retry(struct native_connection *c)
{
    struct error error = {0};
    ASSERT(c->held);
    enum outcome outcome = batch_append(c, &c->held_batch, &error);
    if (outcome == OUTCOME_STALLED)
        connection_stall(c, &error);
    else if (outcome == OUTCOME_TAKEN)
        c->in_at += c->held_bytes;
    return outcome;
}

void native_batch_give_back(struct native_connection *c)
{
    (void)batch_error(c, &(struct wire_error){.batch_seq = c->held_batch.batch_seq,
                                              .status = c->stall_status,
                                              .retryable = true,
                                              .row = WIRE_ROW_NONE,
                                              .retry_after_ms = GIVE_BACK_MS,
                                              .column = SLICE_EMPTY,
                                              .text = slice_text(c->stall_text)});
    c->in_at += c->held_bytes;
}

enum outcome native_messages_handle(struct native_connection *c, const struct frame *frame)
{
    struct native *n = c->native;
    struct append append = {.project = c->project};
    struct append_result result = {0};
    struct message *messages = NULL;
    struct error error = {0};
    if ((c->scopes & (SCOPE_INGEST | SCOPE_ADMIN)) == 0)
        return connection_fail(c, STATUS_DENIED, false, "messages need the scope ingest");
    if (!n->retrying && !TAILQ_EMPTY(&n->stalled)) {
        (void)error_set(&error, STATUS_BUSY, "the server is catching up");
        connection_stall(c, &error);
        return OUTCOME_STALLED;
    }
    arena_reset(&n->arena);
    enum status s =
        wire_messages_read(frame->payload, &n->arena, &messages, &append.message_count, &error);
    if (s < 0)
        return connection_fail(c, s, false, "%s", error.text);
    append.messages = messages;
    s = engine_take(c, &append, &result, &error);
    if (is_passing(s)) {
        error.status = s;
        connection_stall(c, &error);
        return OUTCOME_STALLED;
    }
    return s < 0 ? connection_fail(c, s, false, "%s", error.text) : OUTCOME_TAKEN;
}
