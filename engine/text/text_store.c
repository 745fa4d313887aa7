/*
 * text_store.c - the messages of one project: in memory, in packs, found by address.
 *
 * Place:     engine (writer: add; readers: get) -> [here] -> pack_read
 * Invariant: 1. a message is stored under the hash of its bytes, checked when it enters and when
 *               it leaves.
 *            2. a reader holds the list of packs it started with; a removed pack dies with its
 *               last reader.
 * Failure:   a damaged block or index hides the messages behind it: text_get reports it, text_has
 *            and text_add treat them as not stored, so that a message sent again is whole again.
 * Threads:   see text.h; one mutex, never held while a block is read.
 */
#include "engine/text/text_store.h"

#include <inttypes.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"
#include "engine/text/block_cache.h"
#include "engine/text/pack_write.h"

#define TABLE_SIZE_MIN 1024u

struct text_store *text_store_create(struct io *io, const char *directory)
{
    struct text_store *t = MEM_NEW(struct text_store);
    ASSERT(strlen(directory) < PACK_PATH_BYTES - 32);
    t->io = io;
    t->directory = mem_strdup(directory);
    mutex_init(&t->lock);
    t->list = mem_zero(1, sizeof *t->list);
    atomic_init(&t->list->references, 1);
    t->table = mem_zero(TABLE_SIZE_MIN, sizeof *t->table);
    t->table_mask = TABLE_SIZE_MIN - 1;
    t->generation = 1;
    return t;
}

void text_store_destroy(struct text_store *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < t->entry_count; i++)
        mem_free(t->entries[i]);
    text_list_unref(t->list);
    pack_unref(t->pending);
    mem_free(t->entries);
    mem_free(t->table);
    mem_free(t->recent);
    mem_free(t->directory);
    mutex_deinit(&t->lock);
    mem_free(t);
}

/* ---- the list of packs ---- */

struct pack_list *text_list_ref(struct text_store *t)
{
    mutex_lock(&t->lock);
    struct pack_list *list = t->list;
    atomic_fetch_add(&list->references, 1);
    mutex_unlock(&t->lock);
    return list;
}

void text_list_unref(struct pack_list *list)
{
    if (atomic_fetch_sub(&list->references, 1) > 1)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        pack_unref(list->packs[i]);
    mem_free(list);
}

struct pack *text_list_find(const struct pack_list *list, uint64_t number)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->packs[i]->meta.number == number)
            return list->packs[i];
    }
    return NULL;
}

struct pack *text_list_change_locked(struct text_store *t, uint64_t remove, struct pack *own_add)
{
    struct pack_list *old = t->list;
    struct pack_list *new = mem_zero(1, sizeof *new + (old->count + 1) * sizeof new->packs[0]);
    struct pack *removed = NULL;
    atomic_init(&new->references, 1);
    for (uint32_t i = 0; i < old->count; i++) {
        if (remove != 0 && old->packs[i]->meta.number == remove)
            removed = pack_ref(old->packs[i]);
        else
            new->packs[new->count++] = pack_ref(old->packs[i]);
    }
    if (own_add != NULL)
        new->packs[new->count++] = own_add;
    t->list = new;
    text_list_unref(old);
    return removed;
}

enum status text_pack_open(struct text_store *t, uint64_t number, struct text_pack_meta *ret_meta,
                           struct error *reterr)
{
    char path[PACK_PATH_BYTES];
    struct pack *p;
    pack_path(t->directory, number, path);
    enum status s = pack_open(t->io, path, number, &p, reterr);
    if (s < 0)
        return s;
    *ret_meta = p->meta;
    mutex_lock(&t->lock);
    (void)text_list_change_locked(t, 0, p);
    mutex_unlock(&t->lock);
    return STATUS_OK;
}

void text_pack_remove(struct text_store *t, uint64_t number)
{
    mutex_lock(&t->lock);
    struct pack *removed = text_list_change_locked(t, number, NULL);
    t->generation++;
    mutex_unlock(&t->lock);
    if (removed == NULL)
        return;
    atomic_store(&removed->doomed, true);
    pack_unref(removed);
}

