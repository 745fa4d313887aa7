/*
 * text_store.h - the inside of struct text_store, shared by the files of this folder.
 */
#ifndef DRIFTLINE_TEXT_STORE_H
#define DRIFTLINE_TEXT_STORE_H

#include "engine/base/thread.h"
#include "engine/text/pack_read.h"

/* Compression levels, by measurement (bench/bench_text.c). */
#define TEXT_SEAL_LEVEL  7
#define TEXT_MERGE_LEVEL 12

/* A message in memory. Immutable; freed by text_seal_commit only. */
struct text_entry {
    struct id128 address;
    uint64_t seq;
    int64_t time_ns;
    uint32_t group;
    uint32_t size;
    uint64_t sealing; /* number of the pack it is being written to, 0: none */
    uint8_t body[];
};

/* The packs readers see: immutable, replaced as a whole, shared by reference count. */
struct pack_list {
    atomic_uint references;
    uint32_t count;
    struct pack *packs[]; /* newest last; each with one reference */
};

/* A duplicate found in a pack lately: the next one need not decode the block again. */
struct text_recent {
    struct id128 address;
    uint64_t check;      /* a second hash of the body */
    uint64_t generation; /* of the list of packs when it was seen; 0: empty */
};
#define TEXT_RECENT_COUNT 16384u

struct text_store {
    struct io *io;
    char *directory;
    struct mutex lock; /* everything below but `recent` */
    struct pack_list *list;
    uint64_t generation;       /* grows when packs leave */
    struct text_entry **table; /* open addressing by address */
    uint32_t table_mask;
    struct text_entry **entries; /* in order of arrival */
    size_t entries_capacity;
    uint32_t entry_count;
    uint64_t memory_bytes;
    uint64_t seq_min;           /* of entries, 0: none */
    struct pack *pending;       /* written by text_seal, not committed */
    struct text_recent *recent; /* writer thread only */
};

/* A reference to the list of packs as it is now. */
struct pack_list *text_list_ref(struct text_store *t);
void text_list_unref(struct pack_list *list);
/* Replaces the list by one without `remove` (0: none) and with own_add (may be NULL) at its end.
 * Returns the removed pack with a reference, or NULL. */
struct pack *text_list_change_locked(struct text_store *t, uint64_t remove, struct pack *own_add)
    REQUIRES(t->lock);
/* NULL when there is none of that number. */
struct pack *text_list_find(const struct pack_list *list, uint64_t number);
/* Frees the entries written to a pack. */
void text_entries_release_locked(struct text_store *t, uint64_t sealing) REQUIRES(t->lock);

/* What text_seal and text_merge sort: groups in order of first arrival, arrivals in order. */
struct group_item {
    uint32_t group;
    uint32_t index; /* order of arrival */
    uint32_t first; /* index of the first item of the group */
};
void group_items_sort(struct group_item *items, uint32_t count);

#endif
