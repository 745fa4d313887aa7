/*
 * memory.c - malloc behind mem_*, arenas and growable buffers.
 *
 * Invariant: the only file that calls malloc, realloc and free.
 */
#include "engine/base/memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/check.h"

#define ARENA_BLOCK_BYTES_MIN ((size_t)4096)
#define ARENA_BLOCK_BYTES_MAX ((size_t)1 << 20)
#define ARENA_ALIGN ((size_t)16)

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(16) uint8_t bytes[];
};

static atomic_size_t in_use;
static atomic_size_t peak;

/* Two threads that raise the peak at the same time may lose the smaller raise: it is a gauge. */
static void *taken(void *p, size_t size)
{
    if (p == NULL) {
        (void)fprintf(stderr, "driftline: out of memory (%zu bytes wanted)\n", size);
        exit(1);
    }
    size_t usable = malloc_usable_size(p);
    size_t now = atomic_fetch_add_explicit(&in_use, usable, memory_order_relaxed) + usable;
    if (now > atomic_load_explicit(&peak, memory_order_relaxed))
        atomic_store_explicit(&peak, now, memory_order_relaxed);
    return p;
}

static void given_back(void *p)
{
    if (p != NULL)
        (void)atomic_fetch_sub_explicit(&in_use, malloc_usable_size(p), memory_order_relaxed);
}

size_t mem_in_use(void)
{
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

size_t mem_peak(void)
{
    return atomic_load_explicit(&peak, memory_order_relaxed);
}

void mem_peak_reset(void)
{
    atomic_store_explicit(&peak, mem_in_use(), memory_order_relaxed);
}

void *mem_alloc(size_t size)
{
    return taken(malloc(size == 0 ? 1 : size), size);
}

void *mem_zero(size_t count, size_t size)
{
    return taken(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size), size);
}

void *mem_resize(void *p, size_t size)
{
    given_back(p);
    return taken(realloc(p, size == 0 ? 1 : size), size);
}

void *mem_grow(void *p, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return p;
    size_t wanted = *capacity < 8 ? 8 : *capacity * 2;
    if (wanted < count)
        wanted = count;
    ASSERT(wanted <= SIZE_MAX / item_size);
    *capacity = wanted;
    return mem_resize(p, wanted * item_size);
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

void mem_free(void *p)
{
    given_back(p);
    free(p);
}

static struct arena_block *arena_block_create(size_t capacity)
{
    struct arena_block *block = mem_alloc(sizeof *block + capacity);
    block->next = NULL;
    block->capacity = capacity;
    block->used = 0;
    return block;
}

void arena_deinit(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct arena_block *block = a->head; block != NULL;) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->head;
    for (struct arena_block *block = a->head; block != NULL; block = block->next) {
        if (block->capacity > keep->capacity)
            keep = block;
    }
    for (struct arena_block *block = a->head; block != NULL;) {
        struct arena_block *next = block->next;
        if (block != keep)
            mem_free(block);
        block = next;
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
    }
    *a = (struct arena){.head = keep};
}

size_t arena_memory(const struct arena *a)
{
    size_t bytes = 0;
    for (const struct arena_block *block = a->head; block != NULL; block = block->next)
        bytes += sizeof *block + block->capacity;
    return bytes;
}

void *arena_alloc(struct arena *a, size_t size)
{
    ASSERT(size <= SIZE_MAX / 2);
    size_t rounded = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    struct arena_block *block = a->head;
    if (block == NULL || block->capacity - block->used < rounded) {
        size_t capacity = block == NULL ? ARENA_BLOCK_BYTES_MIN : block->capacity * 2;
        if (capacity > ARENA_BLOCK_BYTES_MAX)
            capacity = ARENA_BLOCK_BYTES_MAX;
        if (capacity < rounded)
            capacity = rounded;
        block = arena_block_create(capacity);
        block->next = a->head;
        a->head = block;
    }
    void *p = block->bytes + block->used;
    block->used += rounded;
    a->bytes += rounded;
    return p;
}

void *arena_zero(struct arena *a, size_t count, size_t size)
{
    ASSERT(size == 0 || count <= SIZE_MAX / 2 / size);
    void *p = arena_alloc(a, count * size);
    memset(p, 0, count * size);
    return p;
}

struct slice arena_copy(struct arena *a, struct slice bytes)
{
    uint8_t *copy = arena_alloc(a, bytes.size + 1);
    bytes_copy(copy, bytes.data, bytes.size);
    copy[bytes.size] = 0;
    return (struct slice){.data = copy, .size = bytes.size};
}

char *arena_strdup(struct arena *a, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(arena_alloc(a, size), text, size);
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(size >= 0);
    char *text = arena_alloc(a, (size_t)size + 1);
    (void)vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void buffer_deinit(struct buffer *b)
{
    if (b == NULL)
        return;
    mem_free(b->data);
    *b = (struct buffer){0};
}

void buffer_reset(struct buffer *b)
{
    b->size = 0;
}

uint8_t *buffer_reserve(struct buffer *b, size_t more)
{
    ASSERT(more <= SIZE_MAX / 2 - b->size);
    b->data = mem_grow(b->data, &b->capacity, b->size + more + 1, 1);
    return b->data + b->size;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
    bytes_copy(buffer_reserve(b, size), data, size);
    b->size += size;
}

void buffer_add_slice(struct buffer *b, struct slice bytes)
{
    buffer_add(b, bytes.data, bytes.size);
}

void buffer_add_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_add_byte(struct buffer *b, uint8_t byte)
{
    *buffer_reserve(b, 1) = byte;
    b->size++;
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(size >= 0);
    (void)vsnprintf((char *)buffer_reserve(b, (size_t)size + 1), (size_t)size + 1, format, again);
    va_end(again);
    b->size += (size_t)size;
}

void put_u8(struct buffer *b, uint8_t v)
{
    buffer_add_byte(b, v);
}

void put_u16(struct buffer *b, uint16_t v)
{
    uint8_t *p = buffer_reserve(b, 2);
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    b->size += 2;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FORMAT.md 1: numbers are little-endian");

void put_u32(struct buffer *b, uint32_t v)
{
    buffer_add(b, &v, sizeof v);
}

void put_u64(struct buffer *b, uint64_t v)
{
    buffer_add(b, &v, sizeof v);
}

void put_varint(struct buffer *b, uint64_t v)
{
    uint8_t *p = buffer_reserve(b, 10);
    size_t size = 0;
    while (v >= 0x80) {
        p[size++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[size++] = (uint8_t)v;
    b->size += size;
}

void put_bytes(struct buffer *b, struct slice bytes)
{
    put_varint(b, bytes.size);
    buffer_add_slice(b, bytes);
}
