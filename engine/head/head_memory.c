/*
 * head_memory.c - slabs, pieces given back, packed texts.
 *
 * Under AddressSanitizer what is not handed out is poisoned, and pieces are kept apart.
 */
#include "engine/head/head_memory.h"

#include <sys/mman.h>

#include "engine/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define HEAD_MEMORY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAD_MEMORY_ASAN 1
#endif
#endif
#ifdef HEAD_MEMORY_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, size)   ASAN_POISON_MEMORY_REGION(p, size)
#define UNPOISON(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#define GAP_BYTES         ((size_t)64)
#else
#define POISON(p, size)   ((void)0)
#define UNPOISON(p, size) ((void)0)
#define GAP_BYTES         ((size_t)0)
#endif

#define PIECE_ALIGN          ((size_t)64)
#define SLAB_BYTES_MIN       ((size_t)64 << 10)
#define SLAB_BYTES_MAX       ((size_t)4 << 20)
#define HUGE_PAGE_BYTES      ((size_t)2 << 20)
#define TEXT_BLOCK_BYTES_MIN ((size_t)2048)
#define TEXT_BLOCK_BYTES_MAX ((size_t)256 << 10)

struct head_slab {
    struct head_slab *next;
    void *memory;
};

struct head_piece {
    struct head_piece *next;
};

void head_memory_deinit(struct head_memory *m)
{
    if (m == NULL)
        return;
    for (struct head_slab *slab = m->slabs; slab != NULL;) {
        struct head_slab *next = slab->next;
        mem_free(slab->memory);
        mem_free(slab);
        slab = next;
    }
    *m = (struct head_memory){0};
}

/* Zeroed. The slack that aligns it is never touched, so it costs address space only. */
static uint8_t *slab_create(struct head_memory *m, size_t size)
{
    size_t align = size >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : PIECE_ALIGN;
    struct head_slab *slab = MEM_NEW(struct head_slab);
    slab->memory = mem_zero(1, size + align);
    slab->next = m->slabs;
    m->slabs = slab;
    m->bytes += size;
    uintptr_t start = ((uintptr_t)slab->memory + align - 1) & ~(uintptr_t)(align - 1);
    uint8_t *bytes = (uint8_t *)slab->memory + (start - (uintptr_t)slab->memory);
    /* Advice: where there are no huge pages all works the same, slower. */
    if (size >= HUGE_PAGE_BYTES)
        (void)madvise(bytes, size & ~(HUGE_PAGE_BYTES - 1), MADV_HUGEPAGE);
    return bytes;
}

/* A quarter of what there is, so that a small head stays small. */
static size_t slab_bytes(const struct head_memory *m)
{
    size_t size = SLAB_BYTES_MIN;
    while (size < SLAB_BYTES_MAX && size < m->bytes / 4)
        size *= 2;
    return size;
}

static uint8_t *bump(struct head_memory *m, size_t size)
{
    if (size > SLAB_BYTES_MAX / 2)
        return slab_create(m, size);
    if (size + GAP_BYTES > m->left) {
        size_t bytes = slab_bytes(m);
        while (bytes < size + GAP_BYTES)
            bytes *= 2;
        m->at = slab_create(m, bytes);
        m->left = bytes;
        POISON(m->at, m->left);
    }
    uint8_t *p = m->at;
    m->at += size + GAP_BYTES;
    m->left -= size + GAP_BYTES;
    UNPOISON(p, size);
    return p;
}

static uint32_t class_of(size_t size)
{
    return (uint32_t)__builtin_ctzll(size);
}

static bool is_class(size_t size)
{
    return size >= PIECE_ALIGN && (size & (size - 1)) == 0 && class_of(size) < HEAD_MEMORY_CLASSES;
}

void *head_memory_zero(struct head_memory *m, size_t count, size_t size)
{
    ASSERT(size != 0 && count <= SIZE_MAX / 4 / size);
    size_t bytes = (count * size + PIECE_ALIGN - 1) & ~(PIECE_ALIGN - 1);
    struct head_piece *piece = is_class(bytes) ? m->free_pieces[class_of(bytes)] : NULL;
    if (piece == NULL)
        return bump(m, bytes);
    UNPOISON(piece, bytes);
    m->free_pieces[class_of(bytes)] = piece->next;
    memset(piece, 0, bytes);
    return piece;
}

void head_memory_reuse(struct head_memory *m, void *p, size_t count, size_t size)
{
    ASSERT(is_class(count * size));
    struct head_piece *piece = p;
    piece->next = m->free_pieces[class_of(count * size)];
    m->free_pieces[class_of(count * size)] = piece;
    POISON((uint8_t *)p + sizeof *piece, count * size - sizeof *piece);
}

/* The slow part of head_memory_text. A text that would waste most of a block gets its own. */
static uint8_t *text_room(struct head_memory *m, size_t size)
{
    if (size >= TEXT_BLOCK_BYTES_MAX / 4)
        return bump(m, (size + PIECE_ALIGN - 1) & ~(PIECE_ALIGN - 1));
    if (m->text_block_bytes < TEXT_BLOCK_BYTES_MIN)
        m->text_block_bytes = TEXT_BLOCK_BYTES_MIN;
    while (m->text_block_bytes < size)
        m->text_block_bytes *= 2;
    uint8_t *room = bump(m, m->text_block_bytes);
    m->text_at = room + size;
    m->text_left = m->text_block_bytes - size;
    if (m->text_block_bytes < TEXT_BLOCK_BYTES_MAX)
        m->text_block_bytes *= 2;
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
