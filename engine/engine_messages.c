/*
 * engine_messages.c - the texts of a commit: which bodies are new, and is everything there that spans refer to?
 *
 * Cost:      a hash table over the addresses of the commit, so that the store is asked once an address however often the
 *            history of a conversation repeats it.
 */
#include "engine/base/hash.h"
#include "engine/engine_append.h"

/* Open addressing over addresses seen in this commit: bodies sent, and references known to be good. */
struct address_set {
    struct id128 *addresses;
    uint32_t *bodies; /* index + 1 of the message sent, or 0: stored */
    uint8_t *used;
    uint32_t mask;
    uint32_t count;
};

static uint32_t address_slot(const struct address_set *s, struct id128 address)
{
    uint32_t at = (uint32_t)id128_hash(address) & s->mask;
    while (s->used[at] != 0 && !id128_equal(s->addresses[at], address))
        at = (at + 1) & s->mask;
    return at;
}

static void address_set_grow(struct address_set *s, uint32_t slots, struct arena *arena)
{
    struct address_set old = *s;
    s->addresses = ARENA_ARRAY(arena, struct id128, slots);
    s->bodies = arena_zero(arena, slots, sizeof *s->bodies);
    s->used = arena_zero(arena, slots, 1);
    s->mask = slots - 1;
    for (uint32_t i = 0; old.used != NULL && i <= old.mask; i++) {
        if (old.used[i] == 0)
            continue;
        uint32_t at = address_slot(s, old.addresses[i]);
        s->addresses[at] = old.addresses[i];
        s->bodies[at] = old.bodies[i];
        s->used[at] = 1;
    }
}

static void address_add(struct address_set *s, struct id128 address, uint32_t body,
                        struct arena *arena)
{
    if (s->used == NULL || s->count >= s->mask / 2)
        address_set_grow(s, s->used == NULL ? 64 : 2 * (s->mask + 1), arena);
    uint32_t at = address_slot(s, address);
    s->addresses[at] = address;
    s->bodies[at] = body;
    s->used[at] = 1;
    s->count++;
}

static enum status message_take(struct taker *t, struct address_set *set, uint32_t index,
                                struct message *fresh)
{
    const struct message *m = &t->append->messages[index];
    if (m->body.size > MESSAGE_BYTES_MAX)
        return error_set(t->reterr, STATUS_LIMIT, "message %u: longer than 16 MiB", index);
    if (!id128_equal(hash128(m->body), m->address))
        return error_set(t->reterr, STATUS_INVALID, "message %u: its address is not its hash",
                         index);
    uint32_t at = set->used == NULL ? 0 : address_slot(set, m->address);
    if (set->used != NULL && set->used[at] != 0) {
        if (set->bodies[at] != 0 &&
            !slice_equal(t->append->messages[set->bodies[at] - 1].body, m->body))
            return error_set(t->reterr, STATUS_INVALID,
                             "message %u: another body has the same address", index);
        return STATUS_OK;
    }
    if (!text_has(t->project->text, m->address)) {
        address_add(set, m->address, index + 1, t->arena);
        fresh[t->commit.message_count++] = *m;
        return STATUS_OK;
    }
    /* Stored already: adds nothing, but compares the bytes. */
    bool added;
    enum status s =
        text_add(t->project->text, m, t->engine->last_seq, t->now_ns, &added, t->reterr);
    if (s < 0)
        return s;
    address_add(set, m->address, 0, t->arena);
    return STATUS_OK;
}

static void missing_note(struct taker *t, struct id128 address)
{
    if (t->result->missing < sizeof t->result->missing_addresses / sizeof address)
        t->result->missing_addresses[t->result->missing] = address;
    t->result->missing++;
}

static void references_check(struct taker *t, struct address_set *set, uint16_t column_id)
{
    const struct vector *v = batch_vector(&t->commit.batches[TABLE_SPANS], column_id);
    for (uint32_t i = 0; v != NULL && i < v->rows; i++) {
        struct slice refs = vector_bytes(v, i);
        for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
            struct id128 address;
            memcpy(address.bytes, refs.data + at, sizeof address);
            if (set->used != NULL && set->used[address_slot(set, address)] != 0)
                continue;
            if (!text_has(t->project->text, address))
                missing_note(t, address);
            address_add(set, address, 0, t->arena);
        }
    }
}

enum status messages_take(struct taker *t)
{
    struct address_set set = {0};
    struct message *fresh = ARENA_ARRAY(t->arena, struct message, t->append->message_count);
    for (uint32_t i = 0; i < t->append->message_count; i++) {
        enum status s = message_take(t, &set, i, fresh);
        if (s < 0)
            return s;
    }
    t->commit.messages = fresh;
    for (uint32_t i = 0; i < REFS_COLUMNS; i++)
        references_check(t, &set, refs_columns[i]);
    if (t->result->missing > 0)
        return error_set(t->reterr, STATUS_NOT_FOUND,
                         "%u messages are referred to but neither stored nor sent",
                         t->result->missing);
    return STATUS_OK;
}
