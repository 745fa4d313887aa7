/*
 * text_seal.c - writes messages to packs: from memory (seal) and from other packs (merge).
 *
 * Place:     maintenance -> [here] -> pack_write
 * Order:     group by group in order of their first message, so that a conversation lies together
 *            however its messages were interleaved with others on the way in.
 * Failure:   nothing changes for readers before text_seal_commit (or text_pack_open and
 *            text_pack_remove after a merge); until then the messages stay where they were.
 * Threads:   one maintenance thread; the writer goes on adding meanwhile.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/text/block_cache.h"
#include "engine/text/pack_format.h"
#include "engine/text/pack_write.h"
#include "engine/text/text_store.h"

static int by_group(const void *a, const void *b)
{
    const struct group_item *x = a;
    const struct group_item *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_first(const void *a, const void *b)
{
    const struct group_item *x = a;
    const struct group_item *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

void group_items_sort(struct group_item *items, uint32_t count)
{
    qsort(items, count, sizeof *items, by_group);
    for (uint32_t i = 0; i < count; i++) {
        bool begins = i == 0 || items[i].group != items[i - 1].group;
        items[i].first = begins ? items[i].index : items[i - 1].first;
    }
    qsort(items, count, sizeof *items, by_first);
}

/* ---- seal ---- */

/* The entries to write, marked; they stay in memory until text_seal_commit. */
static struct text_entry **entries_take(struct text_store *t, uint64_t number, uint64_t seq_max,
                                        uint32_t *ret_count)
{
    mutex_lock(&t->lock);
    struct text_entry **taken = mem_alloc((t->entry_count + 1) * sizeof(struct text_entry *));
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->entry_count && count < PACK_MESSAGES_MAX; i++) {
        struct text_entry *e = t->entries[i];
        if (e->seq > seq_max)
            continue;
        e->sealing = number;
        taken[count++] = e;
    }
    mutex_unlock(&t->lock);
    *ret_count = count;
    return taken;
}

static void entries_untake(struct text_store *t, uint64_t number)
{
    mutex_lock(&t->lock);
    for (uint32_t i = 0; i < t->entry_count; i++) {
        if (t->entries[i]->sealing == number)
            t->entries[i]->sealing = 0;
    }
    mutex_unlock(&t->lock);
}

static enum status entries_write(struct pack_writer *w, struct text_entry *const *entries,
                                 uint32_t count, struct text_pack_meta *ret_meta,
                                 struct error *reterr)
{
    struct group_item *items = mem_alloc(count * sizeof *items);
    uint64_t seq_max = 0;
    int64_t time_max_ns = INT64_MIN;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct group_item){.group = entries[i]->group, .index = i};
        if (seq_max < entries[i]->seq)
            seq_max = entries[i]->seq;
        if (time_max_ns < entries[i]->time_ns)
            time_max_ns = entries[i]->time_ns;
    }
    group_items_sort(items, count);
    for (uint32_t i = 0; i < count && s == STATUS_OK; i++) {
        const struct text_entry *e = entries[items[i].index];
        s = pack_writer_add(w, e->address, e->group, slice_of(e->body, e->size), reterr);
    }
    mem_free(items);
    if (s == STATUS_OK)
        s = pack_writer_finish(w, seq_max, time_max_ns, ret_meta, reterr);
    return s;
}

enum status text_seal(struct text_store *t, uint64_t number, uint64_t seq_max,
                      struct text_pack_meta *ret_meta, struct error *reterr)
{
    ASSERT(number != 0);
    ASSERT(t->pending == NULL);
    struct pack_writer *w = NULL;
    char path[PACK_PATH_BYTES];
    uint32_t count;
    struct text_entry **entries = entries_take(t, number, seq_max, &count);
    enum status s = STATUS_END;
    if (count == 0)
        goto out;
    s = pack_writer_open(t->io, t->directory, number, TEXT_SEAL_LEVEL, &w, reterr);
    if (s < 0)
        goto out;
    if ((s = entries_write(w, entries, count, ret_meta, reterr)) < 0)
        goto out;
    pack_path(t->directory, number, path);
    s = pack_open(t->io, path, number, &t->pending, reterr);
out:
    if (s != STATUS_OK)
        entries_untake(t, number);
    pack_writer_close(w);
    mem_free(entries);
    return s;
}

