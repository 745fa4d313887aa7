/*
 * enrich_mask.c - masks a batch: texts of its rows, bodies of its messages, and the references to them.
 *
 * Addresses: a message is addressed by the hash of its body, so a masked message has another address than the client knows.
 *            References to it are rewritten. A client of the native protocol sends a body once and then only its address:
 *            mask_memory remembers the way from the client's address to ours. It is bounded; when it has forgotten one (or
 *            after a restart), the reference stays as the client wrote it, the engine answers that the message is missing
 *            (the unmasked body was never stored), and the client sends body and batch again, which masks it again.
 *            enrich_missing_as_sent() gives the client back its own addresses when it is the masked message that is missing.
 * Old text:  a body stored before masking was set up is fetched (work->body) when a new span refers to it, and masked too.
 */
#include "engine/enrich/enrich_internal.h"

#include "engine/base/hash.h"
#include "engine/base/limits.h"

/* Where one of the batch's messages went. */
struct message_place {
    struct id128 sent;
    struct id128 stored;
    bool taken;
};

/* Where the batch's messages went: open addressing over the work's arena. */
struct place_map {
    struct message_place *slots;
    uint32_t slot_count;
};

struct mask_pass {
    struct enricher *e;
    struct enrich_work *work;
    uint64_t project;
    uint64_t counts[MASK_RULES_MAX];
    struct place_map places; /* of the messages that came with the batch */
    struct message *messages;
    size_t message_capacity; /* of messages, which is malloc'ed until the end */
    uint32_t message_count;
    uint64_t fetched_bytes;
};

static struct slice mask(struct mask_pass *p, struct slice text)
{
    return mask_text(p->e->settings.masker, p->work->project, text, p->work->arena, p->counts);
}

static void mask_column(struct mask_pass *p, uint16_t column_id)
{
    struct batch *spans = &p->work->spans;
    const struct column *column = table_column(TABLE_SPANS, column_id);
    const struct vector *v = batch_vector(spans, column_id);
    struct slice *texts = NULL;
    struct vector out;
    for (uint32_t row = 0; v != NULL && row < v->rows; row++) {
        struct slice before = vector_bytes(v, row);
        struct slice after = mask(p, before);
        if (after.data == before.data)
            continue;
        if (texts == NULL) {
            out = vector_writable(spans, column, p->work->arena);
            texts = (struct slice *)out.bytes; /* vector_writable just made it */
        }
        texts[row] = after;
    }
    if (texts != NULL)
        batch_put(spans, column, out);
}

static struct message_place *place_of(const struct place_map *map, struct id128 sent)
{
    uint32_t at = (uint32_t)id128_hash(sent) & (map->slot_count - 1);
    while (map->slots[at].taken && !id128_equal(map->slots[at].sent, sent))
        at = (at + 1) & (map->slot_count - 1);
    return &map->slots[at];
}

static void message_keep(struct mask_pass *p, struct message m)
{
    p->messages = mem_grow(p->messages, &p->message_capacity, p->message_count + 1u, sizeof m);
    p->messages[p->message_count++] = m;
}

/* The address a body is stored under; the masked body joins the batch's messages when it is not stored as sent. */
static struct id128 mask_body(struct mask_pass *p, struct id128 sent, struct slice body,
                              bool *ret_changed)
{
    struct slice masked = mask(p, body);
    struct id128 stored = sent;
    *ret_changed = masked.data != body.data;
    if (*ret_changed) {
        stored = hash128(masked);
        message_keep(p, (struct message){.address = stored, .body = masked});
    }
    mask_memory_note(p->e->masked, p->project, sent, stored);
    return stored;
}

static void mask_messages(struct mask_pass *p)
{
    const struct enrich_work *work = p->work;
    p->places.slot_count = 64;
    while (p->places.slot_count < 2 * work->message_count)
        p->places.slot_count *= 2;
    p->places.slots = arena_zero(work->arena, p->places.slot_count, sizeof *p->places.slots);
    for (uint32_t i = 0; i < work->message_count; i++) {
        const struct message *m = &work->messages[i];
        struct message_place *place = place_of(&p->places, m->address);
        if (place->taken)
            continue;
        bool changed;
        struct id128 stored = mask_body(p, m->address, m->body, &changed);
        *place = (struct message_place){.sent = m->address, .stored = stored, .taken = true};
        if (!changed)
            message_keep(p, *m);
    }
}

