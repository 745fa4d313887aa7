/*
 * merge_column.c - one column of one hour, from all inputs.
 *
 * Place:   merge.c -> [here] -> segment, patch
 * Codes:   dictionaries of the inputs differ; each code met is looked up once an input and
 *          dictionary.
 */
#include "engine/base/check.h"
#include "engine/compact/merge.h"

/* Where the rows of the column go. */
struct column_out {
    struct vector v;
    uint8_t *payload;
    uint8_t *valid;
    size_t width;
    uint32_t rows; /* filled so far */
    struct intern *strings;
    struct dict *dict;
    /* codes[code of source_dict] -> code in strings; UINT32_MAX: not looked up yet. */
    uint32_t *codes;
    size_t codes_capacity;
    const struct dict *source_dict;
    const struct slice *source_values;
};

static struct column_out column_begin(enum storage storage, uint32_t rows, struct intern *strings,
                                      struct arena *arena)
{
    struct column_out out = {.width = storage_width(storage), .strings = strings};
    out.v = vector_null(storage, rows, arena);
    out.payload = (uint8_t *)(uintptr_t)out.v.i64;
    out.valid = (uint8_t *)(uintptr_t)out.v.valid;
    out.dict = ARENA_NEW(arena, struct dict);
    return out;
}

/* Starts over with the codes when the dictionary is another one than for the piece before. */
static void codes_for(struct column_out *out, const struct dict *dict)
{
    if (out->source_dict == dict && out->source_values == dict->values)
        return;
    out->source_dict = dict;
    out->source_values = dict->values;
    out->codes = mem_grow(out->codes, &out->codes_capacity, dict->count, sizeof *out->codes);
    memset(out->codes, 0xff, dict->count * sizeof *out->codes);
    out->codes[0] = 0;
}

static uint32_t code_map(struct column_out *out, const struct dict *dict, uint32_t code)
{
    if (out->codes[code] == UINT32_MAX)
        out->codes[code] = intern_add(out->strings, dict->values[code]);
    return out->codes[code];
}

/* Appends the picked rows of a decoded block. */
static void piece_append(struct column_out *out, const struct merge_piece *piece,
                         const struct vector *block)
{
    const uint8_t *from = (const uint8_t *)block->i64;
    uint8_t *to = out->payload + (size_t)out->rows * out->width;
    if (block->storage == STORAGE_STR) {
        uint32_t *codes = (uint32_t *)(void *)to;
        codes_for(out, block->dict);
        for (uint32_t i = 0; i < piece->rows; i++) {
            uint32_t row = piece->pick == NULL ? i : piece->pick[i];
            codes[i] = code_map(out, block->dict, block->codes[row]);
        }
    } else if (piece->pick == NULL) {
        bytes_copy(to, from, piece->rows * out->width);
    } else {
        for (uint32_t i = 0; i < piece->rows; i++)
            memcpy(to + i * out->width, from + piece->pick[i] * out->width, out->width);
    }
    for (uint32_t i = 0; i < piece->rows && out->valid != NULL; i++) {
        uint32_t row = piece->pick == NULL ? i : piece->pick[i];
        out->valid[out->rows + i] = block->valid == NULL || block->valid[row] != 0;
    }
}

enum status merge_block_read(const struct merge_source *source, uint32_t block,
                             const struct column *column, struct arena *arena, struct vector *ret,
                             bool *ret_any, struct error *reterr)
{
    int index = segment_column_index(source->segment, column);
    uint64_t first = segment_block_first(source->segment, block);
    uint32_t rows = segment_block_rows(source->segment, block);
    bool touched = patch_set_touches(source->patches, column, first, rows);
    *ret_any = index >= 0 || touched;
    if (index >= 0) {
        enum status s = segment_block_read(source->segment, index, block, arena, ret, reterr);
        if (s < 0)
            return s;
        if (ret->rows != rows)
            return corrupt(reterr, segment_path(source->segment), 0,
                           "block %u of %s has %u rows where %u must be", block, column->name,
                           ret->rows, rows);
    } else if (touched) {
        *ret = vector_null(column->storage, rows, arena);
    }
    if (touched)
        patch_set_apply(source->patches, column, first, ret, arena);
    return STATUS_OK;
}

static const struct vector *overlay_find(const struct merge_group *group, uint32_t piece,
                                         const struct column *column)
{
    if (group->overlays == NULL)
        return NULL;
    const struct merge_overlay *o = &group->overlays[piece];
    for (uint32_t i = 0; i < o->column_count; i++) {
        if (o->columns[i].column == column)
            return &o->columns[i].vector;
    }
    return NULL;
}

enum status merge_column_read(const struct merge_source *sources, const struct merge_group *group,
                              const struct column *column, struct intern *strings,
                              struct arena *arena, struct vector *ret, bool *ret_any,
                              struct error *reterr)
{
    struct column_out out = column_begin(column->storage, group->rows, strings, arena);
    enum status s = STATUS_OK;
    *ret_any = false;
    for (uint32_t i = 0; i < group->piece_count && s == STATUS_OK; i++) {
        struct merge_piece piece = group->pieces[i];
        const struct vector *overlay = overlay_find(group, i, column);
        struct vector block;
        bool any = true;
        if (overlay != NULL) {
            block = *overlay;
            piece.pick = NULL; /* its rows were picked already */
        } else {
            s = merge_block_read(&sources[piece.input], piece.block, column, arena, &block, &any,
                                 reterr);
        }
        if (s == STATUS_OK && any) {
            piece_append(&out, &piece, &block);
            *ret_any = true;
        }
        out.rows += piece.rows;
    }
    if (column->storage == STORAGE_STR && *ret_any) {
        *out.dict = (struct dict){.values = strings->values, .count = strings->count};
        out.v.dict = out.dict;
    }
    mem_free(out.codes);
    *ret = out.v;
    return s;
}
