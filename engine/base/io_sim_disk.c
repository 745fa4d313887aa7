/*
 * io_sim_disk.c - files and names with their pending operations, and the dice of a power cut.
 *
 * Place: io_sim.c -> [here]
 */
#include "engine/base/io_sim_disk.h"

#include <string.h>

#include "engine/base/check.h"

/* --- bytes ------------------------------------------------------------------------------------ */

static void image_resize(struct buffer *image, uint64_t size)
{
    if (size > image->size) {
        size_t more = (size_t)size - image->size;
        memset(buffer_reserve(image, more), 0, more);
    }
    image->size = (size_t)size;
}

static void image_write(struct buffer *image, uint64_t offset, const void *from, size_t size)
{
    if (size == 0)
        return;
    if (offset + size > image->size)
        image_resize(image, offset + size);
    memcpy(image->data + offset, from, size);
}

static void image_apply(struct buffer *image, const struct sim_write *w)
{
    if (w->is_truncate)
        image_resize(image, w->offset);
    else
        image_write(image, w->offset, w->bytes, w->size);
}

static void pending_add(struct sim_inode *n, struct sim_write *w)
{
    w->next = NULL;
    *n->end = w;
    n->end = &w->next;
}

static void pending_clear(struct sim_inode *n)
{
    while (n->first != NULL) {
        struct sim_write *w = n->first;
        n->first = w->next;
        mem_free(w);
    }
    n->end = &n->first;
}

void sim_inode_write(struct sim_inode *n, uint64_t offset, const void *from, size_t size)
{
    if (size == 0)
        return;
    struct sim_write *w = mem_alloc(sizeof *w + size);
    *w = (struct sim_write){.offset = offset, .size = size};
    memcpy(w->bytes, from, size);
    pending_add(n, w);
    image_apply(&n->current, w);
}

void sim_inode_truncate(struct sim_inode *n, uint64_t size)
{
    struct sim_write *w = mem_alloc(sizeof *w);
    *w = (struct sim_write){.offset = size, .is_truncate = true};
    pending_add(n, w);
    image_apply(&n->current, w);
}

void sim_inode_sync(struct sim_inode *n)
{
    for (const struct sim_write *w = n->first; w != NULL; w = w->next) {
        if (!w->is_lost)
            image_apply(&n->durable, w);
    }
    pending_clear(n);
}

void sim_inode_sync_failed(struct sim_inode *n, struct rng *rng)
{
    for (struct sim_write *w = n->first; w != NULL; w = w->next) {
        if (rng_below(rng, 2) == 0)
            image_apply(&n->durable, w);
        w->is_lost = true;
    }
}

/* What of a write reached the platter, sector by sector. */
enum tear {
    TEAR_ALL,
    TEAR_NONE,
    TEAR_PREFIX,
    TEAR_SUFFIX,
    TEAR_SCATTER,
    TEAR_ZEROS,
    TEAR_KINDS
};

static bool sector_survives(enum tear tear, uint64_t sector, uint64_t cut, struct rng *rng)
{
    switch (tear) {
    case TEAR_ALL:
    case TEAR_ZEROS:
        return true;
    case TEAR_PREFIX:
        return sector < cut;
    case TEAR_SUFFIX:
        return sector >= cut;
    case TEAR_SCATTER:
        return rng_below(rng, 2) == 0;
    case TEAR_NONE:
    case TEAR_KINDS:
        return false;
    }
    return false;
}

/* A file may have grown although its bytes are missing. */
static void write_lost(struct buffer *image, const struct sim_write *w, struct rng *rng)
{
    if (w->offset + w->size > image->size && rng_below(rng, 2) == 0)
        image_resize(image, w->offset + w->size);
}

static void write_tear(struct buffer *image, const struct sim_write *w, struct rng *rng)
{
    enum tear tear = (enum tear)rng_below(rng, TEAR_KINDS);
    if (w->is_truncate) {
        if (tear == TEAR_ALL || tear == TEAR_PREFIX || tear == TEAR_SCATTER)
            image_apply(image, w);
        return;
    }
    static const uint8_t zeros[SIM_SECTOR];
    uint64_t first = w->offset / SIM_SECTOR;
    uint64_t last = (w->offset + w->size - 1) / SIM_SECTOR;
    uint64_t cut = first + rng_below(rng, last - first + 1);
    write_lost(image, w, rng);
    for (uint64_t sector = first; sector <= last; sector++) {
        if (!sector_survives(tear, sector, cut, rng))
            continue;
        uint64_t from = sector * SIM_SECTOR < w->offset ? w->offset : sector * SIM_SECTOR;
        uint64_t until = (sector + 1) * SIM_SECTOR;
        if (until > w->offset + w->size)
            until = w->offset + w->size;
        image_write(image, from, tear == TEAR_ZEROS ? zeros : w->bytes + (from - w->offset),
                    (size_t)(until - from));
    }
}

