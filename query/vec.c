/*
 * vec.c - moving, repeating and picking rows of execution columns, and the scratch memory they use.
 *
 * Place: scan -> [here] -> eval, sinks
 */
#include "query/vec.h"

#include "query/block.h"
#include "query/hot.h"

#define SCRATCH_CHUNK_BYTES (1u << 20)
#define SCRATCH_ALIGN       64u

void scratch_deinit(struct scratch *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++)
        block_free(s->chunks[i], s->sizes[i]);
    mem_free(s->chunks);
    mem_free(s->sizes);
    *s = (struct scratch){0};
}

void scratch_reset(struct scratch *s)
{
    s->chunk = 0;
    s->used = 0;
}

static void scratch_add_chunk(struct scratch *s, size_t size)
{
    s->chunks = mem_grow(s->chunks, &s->chunks_capacity, s->chunk_count + 1, sizeof *s->chunks);
    s->sizes = mem_grow(s->sizes, &s->sizes_capacity, s->chunk_count + 1, sizeof *s->sizes);
    s->chunks[s->chunk_count] = block_alloc(size);
    s->sizes[s->chunk_count] = size;
    s->chunk_count++;
    s->bytes += size;
}

void *scratch_alloc(struct scratch *s, size_t size)
{
    size = (size + SCRATCH_ALIGN - 1) & ~(size_t)(SCRATCH_ALIGN - 1);
    while (s->chunk < s->chunk_count && size + SCRATCH_ALIGN > s->sizes[s->chunk] - s->used) {
        s->chunk++;
        s->used = 0;
    }
    if (s->chunk == s->chunk_count)
        scratch_add_chunk(s, size + SCRATCH_ALIGN > SCRATCH_CHUNK_BYTES ? size + SCRATCH_ALIGN
                                                                        : SCRATCH_CHUNK_BYTES);
    uintptr_t start =
        ((uintptr_t)s->chunks[s->chunk] + SCRATCH_ALIGN - 1) & ~(uintptr_t)(SCRATCH_ALIGN - 1);
    void *p = (void *)(start + s->used);
    s->used += size;
    return p;
}

struct scratch_mark scratch_mark(const struct scratch *s)
{
    return (struct scratch_mark){.chunk = s->chunk, .used = s->used};
}

void scratch_release(struct scratch *s, struct scratch_mark mark)
{
    s->chunk = mark.chunk;
    s->used = mark.used;
}

size_t phys_width(enum phys phys)
{
    switch (phys) {
    case PHYS_I64:
    case PHYS_F64:
    case PHYS_ID64:
        return 8;
    case PHYS_BOOL:
        return 1;
    case PHYS_CODES:
        return 4;
    case PHYS_TEXT:
        return sizeof(struct slice);
    case PHYS_ID128:
        return 16;
    }
    return 0;
}

void vec_from_vector(const struct vector *from, enum phys want, uint32_t rows,
                     struct scratch *scratch, struct vec *ret)
{
    struct vec v = {.phys = want, .valid = from->valid, .data = from->i64};
    if (want == PHYS_CODES)
        v.dict = from->dict;
    if (want == PHYS_BOOL) {
        uint8_t *truth = SCRATCH_ARRAY(scratch, uint8_t, rows);
        for (uint32_t i = 0; i < rows; i++)
            truth[i] = from->i64[i] != 0;
        v.truth = truth;
    }
    *ret = v;
}

#define REPEAT(type, member)                                                                       \
    do {                                                                                           \
        type *to = SCRATCH_ARRAY(scratch, type, rows);                                             \
        type value = v->member[0];                                                                 \
        for (uint32_t i = 0; i < rows; i++)                                                        \
            to[i] = value;                                                                         \
        v->member = to;                                                                            \
    } while (0)

void vec_expand(struct vec *v, uint32_t rows, struct scratch *scratch)
{
    if (!v->constant)
        return;
    if (v->valid != NULL) {
        uint8_t *valid = SCRATCH_ARRAY(scratch, uint8_t, rows);
        memset(valid, v->valid[0], rows);
        v->valid = valid;
    }
    switch (v->phys) {
    case PHYS_I64:
        REPEAT(int64_t, i64);
        break;
    case PHYS_F64:
        REPEAT(double, f64);
        break;
    case PHYS_BOOL:
        REPEAT(uint8_t, truth);
        break;
    case PHYS_TEXT:
        REPEAT(struct slice, text);
        break;
    case PHYS_CODES:
        REPEAT(uint32_t, codes);
        break;
    case PHYS_ID64:
        REPEAT(uint64_t, id64);
        break;
    case PHYS_ID128:
        REPEAT(struct id128, id128);
        break;
    }
    v->constant = false;
}