void text_pack_leave(struct text_store *t, uint64_t number, bool leaving)
{
    mutex_lock(&t->lock);
    struct pack *p = text_list_find(t->list, number);
    if (p != NULL) {
        atomic_store(&p->leaving, leaving);
        t->generation++;
    }
    mutex_unlock(&t->lock);
}

/* ---- messages in memory ---- */

/* The slot of an address: its entry, or where it would go. */
static uint32_t table_slot(struct text_entry *const *table, uint32_t mask, struct id128 address)
{
    uint32_t slot = (uint32_t)id128_hash(address) & mask;
    while (table[slot] != NULL && !id128_equal(table[slot]->address, address))
        slot = (slot + 1) & mask;
    return slot;
}

static void table_rebuild_locked(struct text_store *t, uint32_t size)
{
    mem_free(t->table);
    t->table = mem_zero(size, sizeof *t->table);
    t->table_mask = size - 1;
    for (uint32_t i = 0; i < t->entry_count; i++)
        t->table[table_slot(t->table, t->table_mask, t->entries[i]->address)] = t->entries[i];
}

static struct text_entry *entry_find_locked(const struct text_store *t, struct id128 address)
{
    return t->table[table_slot(t->table, t->table_mask, address)];
}

static void entry_add_locked(struct text_store *t, struct text_entry *e)
{
    t->entries =
        mem_grow(t->entries, &t->entries_capacity, (size_t)t->entry_count + 1, sizeof *t->entries);
    t->entries[t->entry_count++] = e;
    if (t->entry_count > t->table_mask / 4 * 3)
        table_rebuild_locked(t, (t->table_mask + 1) * 2);
    else
        t->table[table_slot(t->table, t->table_mask, e->address)] = e;
    t->memory_bytes += sizeof *e + e->size;
    if (t->seq_min == 0 || e->seq < t->seq_min)
        t->seq_min = e->seq;
}

void text_entries_release_locked(struct text_store *t, uint64_t sealing)
{
    uint32_t kept = 0;
    t->memory_bytes = 0;
    t->seq_min = 0;
    for (uint32_t i = 0; i < t->entry_count; i++) {
        struct text_entry *e = t->entries[i];
        if (e->sealing == sealing) {
            mem_free(e);
            continue;
        }
        t->entries[kept++] = e;
        t->memory_bytes += sizeof *e + e->size;
        if (t->seq_min == 0 || e->seq < t->seq_min)
            t->seq_min = e->seq;
    }
    t->entry_count = kept;
    uint32_t size = TABLE_SIZE_MIN;
    while (kept > (size - 1) / 4 * 3)
        size *= 2;
    table_rebuild_locked(t, size);
}

/* ---- adding ---- */

/* A second hash of a body, over other alignments than the address: the odds that both agree by
 * accident or by a known collision of XXH3-128 are what matters, not secrecy. */
static uint64_t body_check(struct slice body)
{
    uint64_t sum = hash_mix(body.size);
    if (body.size > 1)
        sum ^= hash64(slice_of(body.data + 1, body.size - 1));
    return sum;
}

static struct text_recent *recent_slot(struct text_store *t, struct id128 address)
{
    if (t->recent == NULL)
        t->recent = mem_zero(TEXT_RECENT_COUNT, sizeof *t->recent);
    return &t->recent[id128_hash(address) % TEXT_RECENT_COUNT];
}

static enum status body_compare(struct id128 address, struct slice stored, struct slice body,
                                struct error *reterr)
{
    if (slice_equal(stored, body))
        return STATUS_OK;
    char hex[ID128_HEX_BYTES];
    id128_to_hex(address, hex);
    return error_set(reterr, STATUS_INVALID,
                     "message %.*s is stored with another body of %zu bytes", ID128_HEX_BYTES, hex,
                     stored.size);
}