void sim_inode_sync_torn(struct sim_inode *n, struct rng *rng)
{
    for (const struct sim_write *w = n->first; w != NULL; w = w->next)
        write_tear(&n->durable, w, rng);
    pending_clear(n);
}

/* --- names ------------------------------------------------------------------------------------ */

struct slice sim_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? SLICE_EMPTY : slice_of(path, (size_t)(slash - path));
}

static struct sim_entry *names_find(const struct sim_names *names, struct slice path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_is(path, names->entries[i].path))
            return &names->entries[i];
    }
    return NULL;
}

static void names_remove(struct sim_names *names, const char *path)
{
    struct sim_entry *entry = names_find(names, slice_text(path));
    if (entry == NULL)
        return;
    mem_free(entry->path);
    *entry = names->entries[--names->count];
}

static void names_set(struct sim_names *names, const char *path, struct sim_inode *inode)
{
    names_remove(names, path);
    names->entries =
        mem_grow(names->entries, &names->capacity, names->count + 1, sizeof *names->entries);
    names->entries[names->count++] = (struct sim_entry){.path = mem_strdup(path), .inode = inode};
}

static void names_clear(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->entries[i].path);
    names->count = 0;
}

static void names_apply(struct sim_names *names, const struct sim_change *change)
{
    if (change->from != NULL)
        names_remove(names, change->from);
    if (change->to != NULL)
        names_set(names, change->to, change->inode);
}

static void change_add(struct sim_disk *d, struct sim_inode *inode, const char *from,
                       const char *to)
{
    struct sim_change *change = MEM_NEW(struct sim_change);
    change->inode = inode;
    change->from = from == NULL ? NULL : mem_strdup(from);
    change->to = to == NULL ? NULL : mem_strdup(to);
    *d->end = change;
    d->end = &change->next;
    names_apply(&d->current, change);
}

static void change_free(struct sim_change *change)
{
    mem_free(change->from);
    mem_free(change->to);
    mem_free(change);
}

static bool lies_in(const char *path, struct slice directory)
{
    return path != NULL && slice_equal(sim_parent(path), directory);
}

static bool change_is_complete(const struct sim_change *change)
{
    return (change->from == NULL || change->from_synced) &&
           (change->to == NULL || change->to_synced);
}

struct sim_inode *sim_disk_find(const struct sim_disk *d, const char *path)
{
    struct sim_entry *entry = names_find(&d->current, slice_text(path));
    return entry == NULL ? NULL : entry->inode;
}

static bool names_have_dir(const struct sim_names *names, struct slice path)
{
    struct sim_entry *entry = names_find(names, path);
    return path.size == 0 || (entry != NULL && entry->inode->is_dir);
}

bool sim_disk_is_dir(const struct sim_disk *d, struct slice path)
{
    return names_have_dir(&d->current, path);
}

struct sim_inode *sim_disk_create(struct sim_disk *d, const char *path, bool is_dir)
{
    struct sim_inode *inode = MEM_NEW(struct sim_inode);
    inode->is_dir = is_dir;
    inode->end = &inode->first;
    inode->next = d->inodes;
    d->inodes = inode;
    change_add(d, inode, NULL, path);
    return inode;
}

void sim_disk_rename(struct sim_disk *d, const char *from, const char *to)
{
    change_add(d, sim_disk_find(d, from), from, to);
}

/* Frees what no name, no pending change and no open file leads to. */
static void disk_sweep(struct sim_disk *d)
{
    for (struct sim_inode *n = d->inodes; n != NULL; n = n->next)
        n->is_used = n->open_count != 0;
    for (size_t i = 0; i < d->current.count; i++)
        d->current.entries[i].inode->is_used = true;
    for (size_t i = 0; i < d->durable.count; i++)
        d->durable.entries[i].inode->is_used = true;
    for (struct sim_change *change = d->first; change != NULL; change = change->next)
        change->inode->is_used = true;
    struct sim_inode **at = &d->inodes;
    while (*at != NULL) {
        struct sim_inode *n = *at;
        if (n->is_used) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        pending_clear(n);
        buffer_deinit(&n->current);
        buffer_deinit(&n->durable);
        mem_free(n);
    }
}

