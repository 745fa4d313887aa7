/*
 * engine_refs.c - which messages of some packs are still referred to.
 *
 * Order:     the packs leave (new commits store their messages again) -> commits under way become visible -> the packs'
 *            addresses are listed -> input and output of all younger spans are read -> what was met is kept.
 * Invariant: a message that a span younger than until_ns refers to is in another pack, in memory or in the new pack
 *            before its old pack goes.
 * Failure:   a block that can't be read might refer to anything: then nothing is dropped.
 * Memory:    17 bytes a message of the packs.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/engine_internal.h"

#define WAIT_NS       (50 * NS_PER_MS)
#define WAIT_TOTAL_NS (10 * NS_PER_S)

struct refs {
    struct id128 *addresses; /* sorted */
    uint8_t *met;
    size_t capacity;
    size_t count;
    size_t met_count;
};

static bool address_list(void *context, struct id128 address)
{
    struct refs *r = context;
    r->addresses = mem_grow(r->addresses, &r->capacity, r->count + 1, sizeof *r->addresses);
    r->addresses[r->count++] = address;
    return false;
}

static int by_address(const void *a, const void *b)
{
    return id128_compare(*(const struct id128 *)a, *(const struct id128 *)b);
}

static size_t address_find(const struct refs *r, struct id128 address)
{
    const struct id128 *found =
        r->count == 0 ? NULL
                      : bsearch(&address, r->addresses, r->count, sizeof address, by_address);
    return found == NULL ? SIZE_MAX : (size_t)(found - r->addresses);
}

static bool address_keep(void *context, struct id128 address)
{
    const struct refs *r = context;
    size_t at = address_find(r, address);
    return at != SIZE_MAX && r->met[at] != 0;
}

/* Commits that were checked while the packs still counted are seen by the scan. */
static enum status wait_visible(struct engine *e, struct error *reterr)
{
    mutex_lock(&e->write_lock);
    uint64_t seq = e->last_seq;
    bool own = !e->writer_known || pthread_equal(e->writer, pthread_self());
    if (own && e->wal != NULL && e->published_seq < seq) {
        (void)!wal_wait(e->wal, seq, WAIT_TOTAL_NS, NULL);
        (void)engine_pump_locked(e);
    }
    mutex_unlock(&e->write_lock);
    mutex_lock(&e->state_lock);
    int64_t waited_ns = 0;
    while (!own && e->published_seq < seq && waited_ns < WAIT_TOTAL_NS) {
        (void)condition_wait_ns(&e->published, &e->state_lock, WAIT_NS);
        waited_ns += WAIT_NS;
    }
    bool done = e->published_seq >= seq;
    mutex_unlock(&e->state_lock);
    return done ? STATUS_OK : error_set(reterr, STATUS_BUSY, "commits are not durable yet");
}

static void refs_meet(struct refs *r, const struct vector *v, uint32_t row)
{
    struct slice refs = vector_bytes(v, row);
    for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
        struct id128 address;
        memcpy(address.bytes, refs.data + at, sizeof address);
        size_t found = address_find(r, address);
        if (found == SIZE_MAX || r->met[found] != 0)
            continue;
        r->met[found] = 1;
        r->met_count++;
    }
}

static enum status spans_read(struct engine *e, struct project *p, int64_t until_ns, struct refs *r,
                              struct error *reterr)
{
    const struct column *columns[1 + REFS_COLUMNS] = {table_column(TABLE_SPANS, SPANS_time)};
    for (uint32_t i = 0; i < REFS_COLUMNS; i++)
        columns[1 + i] = table_column(TABLE_SPANS, refs_columns[i]);
    const struct scan_options options = {.project = p->number,
                                         .table = TABLE_SPANS,
                                         .from_ns = until_ns,
                                         .until_ns = INT64_MAX,
                                         .columns = columns,
                                         .column_count = 1 + REFS_COLUMNS};
    struct scan *scan;
    struct scan_batch b;
    enum status s = scan_open(e, &options, &scan, reterr);
    if (s < 0)
        return s;
    struct scan_reader *reader = scan_reader_create(scan);
    while ((s = scan_next(reader, &b, reterr)) == STATUS_OK) {
        for (uint32_t i = 0; i < b.rows; i++) {
            if (b.vectors[0].i64[i] < until_ns)
                continue;
            for (uint32_t c = 0; c < REFS_COLUMNS; c++)
                refs_meet(r, &b.vectors[1 + c], i);
        }
        if (e->thread_count > 0 && maintenance_stopping(e)) {
            s = error_set(reterr, STATUS_CANCELLED, "the store is closing");
            break;
        }
    }
    const struct error *damage = scan_damage(scan);
    if (s >= 0 && damage != NULL)
        s = error_set(reterr, STATUS_CORRUPT, "%s", damage->text);
    scan_reader_destroy(reader);
    scan_close(scan);
    return s < 0 ? s : STATUS_OK;
}

/* Marks the packs and lists what they hold, without writing anything. */
static enum status packs_list(struct engine *e, struct project *p, const uint64_t *numbers,
                              uint32_t count, struct refs *r, struct error *reterr)
{
    struct text_pack_meta meta;
    mutex_lock(&e->write_lock);
    for (uint32_t i = 0; i < count; i++)
        text_pack_leave(p->text, numbers[i], true);
    mutex_unlock(&e->write_lock);
    enum status s =
        text_merge(p->text, numbers, count, engine_next_number(e), address_list, r, &meta, reterr);
    ASSERT(s != STATUS_OK);
    return s == STATUS_END ? STATUS_OK : s;
}

enum status refs_keep(struct engine *e, struct project *p, const uint64_t *numbers, uint32_t count,
                      int64_t until_ns, struct manifest_pack *ret, struct error *reterr)
{
    struct refs r = {0};
    struct text_pack_meta meta = {0};
    uint64_t number = engine_next_number(e);
    *ret = (struct manifest_pack){0};
    enum status s = packs_list(e, p, numbers, count, &r, reterr);
    if (s >= 0 && r.count > 0)
        qsort(r.addresses, r.count, sizeof *r.addresses, by_address);
    r.met = mem_zero(r.count, 1);
    if (s >= 0)
        s = wait_visible(e, reterr);
    if (s >= 0)
        s = spans_read(e, p, until_ns, &r, reterr);
    if (s >= 0 && r.met_count > 0)
        s = text_merge(p->text, numbers, count, number, address_keep, &r, &meta, reterr);
    if (s == STATUS_OK && r.met_count > 0)
        *ret = (struct manifest_pack){.number = number,
                                      .project = p->number,
                                      .bytes = meta.bytes,
                                      .messages = meta.messages,
                                      .text_bytes = meta.text_bytes,
                                      .seq_max = meta.seq_max,
                                      .time_max_ns = clock_wall_ns()};
    mem_free(r.addresses);
    mem_free(r.met);
    return s < 0 ? s : STATUS_OK;
}
