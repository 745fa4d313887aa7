/*
 * head_memory.h - the memory of a head: large slabs, handed out piece by piece, freed together.
 *
 * Why:       a head takes 200 MB in seconds. In 4 KiB pages from malloc the page faults alone cost
 *            half of the time on a virtual machine, so slabs grow to 4 MiB and ask for huge pages.
 * Invariant: memory a reader may hold a pointer to is never given back before head_memory_deinit;
 *            head_memory_reuse is for what only the writer ever saw.
 * Threads:   writer only.
 */
#ifndef DRIFTLINE_HEAD_MEMORY_H
#define DRIFTLINE_HEAD_MEMORY_H

#include "engine/base/memory.h"

#define HEAD_MEMORY_CLASSES 32u

struct head_slab;
struct head_piece;

/* Zero is valid and empty. */
struct head_memory {
    uint64_t bytes; /* of all slabs: what the head costs */
    struct head_slab *slabs;
    uint8_t *at; /* free part of the newest slab */
    size_t left;
    /* Pieces given back, by the logarithm of their size. */
    struct head_piece *free_pieces[HEAD_MEMORY_CLASSES];
    uint8_t *text_at; /* free part of the newest block of packed texts */
    size_t text_left;
    size_t text_block_bytes; /* size of the next block */
};

void head_memory_deinit(struct head_memory *m);
/* Zeroed, 64-byte aligned. */
void *head_memory_zero(struct head_memory *m, size_t count, size_t size);
/* Gives back what head_memory_zero returned. Its size must be a power of two, 64 bytes or more. */
void head_memory_reuse(struct head_memory *m, void *p, size_t count, size_t size);
/* Packed copies that never move. The empty slice costs nothing. */
struct slice head_memory_text(struct head_memory *m, struct slice text);

#endif
