/*
 * pack_write.c - writes one text pack.
 *
 * Place:     text_seal, text_merge -> [here] -> pN/text/NNNNNNNNNN.pack
 * Format:    FORMAT.md 6
 * Blocks:    256 KiB of messages are compressed together, against the text of the first block of
 *            their chapter: conversations with one agent say much the same, and with the reference
 *            a block finds it although it can be read without its neighbours. On real agent
 *            traffic that saves a quarter (bench/bench_text.c).
 * Memory:    20 bytes a message, one block, one reference, the compressor's tables.
 * Failure:   a failed write or sync: the file is abandoned.
 */
#include "engine/text/pack_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/text/pack_format.h"

struct block_entry {
    uint64_t checksum;
    uint32_t stored;
    uint32_t raw;
    uint32_t messages;
    uint32_t reference;
};

struct run {
    uint32_t group;
    uint32_t messages;
};

struct address_entry {
    struct id128 address;
    uint32_t ordinal;
};

struct pack_writer {
    struct io *io;
    struct io_file *file;
    char directory[PACK_PATH_BYTES - 32];
    char path[PACK_PATH_BYTES];
    char path_temporary[PACK_PATH_BYTES + 8];
    uint64_t number;
    uint64_t offset;
    uint64_t text_bytes;
    int level;

    /* The block being filled. */
    struct buffer lengths;
    struct buffer bodies;
    uint32_t messages;

    ZSTD_CCtx *compressor;
    struct buffer reference_text;
    uint32_t reference_block;
    uint32_t chapter_blocks; /* written against the reference so far */
    struct buffer raw;
    struct buffer stored;

    struct block_entry *blocks;
    size_t blocks_capacity;
    uint32_t block_count;
    struct run *runs;
    size_t runs_capacity;
    uint32_t run_count;
    struct address_entry *addresses;
    size_t addresses_capacity;
    uint32_t address_count;
};

void pack_path(const char *directory, uint64_t number, char to[PACK_PATH_BYTES])
{
    snprintf(to, PACK_PATH_BYTES, "%s/%010" PRIu64 ".pack", directory, number);
}

static enum status writer_put(struct pack_writer *w, struct slice bytes, struct error *reterr)
{
    enum status s = io_write(w->file, w->offset, bytes.data, bytes.size, reterr);
    if (s == STATUS_OK)
        w->offset += bytes.size;
    return s;
}

static enum status header_write(struct pack_writer *w, struct error *reterr)
{
    struct buffer b = {0};
    put_u64(&b, PACK_HEADER_MAGIC);
    put_u32(&b, PACK_VERSION);
    put_u32(&b, 0);
    put_u64(&b, w->number);
    put_u64(&b, hash64(buffer_slice(&b)));
    ASSERT(b.size == PACK_HEADER_BYTES);
    enum status s = writer_put(w, buffer_slice(&b), reterr);
    buffer_deinit(&b);
    return s;
}

enum status pack_writer_open(struct io *io, const char *directory, uint64_t number, int level,
                             struct pack_writer **ret, struct error *reterr)
{
    struct pack_writer *w = MEM_NEW(struct pack_writer);
    enum status s;
    w->io = io;
    w->number = number;
    w->level = level;
    w->reference_block = PACK_NO_REFERENCE;
    snprintf(w->directory, sizeof w->directory, "%s", directory);
    pack_path(directory, number, w->path);
    snprintf(w->path_temporary, sizeof w->path_temporary, "%s.tmp", w->path);
    w->compressor = ZSTD_createCCtx();
    ASSERT(w->compressor != NULL);
    s = io_open(io, w->path_temporary, IO_READ | IO_WRITE | IO_CREATE | IO_TRUNCATE, &w->file,
                reterr);
    if (s < 0)
        goto out;
    if ((s = header_write(w, reterr)) < 0)
        goto out;
    *ret = w;
    w = NULL;
out:
    pack_writer_close(w);
    return s;
}

/* From now on blocks are compressed against this one. */
static void reference_set(struct pack_writer *w, struct slice raw)
{
    buffer_reset(&w->reference_text);
    buffer_add_slice(&w->reference_text, raw);
    w->reference_block = w->block_count;
    w->chapter_blocks = 0;
}

static void parameter_set(struct pack_writer *w, ZSTD_cParameter parameter, int value)
{
    size_t s = ZSTD_CCtx_setParameter(w->compressor, parameter, value);
    ASSERT(!ZSTD_isError(s));
}

