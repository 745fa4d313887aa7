/*
 * patch_table.c - all amendments of a project that wait to be folded, by span.
 *
 * Shape:     entries in one array; the entries of a span are a chain; a hash table of chains. Strings
 *            are few (classes, sources) and kept once.
 * Invariant: one entry a (span, column): the one with the latest seq.
 * Threads:   under the caller's lock.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/intern.h"
#include "engine/base/rng.h"
#include "engine/patch/patch.h"

#define SLOTS_MIN    16u
#define ENTRIES_MAX  (1u << 30)
#define STRINGS_KEPT 256u /* below this, strings nobody uses any more are not worth a look */

struct patch_entry {
    struct amendment amendment;
    uint32_t next; /* entry + 1 of the same span, 0: none */
    uint32_t hash;
};

/* A slot: the span's hash << 32 | entry + 1 that heads its chain; 0: free. With the hash in it, neither
 * a probe nor growth reads entries of other spans. */

struct patch_table {
    uint64_t hash_seed; /* random: senders choose ids, they must not choose collisions */
    struct patch_entry *entries;
    size_t entries_capacity;
    uint32_t entry_count;
    uint32_t span_count;
    uint64_t *slots; /* at most half full */
    uint32_t slot_mask;
    struct intern strings;
};

bool patch_can_amend(const struct column *column)
{
    return column->storage == STORAGE_F64 || column->storage == STORAGE_I64 ||
           column->storage == STORAGE_STR;
}

struct patch_table *patch_table_create(struct schema *schema)
{
    (void)schema;
    struct patch_table *t = MEM_NEW(struct patch_table);
    random_bytes(&t->hash_seed, sizeof t->hash_seed);
    t->slots = mem_zero(SLOTS_MIN, sizeof *t->slots);
    t->slot_mask = SLOTS_MIN - 1;
    intern_init(&t->strings);
    return t;
}

void patch_table_destroy(struct patch_table *t)
{
    if (t == NULL)
        return;
    mem_free(t->entries);
    mem_free(t->slots);
    intern_deinit(&t->strings);
    mem_free(t);
}

static uint32_t span_hash(const struct patch_table *t, struct id128 trace_id, uint64_t span_id)
{
    uint64_t half[2];
    memcpy(half, trace_id.bytes, sizeof half);
    return (uint32_t)hash_mix(half[0] ^ hash_mix(half[1] ^ hash_mix(span_id ^ t->hash_seed)));
}

/* The slot of a span's chain, or the free one where it would go. */
static uint64_t *slot_find(const struct patch_table *t, uint32_t hash, struct id128 trace_id,
                           uint64_t span_id)
{
    for (uint32_t slot = hash & t->slot_mask;; slot = (slot + 1) & t->slot_mask) {
        if (t->slots[slot] == 0)
            return &t->slots[slot];
        if ((uint32_t)(t->slots[slot] >> 32) != hash)
            continue;
        const struct amendment *a = &t->entries[(uint32_t)t->slots[slot] - 1].amendment;
        if (a->span_id == span_id && id128_equal(a->trace_id, trace_id))
            return &t->slots[slot];
    }
}

/* The first entry + 1 of a span's chain, or 0. */
static uint32_t chain_find(const struct patch_table *t, uint32_t hash, struct id128 trace_id,
                           uint64_t span_id)
{
    return (uint32_t)*slot_find(t, hash, trace_id, span_id);
}

static void slots_grow(struct patch_table *t)
{
    size_t before = (size_t)t->slot_mask + 1;
    uint64_t *old = t->slots;
    t->slots = mem_zero(2 * before, sizeof *t->slots);
    t->slot_mask = (uint32_t)(2 * before - 1);
    for (size_t i = 0; i < before; i++) {
        if (old[i] == 0)
            continue;
        uint32_t slot = (uint32_t)(old[i] >> 32) & t->slot_mask;
        while (t->slots[slot] != 0)
            slot = (slot + 1) & t->slot_mask;
        t->slots[slot] = old[i];
    }
    mem_free(old);
}

