/*
 * head_memory.h - what a head allocates, counted, and the arrays it outgrew.
 *
 * Invariant: memory a reader may hold a pointer to is freed by head_memory_deinit at the earliest.
 * Threads:   writer only.
 */
#ifndef DRIFTLINE_HEAD_MEMORY_H
#define DRIFTLINE_HEAD_MEMORY_H

#include "engine/base/memory.h"

struct head_memory {
    uint64_t bytes; /* everything alive, outgrown arrays included */
    void **retired;
    size_t retired_count;
    size_t retired_capacity;
    struct arena arena; /* blocks that texts are packed into */
    uint8_t *text_at;   /* free part of the newest block */
    size_t text_left;
    size_t text_block_bytes; /* size of the next block */
};

void head_memory_deinit(struct head_memory *m);
/* Zeroed. The caller frees it with mem_free or hands it to head_memory_retire. */
void *head_memory_zero(struct head_memory *m, size_t count, size_t size);
/* For arrays only the writer sees: frees p at once. */
void head_memory_free(struct head_memory *m, void *p, size_t count, size_t size);
/* Readers may still look at p: it stays until the head goes. Accepts NULL. */
void head_memory_retire(struct head_memory *m, void *p);
/* Packed copies that never move. The empty slice costs nothing. */
struct slice head_memory_text(struct head_memory *m, struct slice text);

#endif