/* The body of a message of one pack. The block is the caller's to release. */
static enum status pack_read(struct pack *p, struct id128 address, uint64_t ordinal,
                             struct cached_block **ret_block, struct slice *ret_body,
                             struct error *reterr)
{
    struct cached_block *b;
    uint32_t block = pack_block_of(p, ordinal);
    enum status s = pack_block_get(p, block, &b, reterr);
    if (s < 0)
        return s;
    struct slice body = pack_block_message(p, b, ordinal);
    if (!id128_equal(hash128(body), address)) {
        block_cache_release(b);
        return corrupt(reterr, p->path, p->blocks[block].offset,
                       "message %" PRIu64 " is not the one its address names", ordinal);
    }
    *ret_block = b;
    *ret_body = body;
    return STATUS_OK;
}

/* Is it in a pack that stays? STATUS_NOT_FOUND when not, or when it can't be read. */
static enum status packs_compare(const struct pack_list *list, const struct message *m,
                                 struct error *reterr)
{
    for (uint32_t i = list->count; i-- > 0;) {
        struct pack *p = list->packs[i];
        uint64_t ordinal;
        struct cached_block *b;
        struct slice stored;
        if (atomic_load(&p->leaving) || pack_find(p, m->address, &ordinal, NULL) < 0)
            continue;
        if (pack_read(p, m->address, ordinal, &b, &stored, NULL) < 0)
            continue;
        enum status s = body_compare(m->address, stored, m->body, reterr);
        block_cache_release(b);
        return s;
    }
    return STATUS_NOT_FOUND;
}

/* STATUS_OK: stored already, with these bytes. */
static enum status message_compare(struct text_store *t, const struct message *m,
                                   struct error *reterr)
{
    /* In memory: compared under the lock, as a seal may let go of the entry right after. */
    mutex_lock(&t->lock);
    const struct text_entry *e = entry_find_locked(t, m->address);
    if (e != NULL) {
        enum status same = body_compare(m->address, slice_of(e->body, e->size), m->body, reterr);
        mutex_unlock(&t->lock);
        return same;
    }
    uint64_t generation = t->generation;
    struct pack_list *list = t->list;
    atomic_fetch_add(&list->references, 1);
    mutex_unlock(&t->lock);
    enum status s = STATUS_OK;
    struct text_recent *recent = recent_slot(t, m->address);
    uint64_t check = body_check(m->body);
    bool seen = recent->generation == generation && recent->check == check &&
                id128_equal(recent->address, m->address);
    if (!seen && (s = packs_compare(list, m, reterr)) == STATUS_OK)
        *recent = (struct text_recent){m->address, check, generation};
    text_list_unref(list);
    return s;
}

enum status text_add_grouped(struct text_store *t, const struct message *m, uint64_t group,
                             uint64_t seq, int64_t now_ns, bool *ret_added, struct error *reterr)
{
    if (m->body.size > MESSAGE_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a message of %zu bytes is larger than %u",
                         m->body.size, MESSAGE_BYTES_MAX);
    if (!id128_equal(hash128(m->body), m->address)) {
        char hex[ID128_HEX_BYTES];
        id128_to_hex(m->address, hex);
        return error_set(reterr, STATUS_INVALID,
                         "the address %.*s is not the hash of the message's %zu bytes",
                         ID128_HEX_BYTES, hex, m->body.size);
    }
    enum status s = message_compare(t, m, reterr);
    if (s != STATUS_NOT_FOUND) {
        if (s == STATUS_OK)
            *ret_added = false;
        return s;
    }
    struct text_entry *e = mem_alloc(sizeof *e + m->body.size);
    *e = (struct text_entry){
        .address = m->address,
        .seq = seq,
        .time_ns = now_ns,
        .group = group == 0 ? 0 : (uint32_t)(hash_mix(group) >> 32) | 1,
        .size = (uint32_t)m->body.size,
    };
    bytes_copy(e->body, m->body.data, m->body.size);
    mutex_lock(&t->lock);
    entry_add_locked(t, e);
    mutex_unlock(&t->lock);
    *ret_added = true;
    return STATUS_OK;
}