/* The window must span the block and its reference. */
static void block_compress(struct pack_writer *w, struct slice raw, struct slice reference)
{
    size_t bound = ZSTD_compressBound(raw.size);
    int window_log = 17;
    while (((size_t)1 << window_log) < raw.size + reference.size)
        window_log++;
    (void)ZSTD_CCtx_reset(w->compressor, ZSTD_reset_session_and_parameters);
    parameter_set(w, ZSTD_c_compressionLevel, w->level);
    parameter_set(w, ZSTD_c_windowLog, window_log);
    if (reference.size > 0) {
        size_t s = ZSTD_CCtx_refPrefix(w->compressor, reference.data, reference.size);
        ASSERT(!ZSTD_isError(s));
    }
    buffer_reset(&w->stored);
    uint8_t *to = buffer_reserve(&w->stored, bound);
    size_t size = ZSTD_compress2(w->compressor, to, bound, raw.data, raw.size);
    ASSERT(!ZSTD_isError(size));
    w->stored.size = size;
}

/* Writes the messages gathered so far as one block. */
static enum status block_flush(struct pack_writer *w, struct error *reterr)
{
    if (w->messages == 0)
        return STATUS_OK;
    buffer_reset(&w->raw);
    buffer_add_slice(&w->raw, buffer_slice(&w->lengths));
    buffer_add_slice(&w->raw, buffer_slice(&w->bodies));
    struct slice raw = buffer_slice(&w->raw);
    bool against = w->reference_block != PACK_NO_REFERENCE;
    struct block_entry entry = {
        .raw = (uint32_t)raw.size,
        .messages = w->messages,
        .reference = against ? w->reference_block : PACK_NO_REFERENCE,
    };
    block_compress(w, raw, against ? buffer_slice(&w->reference_text) : SLICE_EMPTY);
    entry.stored = (uint32_t)w->stored.size;
    entry.checksum = hash64(buffer_slice(&w->stored));
    enum status s = writer_put(w, buffer_slice(&w->stored), reterr);
    if (s < 0)
        return s;
    if (!against && raw.size <= PACK_REFERENCE_BYTES)
        reference_set(w, raw);
    else if (++w->chapter_blocks == PACK_CHAPTER_BLOCKS)
        w->reference_block = PACK_NO_REFERENCE;
    w->blocks =
        mem_grow(w->blocks, &w->blocks_capacity, (size_t)w->block_count + 1, sizeof *w->blocks);
    w->blocks[w->block_count++] = entry;
    buffer_reset(&w->lengths);
    buffer_reset(&w->bodies);
    w->messages = 0;
    return STATUS_OK;
}

static size_t varint_size(uint64_t v)
{
    size_t size = 1;
    while ((v >>= 7) != 0)
        size++;
    return size;
}

static void run_note(struct pack_writer *w, uint32_t group)
{
    if (w->run_count == 0 || w->runs[w->run_count - 1].group != group) {
        w->runs = mem_grow(w->runs, &w->runs_capacity, (size_t)w->run_count + 1, sizeof *w->runs);
        w->runs[w->run_count++] = (struct run){.group = group};
    }
    w->runs[w->run_count - 1].messages++;
}

enum status pack_writer_add(struct pack_writer *w, struct id128 address, uint32_t group,
                            struct slice body, struct error *reterr)
{
    if (body.size > MESSAGE_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "a message of %zu bytes is larger than %u",
                         body.size, MESSAGE_BYTES_MAX);
    if (w->address_count >= PACK_MESSAGES_MAX)
        return error_set(reterr, STATUS_LIMIT, "%s: a pack takes at most %u messages", w->path,
                         PACK_MESSAGES_MAX);
    size_t bytes_max =
        w->reference_block == PACK_NO_REFERENCE ? PACK_REFERENCE_BYTES : PACK_BLOCK_BYTES;
    size_t size = w->lengths.size + w->bodies.size + varint_size(body.size) + body.size;
    if (size > bytes_max) {
        enum status s = block_flush(w, reterr);
        if (s < 0)
            return s;
    }
    put_varint(&w->lengths, body.size);
    buffer_add_slice(&w->bodies, body);
    w->messages++;
    w->text_bytes += body.size;
    run_note(w, group);
    w->addresses = mem_grow(w->addresses, &w->addresses_capacity, (size_t)w->address_count + 1,
                            sizeof *w->addresses);
    w->addresses[w->address_count] =
        (struct address_entry){.address = address, .ordinal = w->address_count};
    w->address_count++;
    return STATUS_OK;
}

static int address_order(const void *a, const void *b)
{
    const struct address_entry *x = a;
    const struct address_entry *y = b;
    return id128_compare(x->address, y->address);
}

