/*
 * memory.h - where memory comes from.
 *
 * mem_* wrap malloc: they never return NULL (out of memory ends the process with a message; every
 * size that depends on input is checked against limits.h before it gets here). An arena hands out
 * memory that dies together. struct buffer is a growable byte string that owns its memory.
 */
#ifndef DRIFTLINE_BASE_MEMORY_H
#define DRIFTLINE_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/slice.h"

void *mem_alloc(size_t size);
void *mem_zero(size_t count, size_t size);
void *mem_resize(void *p, size_t size);
/* Grows an array to hold at least `count` items (doubling); *capacity is in items. */
void *mem_grow(void *p, size_t *capacity, size_t count, size_t item_size);
char *mem_strdup(const char *text);
void mem_free(void *p);

/* Bytes taken through mem_* and not given back, and the most there were since the last reset. */
size_t mem_in_use(void);
size_t mem_peak(void);
void mem_peak_reset(void);

#define MEM_NEW(type) ((type *)mem_zero(1, sizeof(type)))

struct arena_block;

/* Zero is a valid empty arena. Blocks double from 4 KiB to 1 MiB. */
struct arena {
    struct arena_block *head;
    size_t bytes; /* handed out so far */
};

void arena_deinit(struct arena *a);
/* Empties the arena but keeps its largest block. */
void arena_reset(struct arena *a);
/* Bytes of all its blocks, used or not. */
size_t arena_memory(const struct arena *a);
/* 16-byte aligned, not zeroed. Never NULL. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zero(struct arena *a, size_t count, size_t size);
/* A copy that lives as long as the arena, with a NUL after its last byte. */
struct slice arena_copy(struct arena *a, struct slice bytes);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type) ((type *)arena_zero((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), (size_t)(count) * sizeof(type)))

/* Growable bytes; zero is empty. data is NULL until something was added. */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void buffer_deinit(struct buffer *b);
void buffer_reset(struct buffer *b);
/* Makes room for `more` bytes after size and returns where they go; size is not changed. */
uint8_t *buffer_reserve(struct buffer *b, size_t more);
void buffer_add(struct buffer *b, const void *data, size_t size);
void buffer_add_slice(struct buffer *b, struct slice bytes);
void buffer_add_text(struct buffer *b, const char *text);
void buffer_add_byte(struct buffer *b, uint8_t byte);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends `bytes` as a JSON string, quotes included; invalid UTF-8 becomes U+FFFD. */
void buffer_add_json(struct buffer *b, struct slice bytes);
static inline struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){.data = b->data != NULL ? b->data : (const uint8_t *)"", .size = b->size};
}

/* Builder for formats: little-endian numbers and LEB128 varints appended to a buffer. */
void put_u8(struct buffer *b, uint8_t v);
void put_u16(struct buffer *b, uint16_t v);
void put_u32(struct buffer *b, uint32_t v);
void put_u64(struct buffer *b, uint64_t v);
void put_varint(struct buffer *b, uint64_t v);
/* varint length, then the bytes. */
void put_bytes(struct buffer *b, struct slice bytes);

#endif
