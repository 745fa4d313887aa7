/*
 * vector.c - access to and rearranging of columns in memory.
 */
#include "engine/span/vector.h"

#include "engine/base/check.h"

static const struct slice null_values[1] = {{.data = (const uint8_t *)"", .size = 0}};
static const struct dict null_dict = {.values = null_values, .count = 1};

size_t storage_width(enum storage storage)
{
    switch (storage) {
    case STORAGE_I64:
        return sizeof(int64_t);
    case STORAGE_F64:
        return sizeof(double);
    case STORAGE_STR:
        return sizeof(uint32_t);
    case STORAGE_TEXT:
    case STORAGE_REFS:
        return sizeof(struct slice);
    case STORAGE_ID64:
        return sizeof(uint64_t);
    case STORAGE_ID128:
        return sizeof(struct id128);
    }
    ASSERT(!"a storage");
    return 0;
}

bool vector_has(const struct vector *v, uint32_t row)
{
    DEBUG_ASSERT(row < v->rows);
    if (v->storage == STORAGE_STR)
        return v->codes[row] != 0;
    return v->valid == NULL || v->valid[row] != 0;
}

struct slice vector_bytes(const struct vector *v, uint32_t row)
{
    DEBUG_ASSERT(row < v->rows);
    if (v->storage == STORAGE_STR) {
        DEBUG_ASSERT(v->codes[row] < v->dict->count);
        return v->codes[row] == 0 ? SLICE_EMPTY : v->dict->values[v->codes[row]];
    }
    ASSERT(v->storage == STORAGE_TEXT || v->storage == STORAGE_REFS);
    return vector_has(v, row) ? v->bytes[row] : SLICE_EMPTY;
}

/* Empty slices point at "", so zeroed memory is not enough for them. */
static void *null_payload(enum storage storage, uint32_t rows, struct arena *arena)
{
    if (storage != STORAGE_TEXT && storage != STORAGE_REFS)
        return arena_zero(arena, rows, storage_width(storage));
    struct slice *bytes = ARENA_ARRAY(arena, struct slice, rows);
    for (uint32_t i = 0; i < rows; i++)
        bytes[i] = SLICE_EMPTY;
    return bytes;
}

struct vector vector_null(enum storage storage, uint32_t rows, struct arena *arena)
{
    struct vector v = {.storage = storage, .rows = rows};
    v.i64 = null_payload(storage, rows, arena);
    if (storage == STORAGE_STR)
        v.dict = &null_dict;
    else
        v.valid = arena_zero(arena, rows, 1);
    return v;
}

#define GATHER(type, from, rows, count, arena)                                                     \
    do {                                                                                           \
        type *gathered = ARENA_ARRAY(arena, type, count);                                          \
        for (uint32_t i = 0; i < (count); i++)                                                     \
            gathered[i] = (from)[(rows)[i]];                                                       \
        (from) = gathered;                                                                         \
    } while (0)

struct vector vector_gather(const struct vector *v, const uint32_t *rows, uint32_t count,
                            struct arena *arena)
{
    struct vector out = *v;
    out.rows = count;
    switch (v->storage) {
    case STORAGE_I64:
        GATHER(int64_t, out.i64, rows, count, arena);
        break;
    case STORAGE_F64:
        GATHER(double, out.f64, rows, count, arena);
        break;
    case STORAGE_STR:
        GATHER(uint32_t, out.codes, rows, count, arena);
        break;
    case STORAGE_TEXT:
    case STORAGE_REFS:
        GATHER(struct slice, out.bytes, rows, count, arena);
        break;
    case STORAGE_ID64:
        GATHER(uint64_t, out.id64, rows, count, arena);
        break;
    case STORAGE_ID128:
        GATHER(struct id128, out.id128, rows, count, arena);
        break;
    }
    if (v->valid != NULL)
        GATHER(uint8_t, out.valid, rows, count, arena);
    return out;
}