void vec_decode(struct vec *v, uint32_t rows, struct scratch *scratch)
{
    if (v->phys != PHYS_CODES)
        return;
    if (v->constant)
        rows = 1;
    struct slice *text = SCRATCH_ARRAY(scratch, struct slice, rows);
    uint8_t *valid = SCRATCH_ARRAY(scratch, uint8_t, rows);
    const struct slice *values = v->dict->values;
    uint8_t all = 1;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t code = v->codes[i];
        text[i] = values[code];
        valid[i] = v->dict_valid != NULL ? v->dict_valid[code] : code != 0;
        all &= valid[i];
    }
    *v = (struct vec){
        .phys = PHYS_TEXT, .constant = v->constant, .valid = all ? NULL : valid, .text = text};
}

#define GATHER(type, member)                                                                       \
    do {                                                                                           \
        type *to = SCRATCH_ARRAY(scratch, type, count);                                            \
        const type *from = v->member;                                                              \
        for (uint32_t i = 0; i < count; i++)                                                       \
            to[i] = from[rows[i]];                                                                 \
        out.member = to;                                                                           \
    } while (0)

void vec_gather(const struct vec *v, const uint32_t *rows, uint32_t count, struct scratch *scratch,
                struct vec *ret)
{
    struct vec out = *v;
    if (v->constant) {
        *ret = out;
        return;
    }
    if (v->valid != NULL)
        GATHER(uint8_t, valid);
    switch (v->phys) {
    case PHYS_I64:
        GATHER(int64_t, i64);
        break;
    case PHYS_F64:
        GATHER(double, f64);
        break;
    case PHYS_BOOL:
        GATHER(uint8_t, truth);
        break;
    case PHYS_TEXT:
        GATHER(struct slice, text);
        break;
    case PHYS_CODES:
        GATHER(uint32_t, codes);
        break;
    case PHYS_ID64:
        GATHER(uint64_t, id64);
        break;
    case PHYS_ID128:
        GATHER(struct id128, id128);
        break;
    }
    *ret = out;
}

struct vec vec_slice(const struct vec *v, uint64_t first)
{
    struct vec out = *v;
    if (v->constant)
        return out;
    out.data = (const uint8_t *)v->data + first * phys_width(v->phys);
    if (v->valid != NULL)
        out.valid = v->valid + first;
    return out;
}

const uint8_t *vec_valid_bytes(const struct vec *v, uint32_t rows, struct scratch *scratch)
{
    if (v->phys != PHYS_CODES && v->valid == NULL)
        return NULL;
    if (v->phys != PHYS_CODES && !v->constant)
        return v->valid;
    uint8_t *valid = SCRATCH_ARRAY(scratch, uint8_t, rows);
    if (v->constant) {
        memset(valid, vec_has(v, 0), rows);
        return valid;
    }
    uint8_t all = 1;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t code = v->codes[i];
        valid[i] = v->dict_valid != NULL ? v->dict_valid[code] : code != 0;
        all &= valid[i];
    }
    return all ? NULL : valid;
}

HOT uint32_t mask_and(uint8_t *restrict mask, const uint8_t *restrict truth, uint32_t rows)
{
    uint32_t left = 0;
    for (uint32_t block = 0; block < rows; block += 128) {
        uint32_t end = rows - block < 128 ? rows : block + 128;
        uint8_t some = 0;
        for (uint32_t r = block; r < end; r++) {
            mask[r] &= truth[r];
            some = (uint8_t)(some + mask[r]);
        }
        left += some;
    }
    return left;
}

/* Eight rows at a time: none, as in rare conditions, costs one look; all of them is a plain run. */
uint32_t mask_pick(const uint8_t *mask, uint32_t rows, uint32_t *picked)
{
    uint32_t count = 0;
    uint32_t i = 0;
    for (; i + 8 <= rows; i += 8) {
        uint64_t eight;
        memcpy(&eight, mask + i, sizeof eight);
        if (eight == 0)
            continue;
        for (uint32_t k = 0; k < 8; k++) {
            picked[count] = i + k;
            count += mask[i + k];
        }
    }
    for (; i < rows; i++) {
        picked[count] = i;
        count += mask[i];
    }
    return count;
}

#define COPY_PICKED(type)                                                                          \
    do {                                                                                           \
        const type *source = from;                                                                 \
        type *target = to;                                                                         \
        for (uint64_t i = 0; i < count; i++)                                                       \
            target[i] = source[order[i]];                                                          \
    } while (0)

void copy_picked(size_t width, const void *from, const uint32_t *order, uint64_t count, void *to)
{
    if (width == 1)
        COPY_PICKED(uint8_t);
    else if (width == 8)
        COPY_PICKED(uint64_t);
    else if (width == 16)
        COPY_PICKED(struct id128);
    else
        COPY_PICKED(uint32_t);
}
