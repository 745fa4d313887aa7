/*
 * segment_write.c - opens, fills and finishes the file of a segment being written.
 *
 * Place:     sealed heads and merges -> segment_group.c -> segment_finish.c -> [here] -> path.tmp -> path
 * Failure:   nothing is visible before finish has synced the file, renamed it and synced the directory; any failure leaves
 *            only path.tmp, which close deletes.
 * Threads:   one.
 */
#include "engine/segment/segment_write.h"

#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"

#define OUT_BYTES (1u << 20) /* written to the file in pieces of about this size */

enum status segment_writer_open(struct io *io, const char *path, enum table table,
                                enum segment_tier tier, uint64_t fold_seq, int compression_level,
                                struct segment_writer **ret, struct error *reterr)
{
    struct segment_writer *w = MEM_NEW(struct segment_writer);
    size_t size = strlen(path);
    w->io = io;
    w->path = mem_strdup(path);
    w->temporary = mem_alloc(size + sizeof ".tmp");
    memcpy(w->temporary, path, size);
    memcpy(w->temporary + size, ".tmp", sizeof ".tmp");
    w->table = table;
    w->level = compression_level;
    w->fast = tier == TIER_SEAL;
    w->meta = (struct segment_meta){.table = table, .tier = tier, .fold_seq = fold_seq};
    enum status s = io_open(io, w->temporary, IO_WRITE | IO_CREATE | IO_TRUNCATE, &w->file, reterr);
    if (s < 0) {
        segment_writer_close(w);
        return s;
    }
    w->exists = true;
    buffer_add(&w->out, SEGMENT_MAGIC, 8);
    put_u32(&w->out, SEGMENT_VERSION);
    put_u32(&w->out, 0);
    *ret = w;
    return STATUS_OK;
}

static void column_destroy(struct writer_column *c)
{
    for (uint32_t i = 0; c->codes != NULL && i < c->blocks; i++)
        mem_free(c->codes[i].codes);
    mem_free(c->codes);
    mem_free(c->block);
    mem_free(c->rank);
    intern_deinit(&c->values);
    mem_free(c);
}

void segment_writer_close(struct segment_writer *w)
{
    if (w == NULL)
        return;
    io_close(w->file);
    /* Nothing can be done about a file that can't be deleted; opening the store sweeps it. */
    if (w->exists && io_unlink(w->io, w->temporary, NULL) < 0)
        w->exists = false;
    for (uint32_t i = 0; i < w->column_count; i++)
        column_destroy(w->columns[i]);
    for (uint32_t i = 0; i < w->block_count; i++)
        mask_set_deinit(&w->blocks[i].masks);
    mem_free(w->columns);
    mem_free(w->blocks);
    mem_free(w->groups);
    mem_free(w->traces);
    buffer_deinit(&w->out);
    mem_free(w->path);
    mem_free(w->temporary);
    mem_free(w);
}

enum status writer_flush(struct segment_writer *w, struct error *reterr)
{
    enum status s =
        io_write(w->file, w->out_start, buffer_slice(&w->out).data, w->out.size, reterr);
    if (s < 0)
        return s;
    w->out_start += w->out.size;
    buffer_reset(&w->out);
    return STATUS_OK;
}

enum status writer_put_part(struct segment_writer *w, struct buffer *bytes, struct part *ret,
                            struct error *reterr)
{
    block_end_put(bytes);
    ret->offset = w->out_start + w->out.size;
    ret->size = bytes->size;
    ret->checksum = hash64(buffer_slice(bytes));
    buffer_add_slice(&w->out, buffer_slice(bytes));
    buffer_reset(bytes);
    return w->out.size < OUT_BYTES ? STATUS_OK : writer_flush(w, reterr);
}

enum status writer_put_block(struct segment_writer *w, struct writer_column *c, uint32_t block,
                             enum encoding encoding, struct buffer *bytes, struct error *reterr)
{
    c->encodings[encoding]++;
    if (encoding == ENCODING_NONE)
        return STATUS_OK;
    struct part part;
    enum status s = writer_put_part(w, bytes, &part, reterr);
    c->block[block].offset = part.offset;
    c->block[block].size = (uint32_t)part.size;
    c->block[block].checksum = part.checksum;
    c->bytes += part.size;
    return s;
}

void writer_column_extend(const struct segment_writer *w, struct writer_column *c, uint32_t blocks)
{
    c->block = mem_grow(c->block, &c->block_capacity, blocks, sizeof *c->block);
    if (c->column->storage == STORAGE_STR)
        c->codes = mem_grow(c->codes, &c->codes_capacity, blocks, sizeof *c->codes);
    for (uint32_t b = c->blocks; b < blocks; b++) {
        c->block[b] = (struct writer_block){.nulls = w->blocks[b].rows};
        if (c->codes != NULL)
            c->codes[b] = (struct code_block){.rows = w->blocks[b].rows};
    }
    c->blocks = blocks;
}

struct writer_column *writer_column_for(struct segment_writer *w, const struct column *column)
{
    for (uint32_t i = 0; i < w->column_count; i++) {
        if (w->columns[i]->column == column)
            return w->columns[i];
    }
    struct writer_column *c = MEM_NEW(struct writer_column);
    c->column = column;
    intern_init(&c->values);
    w->columns = mem_grow(w->columns, &w->columns_capacity, w->column_count + 1, sizeof(void *));
    w->columns[w->column_count++] = c;
    return c;
}

int writer_column_order(const struct column *a, const struct column *b)
{
    bool a_fixed = a->id < COLUMN_DYNAMIC;
    bool b_fixed = b->id < COLUMN_DYNAMIC;
    if (a_fixed != b_fixed)
        return a_fixed ? -1 : 1;
    return a_fixed ? (a->id > b->id) - (a->id < b->id) : strcmp(a->name, b->name);
}

static int writer_column_compare(const void *a, const void *b)
{
    const struct writer_column *const *x = a;
    const struct writer_column *const *y = b;
    return writer_column_order((*x)->column, (*y)->column);
}

/* Columns that turned out to be all NULL are not stored. */
static void columns_settle(struct segment_writer *w)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->column_count; i++) {
        struct writer_column *c = w->columns[i];
        writer_column_extend(w, c, w->block_count);
        bool any = c->values.count > 1;
        for (uint32_t e = 1; e < ENCODING_COUNT; e++)
            any |= c->encodings[e] != 0;
        if (any)
            w->columns[kept++] = c;
        else
            column_destroy(c);
    }
    w->column_count = kept;
    if (kept > 1)
        qsort(w->columns, kept, sizeof(void *), writer_column_compare);
}

static enum status directory_sync(struct segment_writer *w, struct error *reterr)
{
    char *slash = strrchr(w->path, '/');
    if (slash == NULL)
        return io_sync_dir(w->io, "", reterr);
    *slash = 0;
    enum status s = io_sync_dir(w->io, w->path, reterr);
    *slash = '/';
    return s;
}

enum status segment_writer_finish(struct segment_writer *w, struct segment_meta *ret_meta,
                                  struct error *reterr)
{
    enum status s;
    columns_settle(w);
    if ((s = writer_write_rest(w, reterr)) < 0)
        return s;
    if ((s = writer_flush(w, reterr)) < 0)
        return s;
    w->meta.bytes = w->out_start;
    if ((s = io_sync(w->file, reterr)) < 0)
        return s;
    if ((s = io_rename(w->io, w->temporary, w->path, reterr)) < 0)
        return s;
    w->exists = false;
    if ((s = directory_sync(w, reterr)) < 0)
        return s;
    *ret_meta = w->meta;
    return STATUS_OK;
}