/* Links the last entry into the chain of its span. */
static void entry_link(struct patch_table *t, struct patch_entry *entry)
{
    if (t->span_count > t->slot_mask / 2)
        slots_grow(t);
    uint64_t *slot = slot_find(t, entry->hash, entry->amendment.trace_id, entry->amendment.span_id);
    t->span_count += *slot == 0;
    entry->next = (uint32_t)*slot;
    *slot = (uint64_t)entry->hash << 32 | ((uint32_t)(entry - t->entries) + 1);
}

/* The table's copy of a string; intern_add may move strings.values, so it comes first. */
static struct slice string_keep(struct patch_table *t, struct slice text)
{
    uint32_t code = intern_add(&t->strings, text);
    return t->strings.values[code];
}

static void amendment_copy(struct patch_table *t, struct amendment *to, const struct amendment *a)
{
    *to = *a;
    to->bytes = a->column->storage == STORAGE_STR ? string_keep(t, a->bytes) : SLICE_EMPTY;
}

void patch_table_add(struct patch_table *t, const struct amendment *a)
{
    ASSERT(patch_can_amend(a->column));
    uint32_t hash = span_hash(t, a->trace_id, a->span_id);
    for (uint32_t at = chain_find(t, hash, a->trace_id, a->span_id); at != 0;) {
        struct patch_entry *entry = &t->entries[at - 1];
        if (entry->amendment.column == a->column) {
            if (a->seq >= entry->amendment.seq)
                amendment_copy(t, &entry->amendment, a);
            return;
        }
        at = entry->next;
    }
    ASSERT(t->entry_count < ENTRIES_MAX);
    t->entries =
        mem_grow(t->entries, &t->entries_capacity, (size_t)t->entry_count + 1, sizeof *t->entries);
    struct patch_entry *entry = &t->entries[t->entry_count++];
    *entry = (struct patch_entry){.hash = hash};
    amendment_copy(t, &entry->amendment, a);
    entry_link(t, entry);
}

uint64_t patch_table_count(const struct patch_table *t)
{
    return t->entry_count;
}

uint32_t patch_table_find(const struct patch_table *t, struct id128 trace_id, uint64_t span_id,
                          const struct amendment **ret, uint32_t max)
{
    uint32_t count = 0;
    uint32_t at = chain_find(t, span_hash(t, trace_id, span_id), trace_id, span_id);
    for (; at != 0; at = t->entries[at - 1].next, count++) {
        if (count < max)
            ret[count] = &t->entries[at - 1].amendment;
    }
    return count;
}

void patch_table_each(const struct patch_table *t, uint64_t after_seq,
                      void (*each)(void *context, const struct amendment *a), void *context)
{
    for (uint32_t i = 0; i < t->entry_count; i++) {
        if (t->entries[i].amendment.seq > after_seq)
            each(context, &t->entries[i].amendment);
    }
}

static void strings_rebuild(struct patch_table *t)
{
    struct intern old = t->strings;
    intern_init(&t->strings);
    for (uint32_t i = 0; i < t->entry_count; i++) {
        struct amendment *a = &t->entries[i].amendment;
        if (a->column->storage == STORAGE_STR)
            a->bytes = string_keep(t, a->bytes);
    }
    intern_deinit(&old);
}

void patch_table_prune(struct patch_table *t,
                       bool (*done)(void *context, const struct amendment *a), void *context)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->entry_count; i++) {
        if (!done(context, &t->entries[i].amendment))
            t->entries[kept++] = t->entries[i];
    }
    if (kept == t->entry_count)
        return;
    t->entry_count = kept;
    t->span_count = 0;
    mem_free(t->slots);
    t->slots = mem_zero(SLOTS_MIN, sizeof *t->slots);
    t->slot_mask = SLOTS_MIN - 1;
    t->entries_capacity = kept;
    t->entries = mem_resize(t->entries, kept * sizeof *t->entries);
    for (uint32_t i = 0; i < kept; i++)
        entry_link(t, &t->entries[i]);
    if (t->strings.count > STRINGS_KEPT)
        strings_rebuild(t);
}