/*
 * Saves the directory's changes in order. A rename from or to another directory is saved when both
 * are synced; until then what came after it in this directory waits with it.
 */
void sim_disk_sync_dir(struct sim_disk *d, const char *path)
{
    struct slice directory = slice_text(path);
    struct sim_change **at = &d->first;
    bool blocked = false;
    while (*at != NULL) {
        struct sim_change *change = *at;
        bool from_here = lies_in(change->from, directory);
        bool to_here = lies_in(change->to, directory);
        if (blocked || (!from_here && !to_here)) {
            at = &change->next;
            continue;
        }
        change->from_synced |= from_here;
        change->to_synced |= to_here;
        if (!change_is_complete(change)) {
            blocked = true;
            at = &change->next;
            continue;
        }
        names_apply(&d->durable, change);
        *at = change->next;
        change_free(change);
    }
    d->end = at;
    disk_sweep(d);
}

void sim_disk_init(struct sim_disk *d)
{
    *d = (struct sim_disk){0};
    d->end = &d->first;
}

static void changes_clear(struct sim_disk *d)
{
    while (d->first != NULL) {
        struct sim_change *change = d->first;
        d->first = change->next;
        change_free(change);
    }
    d->end = &d->first;
}

void sim_disk_deinit(struct sim_disk *d)
{
    changes_clear(d);
    names_clear(&d->current);
    names_clear(&d->durable);
    for (struct sim_inode *n = d->inodes; n != NULL; n = n->next)
        n->open_count = 0;
    disk_sweep(d);
    mem_free(d->current.entries);
    mem_free(d->durable.entries);
}

/* --- power loss ------------------------------------------------------------------------------- */

/* The changes of one directory survive up to a random point. */
struct cut {
    struct slice directory;
    uint64_t seen;
    uint64_t survive;
};

struct cuts {
    struct cut *items;
    size_t count;
    size_t capacity;
};

static struct cut *cut_of(struct cuts *cuts, const char *path)
{
    struct slice directory = sim_parent(path);
    for (size_t i = 0; i < cuts->count; i++) {
        if (slice_equal(cuts->items[i].directory, directory))
            return &cuts->items[i];
    }
    cuts->items = mem_grow(cuts->items, &cuts->capacity, cuts->count + 1, sizeof *cuts->items);
    cuts->items[cuts->count] = (struct cut){.directory = directory};
    return &cuts->items[cuts->count++];
}

static void cuts_throw(struct cuts *cuts, const struct sim_disk *d, struct rng *rng)
{
    for (const struct sim_change *c = d->first; c != NULL; c = c->next) {
        if (c->from != NULL)
            cut_of(cuts, c->from)->seen++;
        if (c->to != NULL)
            cut_of(cuts, c->to)->seen++;
    }
    for (size_t i = 0; i < cuts->count; i++) {
        cuts->items[i].survive = rng_below(rng, cuts->items[i].seen + 1);
        cuts->items[i].seen = 0;
    }
}

static bool side_survives(struct cuts *cuts, const char *path)
{
    if (path == NULL)
        return true;
    struct cut *cut = cut_of(cuts, path);
    return cut->seen++ < cut->survive;
}

static void names_lose_orphans(struct sim_names *names)
{
    for (size_t i = 0; i < names->count;) {
        if (names_have_dir(names, sim_parent(names->entries[i].path))) {
            i++;
            continue;
        }
        names_remove(names, names->entries[i].path);
        i = 0;
    }
}

static void names_copy(struct sim_names *to, const struct sim_names *from)
{
    names_clear(to);
    for (size_t i = 0; i < from->count; i++)
        names_set(to, from->entries[i].path, from->entries[i].inode);
}

void sim_disk_crash(struct sim_disk *d, struct rng *rng)
{
    struct cuts cuts = {0};
    cuts_throw(&cuts, d, rng);
    for (const struct sim_change *c = d->first; c != NULL; c = c->next) {
        bool from_survives = side_survives(&cuts, c->from);
        bool to_survives = side_survives(&cuts, c->to);
        if (from_survives && to_survives)
            names_apply(&d->durable, c);
    }
    mem_free(cuts.items);
    changes_clear(d);
    names_lose_orphans(&d->durable);
    names_copy(&d->current, &d->durable);

    for (struct sim_inode *n = d->inodes; n != NULL; n = n->next) {
        sim_inode_sync_torn(n, rng);
        n->open_count = 0;
        image_resize(&n->current, 0);
        image_write(&n->current, 0, n->durable.data, n->durable.size);
    }
    disk_sweep(d);
}