void text_seal_commit(struct text_store *t, uint64_t number)
{
    ASSERT(t->pending != NULL);
    ASSERT(t->pending->meta.number == number);
    mutex_lock(&t->lock);
    (void)text_list_change_locked(t, 0, t->pending);
    t->pending = NULL;
    text_entries_release_locked(t, number);
    mutex_unlock(&t->lock);
}

void text_seal_abort(struct text_store *t, uint64_t number)
{
    ASSERT(t->pending != NULL);
    ASSERT(t->pending->meta.number == number);
    atomic_store(&t->pending->doomed, true);
    pack_unref(t->pending);
    t->pending = NULL;
    entries_untake(t, number);
}

/* ---- merge ---- */

/* One message of one input. */
struct merge_message {
    struct id128 address;
    uint32_t pack; /* index of the input */
    uint32_t ordinal;
    uint32_t group;
    bool drop;
};

struct merge {
    struct text_store *t;
    struct pack **packs;
    struct cached_block **blocks; /* the block read last of each input */
    uint32_t pack_count;
    struct merge_message *messages; /* by input, then ordinal */
    uint32_t message_count;
    bool marked; /* the inputs were set leaving by this merge */
};

static void merge_end(struct merge *m, bool succeeded)
{
    for (uint32_t i = 0; i < m->pack_count; i++) {
        if (m->marked && !succeeded)
            text_pack_leave(m->t, m->packs[i]->meta.number, false);
        block_cache_release(m->blocks[i]);
        pack_unref(m->packs[i]);
    }
    mem_free(m->packs);
    mem_free(m->blocks);
    mem_free(m->messages);
}

static enum status merge_begin(struct text_store *t, const uint64_t *numbers, uint32_t count,
                               struct merge *m, struct error *reterr)
{
    struct pack_list *list = text_list_ref(t);
    enum status s = STATUS_OK;
    uint64_t messages = 0;
    *m = (struct merge){.t = t};
    m->packs = mem_zero((size_t)count + 1, sizeof(struct pack *));
    m->blocks = mem_zero((size_t)count + 1, sizeof(struct cached_block *));
    for (uint32_t i = 0; i < count && s == STATUS_OK; i++) {
        struct pack *p = text_list_find(list, numbers[i]);
        if (p == NULL) {
            s = error_set(reterr, STATUS_NOT_FOUND, "%s: pack %" PRIu64 " is not open",
                          t->directory, numbers[i]);
            break;
        }
        m->packs[m->pack_count++] = pack_ref(p);
        messages += p->meta.messages;
    }
    if (s == STATUS_OK && messages > PACK_MESSAGES_MAX)
        s = error_set(reterr, STATUS_LIMIT, "%s: %" PRIu64 " messages don't fit one pack",
                      t->directory, messages);
    text_list_unref(list);
    return s;
}

/* Fills in what one input holds: addresses from its index, groups from its runs. */
static enum status merge_list(struct merge *m, uint32_t pack_index, struct error *reterr)
{
    struct pack *p = m->packs[pack_index];
    struct merge_message *to = m->messages + m->message_count;
    enum status s = pack_index_check(p, reterr);
    if (s < 0)
        return s;
    for (uint64_t i = 0; i < p->meta.messages; i++) {
        uint64_t ordinal = pack_ordinal(p, i);
        if (ordinal >= p->meta.messages || to[ordinal].group != 0)
            return corrupt(reterr, p->path, p->index_offset, "ordinals are no permutation");
        to[ordinal].address = pack_address(p, i);
        to[ordinal].group = 1; /* seen; replaced below */
    }
    uint32_t ordinal = 0;
    for (uint32_t i = 0; i < pack_run_count(p); i++) {
        uint32_t group;
        uint32_t messages;
        pack_run(p, i, &group, &messages);
        for (; messages > 0; messages--, ordinal++) {
            to[ordinal].group = group;
            to[ordinal].pack = pack_index;
            to[ordinal].ordinal = ordinal;
        }
    }
    m->message_count += ordinal;
    return STATUS_OK;
}

static int by_address(const void *a, const void *b, void *context)
{
    const struct merge_message *messages = context;
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    int order = id128_compare(messages[x].address, messages[y].address);
    return order != 0 ? order : (x > y) - (x < y);
}

