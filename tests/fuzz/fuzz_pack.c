/*
 * fuzz_pack.c - text packs from hostile bytes: opened, verified, every address looked up.
 *
 * The first byte of the input says which checksums are made right first, so that the fuzzer gets
 * past them: bit 0 header and footer, bit 1 the table, bit 2 the index, bit 3 the blocks.
 */
#include <stdlib.h>

#include "engine/base/hash.h"
#include "engine/base/io_sim.h"
#include "engine/text/block_cache.h"
#include "engine/text/pack_format.h"
#include "engine/text/pack_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH      "0000000001.pack"
#define BYTES_MAX (1u << 20)

static void require(bool fact)
{
    if (!fact)
        abort();
}

static uint64_t number_at(const struct buffer *b, size_t offset)
{
    uint64_t v;
    memcpy(&v, b->data + offset, sizeof v);
    return v;
}

static void number_put(struct buffer *b, size_t offset, uint64_t v)
{
    memcpy(b->data + offset, &v, sizeof v);
}

/* Blocks follow each other from the header on, as the table says. */
static void blocks_sign(struct buffer *b, uint64_t table, uint64_t table_end)
{
    uint64_t at = PACK_HEADER_BYTES;
    for (uint64_t e = table; e + PACK_BLOCK_ENTRY_BYTES <= table_end; e += PACK_BLOCK_ENTRY_BYTES) {
        uint64_t stored = number_at(b, e + 8) & UINT32_MAX;
        if (stored > table - at)
            return;
        number_put(b, e, hash64(slice_of(b->data + at, stored)));
        at += stored;
    }
}

static void sign(struct buffer *b, uint8_t what)
{
    if (b->size < PACK_HEADER_BYTES + PACK_FOOTER_BYTES)
        return;
    size_t footer = b->size - PACK_FOOTER_BYTES;
    uint64_t index = number_at(b, footer);
    uint64_t table = number_at(b, footer + 8);
    bool inside = index >= PACK_HEADER_BYTES && index <= table && table <= footer;
    if (inside && (what & 8) != 0)
        blocks_sign(b, table, footer);
    if (inside && (what & 4) != 0)
        number_put(b, footer + 64, hash64(slice_of(b->data + index, table - index)));
    if (inside && (what & 2) != 0)
        number_put(b, footer + 72, hash64(slice_of(b->data + table, footer - table)));
    if ((what & 1) != 0) {
        number_put(b, 24, hash64(slice_of(b->data, 24)));
        number_put(b, footer + 80, hash64(slice_of(b->data + footer, 80)));
    }
}

static void file_write(struct io *io, struct slice bytes)
{
    struct io_file *file;
    require(io_open(io, PATH, IO_WRITE | IO_CREATE, &file, NULL) == STATUS_OK);
    require(io_write(file, 0, bytes.data, bytes.size, NULL) == STATUS_OK);
    io_close(file);
}

static void finding(void *context, uint64_t offset, const char *text)
{
    uint32_t *count = context;
    (void)offset;
    require(text[0] != 0);
    ++*count;
}

/* Every address it claims to have: right bytes or an error. */
static void addresses_find(struct pack *p)
{
    if (pack_index_check(p, NULL) < 0)
        return;
    for (uint64_t i = 0; i < p->meta.messages && i < 64; i++) {
        struct id128 address = pack_address(p, i);
        struct cached_block *b;
        uint64_t ordinal;
        if (pack_find(p, address, &ordinal, NULL) < 0)
            continue;
        require(ordinal < p->meta.messages);
        if (pack_block_get(p, pack_block_of(p, ordinal), &b, NULL) < 0)
            continue;
        struct slice body = pack_block_message(p, b, ordinal);
        require(hash64(body) == hash64(body));
        block_cache_release(b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BYTES_MAX)
        return 0;
    struct io *io = io_sim_create(1);
    struct buffer b = {0};
    struct error e = {0};
    struct pack *p;
    uint32_t findings = 0;
    buffer_add(&b, data + 1, size - 1);
    sign(&b, data[0]);
    file_write(io, buffer_slice(&b));
    enum status s = pack_open(io, PATH, 0, &p, &e);
    require(s == STATUS_OK || s == STATUS_CORRUPT);
    if (s == STATUS_OK) {
        addresses_find(p);
        pack_unref(p);
    }
    s = text_pack_verify(io, PATH, finding, &findings, &e);
    require(s == (findings == 0 ? STATUS_OK : STATUS_CORRUPT));
    require(block_cache_bytes() == 0);
    buffer_deinit(&b);
    io_destroy(io);
    return 0;
}
