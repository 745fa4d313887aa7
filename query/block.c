/*
 * block.c - the pool of memory blocks, and texts packed into blocks.
 */
#include "query/block.h"

#include "engine/base/thread.h"

#include "query/query.h"

#define CLASS_FIRST 16u /* 2^16 = BLOCK_BYTES_MIN */
#define CLASS_LAST  24u /* larger blocks go straight to malloc, which maps them apart */

/* Free blocks of each size, linked through their first bytes. */
static struct pool {
    struct mutex lock;
    void *free[CLASS_LAST + 1];
    uint64_t bytes;
} pool = {.lock = {PTHREAD_MUTEX_INITIALIZER}};

/* Exponent of the power of two that holds size, or 0 when the pool has none for it. */
static unsigned class_of(size_t size)
{
    if (size < BLOCK_BYTES_MIN || size > 1ull << CLASS_LAST)
        return 0;
    return 64u - (unsigned)__builtin_clzll(size - 1);
}

void *block_alloc(size_t size)
{
    unsigned class = class_of(size);
    void *p = NULL;
    if (class == 0)
        return mem_alloc(size);
    mutex_lock(&pool.lock);
    if (pool.free[class] != NULL) {
        p = pool.free[class];
        memcpy(&pool.free[class], p, sizeof(void *));
        pool.bytes -= 1ull << class;
    }
    mutex_unlock(&pool.lock);
    return p != NULL ? p : mem_alloc(1ull << class);
}

void *block_zero(size_t size)
{
    if (class_of(size) == 0)
        return mem_zero(1, size);
    void *p = block_alloc(size);
    memset(p, 0, size);
    return p;
}

void block_free(void *p, size_t size)
{
    unsigned class = class_of(size);
    if (p != NULL && class != 0) {
        mutex_lock(&pool.lock);
        if (pool.bytes + (1ull << class) <= POOL_BYTES_MAX) {
            memcpy(p, &pool.free[class], sizeof(void *));
            pool.free[class] = p;
            pool.bytes += 1ull << class;
            p = NULL;
        }
        mutex_unlock(&pool.lock);
    }
    mem_free(p);
}

void query_trim(void)
{
    mutex_lock(&pool.lock);
    for (unsigned class = CLASS_FIRST; class <= CLASS_LAST; class ++)
        while (pool.free[class] != NULL) {
            void *p = pool.free[class];
            memcpy(&pool.free[class], p, sizeof(void *));
            mem_free(p);
        }
    pool.bytes = 0;
    mutex_unlock(&pool.lock);
}

void *block_grow(void *p, size_t *capacity, size_t count, size_t item_size)
{
    if (count <= *capacity)
        return p;
    size_t wanted = *capacity < 16 ? 16 : 2 * *capacity;
    if (wanted < count)
        wanted = count;
    size_t size = wanted * item_size;
    /* A block is a power of two: use all of it. */
    unsigned class = class_of(size);
    if (class != 0)
        wanted = (1ull << class) / item_size;
    size = wanted * item_size;
    if (class_of(*capacity * item_size) == 0 && class == 0 && *capacity > 0) {
        p = mem_resize(p, size);
    } else {
        void *grown = block_alloc(size);
        bytes_copy(grown, p, *capacity * item_size);
        block_free(p, *capacity * item_size);
        p = grown;
    }
    *capacity = wanted;
    return p;
}

/* ---- texts ---- */

void text_store_deinit(struct text_store *s)
{
    for (uint32_t i = 0; i < s->block_count; i++)
        block_free(s->blocks[i], s->sizes[i]);
    mem_free(s->blocks);
    mem_free(s->sizes);
    *s = (struct text_store){0};
}

static void add_block(struct text_store *s, uint8_t *block, size_t size)
{
    s->blocks = mem_grow(s->blocks, &s->blocks_capacity, s->block_count + 1, sizeof *s->blocks);
    s->sizes = mem_grow(s->sizes, &s->sizes_capacity, s->block_count + 1, sizeof *s->sizes);
    s->blocks[s->block_count] = block;
    s->sizes[s->block_count++] = size;
}

void *text_store_alloc(struct text_store *s, size_t size)
{
    if (size > s->left) {
        /* A small store stays small. */
        size_t least = s->block_count == 0 ? 1024 : s->block_count == 1 ? 8192 : BLOCK_BYTES_MIN;
        s->left = size > least ? size : least;
        s->at = block_alloc(s->left);
        s->bytes += s->left;
        add_block(s, s->at, s->left);
    }
    void *p = s->at;
    s->at += size;
    s->left -= size;
    return p;
}

struct slice text_store_add(struct text_store *s, struct slice text)
{
    if (text.size == 0)
        return SLICE_EMPTY;
    void *to = text_store_alloc(s, text.size);
    memcpy(to, text.data, text.size);
    return slice_of(to, text.size);
}

void text_store_take(struct text_store *to, struct text_store *from)
{
    for (uint32_t i = 0; i < from->block_count; i++)
        add_block(to, from->blocks[i], from->sizes[i]);
    to->bytes += from->bytes;
    from->block_count = 0;
    text_store_deinit(from);
}