/* Marks the second and later copies of a message, and those nobody wants. */
static void merge_mark(struct merge *m, bool (*keep)(void *context, struct id128 address),
                       void *context)
{
    uint32_t *order = mem_alloc(((size_t)m->message_count + 1) * sizeof *order);
    for (uint32_t i = 0; i < m->message_count; i++)
        order[i] = i;
    qsort_r(order, m->message_count, sizeof *order, by_address, m->messages);
    for (uint32_t i = 0; i < m->message_count; i++) {
        struct merge_message *message = &m->messages[order[i]];
        bool again = i > 0 && id128_equal(message->address, m->messages[order[i - 1]].address);
        message->drop = again || (keep != NULL && !keep(context, message->address));
    }
    mem_free(order);
}

static enum status merge_message_write(struct merge *m, const struct merge_message *message,
                                       struct pack_writer *w, struct error *reterr)
{
    struct pack *p = m->packs[message->pack];
    struct cached_block **held = &m->blocks[message->pack];
    uint32_t block = pack_block_of(p, message->ordinal);
    if (*held == NULL || (*held)->block != block) {
        block_cache_release(*held);
        *held = NULL;
        enum status s = pack_block_get(p, block, held, reterr);
        if (s < 0)
            return s;
    }
    struct slice body = pack_block_message(p, *held, message->ordinal);
    if (!id128_equal(hash128(body), message->address))
        return corrupt(reterr, p->path, p->blocks[block].offset,
                       "message %" PRIu32 " is not the one its address names", message->ordinal);
    return pack_writer_add(w, message->address, message->group, body, reterr);
}

static enum status merge_write(struct merge *m, struct pack_writer *w,
                               struct text_pack_meta *ret_meta, struct error *reterr)
{
    struct group_item *items = mem_alloc(((size_t)m->message_count + 1) * sizeof *items);
    uint32_t count = 0;
    uint64_t seq_max = 0;
    int64_t time_max_ns = INT64_MIN;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < m->message_count; i++) {
        if (!m->messages[i].drop)
            items[count++] = (struct group_item){.group = m->messages[i].group, .index = i};
    }
    group_items_sort(items, count);
    for (uint32_t i = 0; i < count && s == STATUS_OK; i++)
        s = merge_message_write(m, &m->messages[items[i].index], w, reterr);
    mem_free(items);
    for (uint32_t i = 0; i < m->pack_count; i++) {
        const struct text_pack_meta *meta = &m->packs[i]->meta;
        seq_max = seq_max > meta->seq_max ? seq_max : meta->seq_max;
        time_max_ns = time_max_ns > meta->time_max_ns ? time_max_ns : meta->time_max_ns;
    }
    if (s == STATUS_OK)
        s = pack_writer_finish(w, seq_max, time_max_ns, ret_meta, reterr);
    return s;
}

static bool merge_is_empty(const struct merge *m)
{
    for (uint32_t i = 0; i < m->message_count; i++) {
        if (!m->messages[i].drop)
            return false;
    }
    return true;
}

static enum status merge_run(struct merge *m, uint64_t new_number,
                             bool (*keep)(void *context, struct id128 address), void *context,
                             struct text_pack_meta *ret_meta, struct error *reterr)
{
    struct text_store *t = m->t;
    struct pack_writer *w = NULL;
    enum status s = STATUS_OK;
    uint64_t messages = 0;
    if (keep != NULL) {
        m->marked = true;
        for (uint32_t i = 0; i < m->pack_count; i++)
            text_pack_leave(t, m->packs[i]->meta.number, true);
    }
    for (uint32_t i = 0; i < m->pack_count; i++)
        messages += m->packs[i]->meta.messages;
    m->messages = mem_zero(messages + 1, sizeof *m->messages);
    for (uint32_t i = 0; i < m->pack_count && s == STATUS_OK; i++)
        s = merge_list(m, i, reterr);
    if (s < 0)
        return s;
    merge_mark(m, keep, context);
    if (merge_is_empty(m))
        return STATUS_END;
    s = pack_writer_open(t->io, t->directory, new_number, TEXT_MERGE_LEVEL, &w, reterr);
    if (s == STATUS_OK)
        s = merge_write(m, w, ret_meta, reterr);
    pack_writer_close(w);
    return s;
}

enum status text_merge(struct text_store *t, const uint64_t *numbers, uint32_t count,
                       uint64_t new_number, bool (*keep)(void *context, struct id128 address),
                       void *context, struct text_pack_meta *ret_meta, struct error *reterr)
{
    struct merge m;
    enum status s = merge_begin(t, numbers, count, &m, reterr);
    if (s == STATUS_OK)
        s = merge_run(&m, new_number, keep, context, ret_meta, reterr);
    merge_end(&m, s >= 0);
    return s;
}
