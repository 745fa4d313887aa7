/*
 * head_memory.c - counted allocation, deferred freeing, packed texts.
 */
#include "engine/head/head_memory.h"

#define TEXT_BLOCK_BYTES_MIN ((size_t)2048)
#define TEXT_BLOCK_BYTES_MAX ((size_t)256 << 10)

void head_memory_deinit(struct head_memory *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->retired_count; i++)
        mem_free(m->retired[i]);
    mem_free(m->retired);
    arena_deinit(&m->arena);
    *m = (struct head_memory){0};
}

void *head_memory_zero(struct head_memory *m, size_t count, size_t size)
{
    m->bytes += count * size;
    return mem_zero(count, size);
}

void head_memory_free(struct head_memory *m, void *p, size_t count, size_t size)
{
    if (p == NULL)
        return;
    m->bytes -= count * size;
    mem_free(p);
}

void head_memory_retire(struct head_memory *m, void *p)
{
    if (p == NULL)
        return;
    size_t before = m->retired_capacity;
    m->retired =
        mem_grow(m->retired, &m->retired_capacity, m->retired_count + 1, sizeof *m->retired);
    m->bytes += (m->retired_capacity - before) * sizeof *m->retired;
    m->retired[m->retired_count++] = p;
}

static uint8_t *text_block(struct head_memory *m, size_t size)
{
    size_t before = m->arena.bytes;
    uint8_t *block = arena_alloc(&m->arena, size);
    m->bytes += m->arena.bytes - before;
    return block;
}

/* The slow part of head_memory_text. A text that would waste most of a block gets its own. */
static uint8_t *text_room(struct head_memory *m, size_t size)
{
    if (size >= TEXT_BLOCK_BYTES_MAX / 4)
        return text_block(m, size);
    if (m->text_block_bytes < TEXT_BLOCK_BYTES_MIN)
        m->text_block_bytes = TEXT_BLOCK_BYTES_MIN;
    while (m->text_block_bytes < size)
        m->text_block_bytes *= 2;
    m->text_at = text_block(m, m->text_block_bytes);
    m->text_left = m->text_block_bytes;
    if (m->text_block_bytes < TEXT_BLOCK_BYTES_MAX)
        m->text_block_bytes *= 2;
    uint8_t *room = m->text_at;
    m->text_at += size;
    m->text_left -= size;
    return room;
}

struct slice head_memory_text(struct head_memory *m, struct slice text)
{
    if (text.size == 0)
        return SLICE_EMPTY;
    uint8_t *room = m->text_at;
    if (text.size <= m->text_left) {
        m->text_at += text.size;
        m->text_left -= text.size;
    } else {
        room = text_room(m, text.size);
    }
    memcpy(room, text.data, text.size);
    return (struct slice){.data = room, .size = text.size};
}
