/*
 * pack_read.h - one open text pack. FORMAT.md 6.
 */
#ifndef DRIFTLINE_PACK_READ_H
#define DRIFTLINE_PACK_READ_H

#include <stdatomic.h>

#include "engine/base/id.h"
#include "engine/text/text.h"

struct pack_block {
    uint64_t offset;        /* of its stored bytes in the file */
    uint64_t message_first; /* ordinal of its first message */
    uint64_t checksum;
    uint32_t stored;
    uint32_t raw;
    uint32_t messages;
    uint32_t reference; /* block or PACK_NO_REFERENCE */
};

enum pack_index_state {
    PACK_INDEX_UNCHECKED = 0,
    PACK_INDEX_GOOD,
    PACK_INDEX_BAD
};

/* Immutable once open, shared by reference count; the index is checked at first touch. */
struct pack {
    struct io *io;
    struct io_map map;
    char *path;
    uint64_t identity; /* unique in the process: the key of cached blocks */
    struct text_pack_meta meta;
    struct pack_block *blocks;
    uint32_t block_count;
    struct slice addresses;
    struct slice ordinals;
    struct slice index; /* both */
    struct slice runs;
    uint64_t index_checksum;
    uint64_t index_offset;
    atomic_uint index_state;
    atomic_uint references;
    atomic_bool doomed;  /* delete the file when the last reference goes */
    atomic_bool leaving; /* counts neither for text_has nor for text_add any more */
};

/* number 0: whatever the file says (verify). */
MUST_CHECK enum status pack_open(struct io *io, const char *path, uint64_t number,
                                 struct pack **ret, struct error *reterr);
struct pack *pack_ref(struct pack *p);
/* Accepts NULL. */
void pack_unref(struct pack *p);

/* *ret_ordinal is the number of the message. STATUS_NOT_FOUND: not in this pack; *reterr is left
 * alone then, as most packs of a store don't have a message. */
MUST_CHECK enum status pack_find(struct pack *p, struct id128 address, uint64_t *ret_ordinal,
                                 struct error *reterr);
/* The i-th address in sorted order and its message. */
MUST_CHECK enum status pack_index_check(struct pack *p, struct error *reterr);
struct id128 pack_address(const struct pack *p, uint64_t index);
uint64_t pack_ordinal(const struct pack *p, uint64_t index);

uint32_t pack_run_count(const struct pack *p);
void pack_run(const struct pack *p, uint32_t index, uint32_t *ret_group, uint32_t *ret_messages);
/* The block a message is in. */
uint32_t pack_block_of(const struct pack *p, uint64_t ordinal);

/* A decoded block: shared, in the block cache, released with block_cache_release. */
struct cached_block;
MUST_CHECK enum status pack_block_get(struct pack *p, uint32_t block, struct cached_block **ret,
                                      struct error *reterr);
/* The body of a message of that block; valid while the block is held. */
struct slice pack_block_message(const struct pack *p, const struct cached_block *b,
                                uint64_t ordinal);

#endif