static struct id128 stored_address(struct mask_pass *p, struct id128 sent)
{
    const struct message_place *place = place_of(&p->places, sent);
    if (place->taken)
        return place->stored;
    struct id128 stored;
    if (mask_memory_find(p->e->masked, p->project, sent, &stored))
        return stored;
    struct slice body;
    bool changed;
    if (p->work->body == NULL || p->fetched_bytes >= ENRICH_FETCH_BYTES_MAX ||
        !p->work->body(p->work->body_context, sent, p->work->arena, &body))
        return sent;
    p->fetched_bytes += body.size;
    return mask_body(p, sent, body, &changed);
}

static struct slice mask_refs(struct mask_pass *p, struct slice refs)
{
    struct id128 *out = NULL;
    size_t count = refs.size / sizeof *out;
    for (size_t i = 0; i < count; i++) {
        struct id128 sent;
        memcpy(&sent, refs.data + i * sizeof sent, sizeof sent);
        struct id128 stored = stored_address(p, sent);
        if (id128_equal(sent, stored))
            continue;
        if (out == NULL)
            out = (struct id128 *)(uintptr_t)arena_copy(p->work->arena, refs).data;
        out[i] = stored;
    }
    return out != NULL ? slice_of(out, refs.size) : refs;
}

static void mask_refs_column(struct mask_pass *p, uint16_t column_id)
{
    struct batch *spans = &p->work->spans;
    const struct column *column = table_column(TABLE_SPANS, column_id);
    const struct vector *v = batch_vector(spans, column_id);
    struct slice *refs = NULL;
    struct vector out;
    for (uint32_t row = 0; v != NULL && row < v->rows; row++) {
        struct slice before = vector_bytes(v, row);
        struct slice after = mask_refs(p, before);
        if (after.data == before.data)
            continue;
        if (refs == NULL) {
            out = vector_writable(spans, column, p->work->arena);
            refs = (struct slice *)out.bytes;
        }
        refs[row] = after;
    }
    if (refs != NULL)
        batch_put(spans, column, out);
}

void enrich_mask_locked(struct enricher *e, struct enrich_work *work, struct enrich_counts *counts)
{
    static const uint16_t texts[] = {SPANS_tool_args, SPANS_tool_result, SPANS_error_message,
                                     SPANS_attributes, SPANS_retrieved};
    struct mask_pass p = {.e = e, .work = work, .project = hash64(work->project)};
    if (e->settings.masker == NULL || !masker_applies(e->settings.masker, work->project))
        return;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mask_column(&p, texts[i]);
    mask_messages(&p);
    for (size_t i = 0; i < REFS_COLUMNS; i++)
        mask_refs_column(&p, refs_columns[i]);
    struct message *messages = ARENA_ARRAY(work->arena, struct message, p.message_count);
    bytes_copy(messages, p.messages, p.message_count * sizeof *messages);
    mem_free(p.messages);
    work->messages = messages;
    work->message_count = p.message_count;
    for (uint32_t i = 0; i < masker_count(e->settings.masker); i++) {
        e->mask_counts[i] += p.counts[i];
        counts->masked += p.counts[i];
    }
}

void enrich_missing_as_sent(const struct batch *sent, const struct batch *stored,
                            struct id128 *addresses, uint32_t count)
{
    for (size_t c = 0; c < REFS_COLUMNS; c++) {
        const struct vector *before = batch_vector(sent, refs_columns[c]);
        const struct vector *after = batch_vector(stored, refs_columns[c]);
        for (uint32_t row = 0; before != NULL && after != NULL && row < before->rows; row++) {
            struct slice from = vector_bytes(after, row);
            struct slice to = vector_bytes(before, row);
            for (size_t at = 0; from.data != to.data && at < from.size; at += sizeof *addresses) {
                for (uint32_t i = 0; i < count; i++) {
                    if (memcmp(&addresses[i], from.data + at, sizeof *addresses) == 0)
                        memcpy(&addresses[i], to.data + at, sizeof *addresses);
                }
            }
        }
    }
}