enum status text_add(struct text_store *t, const struct message *m, uint64_t seq, int64_t now_ns,
                     bool *ret_added, struct error *reterr)
{
    return text_add_grouped(t, m, 0, seq, now_ns, ret_added, reterr);
}

/* ---- reading ---- */

bool text_has(struct text_store *t, struct id128 address)
{
    mutex_lock(&t->lock);
    bool found = entry_find_locked(t, address) != NULL;
    struct pack_list *list = t->list;
    atomic_fetch_add(&list->references, 1);
    mutex_unlock(&t->lock);
    for (uint32_t i = list->count; i-- > 0 && !found;) {
        uint64_t ordinal;
        found = !atomic_load(&list->packs[i]->leaving) &&
                pack_find(list->packs[i], address, &ordinal, NULL) == STATUS_OK;
    }
    text_list_unref(list);
    return found;
}

/* The first pack that has it and can be read; what was damaged on the way counts only when none
 * can. */
static enum status packs_get(const struct pack_list *list, struct id128 address, struct buffer *to,
                             struct error *reterr)
{
    enum status result = STATUS_NOT_FOUND;
    for (uint32_t i = list->count; i-- > 0;) {
        struct pack *p = list->packs[i];
        uint64_t ordinal;
        struct cached_block *b;
        struct slice body;
        enum status s = pack_find(p, address, &ordinal, reterr);
        if (s == STATUS_OK)
            s = pack_read(p, address, ordinal, &b, &body, reterr);
        if (s == STATUS_OK) {
            buffer_add_slice(to, body);
            block_cache_release(b);
            return STATUS_OK;
        }
        if (s != STATUS_NOT_FOUND)
            result = s;
    }
    return result;
}

enum status text_get(struct text_store *t, struct id128 address, struct buffer *to,
                     struct error *reterr)
{
    mutex_lock(&t->lock);
    const struct text_entry *e = entry_find_locked(t, address);
    if (e != NULL) {
        buffer_add(to, e->body, e->size);
        mutex_unlock(&t->lock);
        return STATUS_OK;
    }
    struct pack_list *list = t->list;
    atomic_fetch_add(&list->references, 1);
    mutex_unlock(&t->lock);
    struct error damage = {0};
    enum status s = packs_get(list, address, to, &damage);
    text_list_unref(list);
    if (s == STATUS_NOT_FOUND) {
        char hex[ID128_HEX_BYTES];
        id128_to_hex(address, hex);
        return error_set(reterr, s, "message %.*s is not stored", ID128_HEX_BYTES, hex);
    }
    if (s < 0 && reterr != NULL)
        *reterr = damage;
    return s;
}

uint64_t text_memory_bytes(struct text_store *t)
{
    mutex_lock(&t->lock);
    uint64_t bytes = t->memory_bytes;
    mutex_unlock(&t->lock);
    return bytes;
}

uint64_t text_memory_seq_min(struct text_store *t)
{
    mutex_lock(&t->lock);
    uint64_t seq = t->seq_min;
    mutex_unlock(&t->lock);
    return seq;
}

struct text_totals text_totals(struct text_store *t)
{
    struct text_totals totals = {0};
    mutex_lock(&t->lock);
    totals.packs = t->list->count;
    totals.messages = t->entry_count;
    totals.bytes = t->memory_bytes - t->entry_count * sizeof(struct text_entry);
    for (uint32_t i = 0; i < t->list->count; i++) {
        totals.messages += t->list->packs[i]->meta.messages;
        totals.bytes += t->list->packs[i]->meta.text_bytes;
        totals.stored_bytes += t->list->packs[i]->meta.bytes;
    }
    mutex_unlock(&t->lock);
    return totals;
}