/* The addresses in order, then for each the number of its message, bit-packed. */
static void index_build(struct pack_writer *w, struct buffer *to)
{
    unsigned width = pack_ordinal_bits(w->address_count);
    size_t packed_bytes = pack_ordinal_bytes(w->address_count);
    qsort(w->addresses, w->address_count, sizeof *w->addresses, address_order);
    for (uint32_t i = 0; i < w->address_count; i++)
        buffer_add(to, w->addresses[i].address.bytes, PACK_ADDRESS_BYTES);
    uint8_t *packed = buffer_reserve(to, packed_bytes);
    memset(packed, 0, packed_bytes);
    for (uint32_t i = 0; i < w->address_count; i++) {
        uint64_t bit = (uint64_t)i * width;
        uint64_t word;
        memcpy(&word, packed + bit / 8, sizeof word);
        word |= (uint64_t)w->addresses[i].ordinal << (bit % 8);
        memcpy(packed + bit / 8, &word, sizeof word);
    }
    to->size += packed_bytes;
}

static void table_build(const struct pack_writer *w, struct buffer *to)
{
    for (uint32_t i = 0; i < w->block_count; i++) {
        put_u64(to, w->blocks[i].checksum);
        put_u32(to, w->blocks[i].stored);
        put_u32(to, w->blocks[i].raw);
        put_u32(to, w->blocks[i].messages);
        put_u32(to, w->blocks[i].reference);
    }
    for (uint32_t i = 0; i < w->run_count; i++) {
        put_u32(to, w->runs[i].group);
        put_u32(to, w->runs[i].messages);
    }
}

/* Index, table and footer. */
static enum status tail_write(struct pack_writer *w, uint64_t seq_max, int64_t time_max_ns,
                              struct error *reterr)
{
    struct buffer index = {0};
    struct buffer table = {0};
    struct buffer footer = {0};
    uint64_t index_offset = w->offset;
    enum status s;
    index_build(w, &index);
    table_build(w, &table);
    if ((s = writer_put(w, buffer_slice(&index), reterr)) < 0)
        goto out;
    put_u64(&footer, index_offset);
    put_u64(&footer, w->offset);
    put_u64(&footer, table.size);
    put_u64(&footer, w->address_count);
    put_u64(&footer, w->text_bytes);
    put_u64(&footer, seq_max);
    put_u64(&footer, (uint64_t)time_max_ns);
    put_u32(&footer, w->block_count);
    put_u32(&footer, w->run_count);
    put_u64(&footer, hash64(buffer_slice(&index)));
    put_u64(&footer, hash64(buffer_slice(&table)));
    put_u64(&footer, hash64(buffer_slice(&footer)));
    put_u64(&footer, PACK_FOOTER_MAGIC);
    ASSERT(footer.size == PACK_FOOTER_BYTES);
    if ((s = writer_put(w, buffer_slice(&table), reterr)) < 0)
        goto out;
    s = writer_put(w, buffer_slice(&footer), reterr);
out:
    buffer_deinit(&index);
    buffer_deinit(&table);
    buffer_deinit(&footer);
    return s;
}

enum status pack_writer_finish(struct pack_writer *w, uint64_t seq_max, int64_t time_max_ns,
                               struct text_pack_meta *ret_meta, struct error *reterr)
{
    enum status s;
    if ((s = block_flush(w, reterr)) < 0)
        return s;
    if ((s = tail_write(w, seq_max, time_max_ns, reterr)) < 0)
        return s;
    if ((s = io_sync(w->file, reterr)) < 0)
        return s;
    if ((s = io_rename(w->io, w->path_temporary, w->path, reterr)) < 0)
        return s;
    if ((s = io_sync_dir(w->io, w->directory, reterr)) < 0) {
        (void)!io_unlink(w->io, w->path, NULL);
        return s;
    }
    io_close(w->file);
    w->file = NULL;
    *ret_meta = (struct text_pack_meta){
        .number = w->number,
        .bytes = w->offset,
        .messages = w->address_count,
        .text_bytes = w->text_bytes,
        .seq_max = seq_max,
        .time_max_ns = time_max_ns,
    };
    return STATUS_OK;
}

void pack_writer_close(struct pack_writer *w)
{
    if (w == NULL)
        return;
    if (w->file != NULL) {
        io_close(w->file);
        (void)!io_unlink(w->io, w->path_temporary, NULL);
    }
    ZSTD_freeCCtx(w->compressor);
    buffer_deinit(&w->lengths);
    buffer_deinit(&w->bodies);
    buffer_deinit(&w->reference_text);
    buffer_deinit(&w->raw);
    buffer_deinit(&w->stored);
    mem_free(w->blocks);
    mem_free(w->runs);
    mem_free(w->addresses);
    mem_free(w);
}
