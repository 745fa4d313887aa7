/*
 * pack_read.c - opens a text pack, finds a message by address and decodes its block.
 *
 * Place:     text_store, text_merge -> [here] -> pN/text/NNNNNNNNNN.pack
 * Format:    FORMAT.md 6
 * Invariant: blocks[] lies inside the file, in order and without gaps; a reference is an earlier
 *            block that has none itself, so decoding never goes deeper than two.
 * Failure:   header, footer and table are checked at open, the index at first touch, a block
 *            before it is decompressed. Damage is STATUS_CORRUPT with path and offset and hides
 *            only what is behind it.
 * Threads:   any, once open.
 */
#include "engine/text/pack_read.h"

#include <inttypes.h>
#include <zstd.h>

#include "engine/base/check.h"
#include "engine/base/cursor.h"
#include "engine/base/hash.h"
#include "engine/text/block_cache.h"
#include "engine/text/pack_format.h"

static atomic_uint_fast64_t identities;

static enum status header_check(struct pack *p, uint64_t number, struct error *reterr)
{
    struct cursor c = cursor_over(slice_of(p->map.bytes.data, PACK_HEADER_BYTES));
    uint64_t magic = cursor_u64(&c);
    uint32_t version = cursor_u32(&c);
    uint32_t reserved = cursor_u32(&c);
    p->meta.number = cursor_u64(&c);
    uint64_t sum = hash64(slice_of(c.start, cursor_offset(&c)));
    uint64_t checksum = cursor_u64(&c);
    if (magic != PACK_HEADER_MAGIC || checksum != sum)
        return corrupt(reterr, p->path, 0, "the header of the pack is damaged");
    if (version != PACK_VERSION || reserved != 0)
        return corrupt(reterr, p->path, 8, "version %" PRIu32 " where this program reads %u",
                       version, PACK_VERSION);
    if (number != 0 && number != p->meta.number)
        return corrupt(reterr, p->path, 16, "the pack says it is number %" PRIu64, p->meta.number);
    return STATUS_OK;
}

/* What the footer says, before any of it is believed. */
struct footer {
    uint64_t index_offset;
    uint64_t table_offset;
    uint64_t table_bytes;
    uint64_t messages;
    uint32_t blocks;
    uint32_t runs;
    uint64_t table_checksum;
};

static enum status footer_read(struct pack *p, struct footer *ret, struct error *reterr)
{
    struct slice file = p->map.bytes;
    uint64_t offset = file.size - PACK_FOOTER_BYTES;
    struct cursor c = cursor_over(slice_of(file.data + offset, PACK_FOOTER_BYTES));
    struct footer f = {0};
    f.index_offset = cursor_u64(&c);
    f.table_offset = cursor_u64(&c);
    f.table_bytes = cursor_u64(&c);
    f.messages = cursor_u64(&c);
    p->meta.messages = f.messages;
    p->meta.text_bytes = cursor_u64(&c);
    p->meta.seq_max = cursor_u64(&c);
    p->meta.time_max_ns = (int64_t)cursor_u64(&c);
    f.blocks = cursor_u32(&c);
    f.runs = cursor_u32(&c);
    p->index_checksum = cursor_u64(&c);
    f.table_checksum = cursor_u64(&c);
    uint64_t sum = hash64(slice_of(c.start, cursor_offset(&c)));
    uint64_t checksum = cursor_u64(&c);
    uint64_t magic = cursor_u64(&c);
    ASSERT(cursor_done(&c));
    if (magic != PACK_FOOTER_MAGIC || checksum != sum)
        return corrupt(reterr, p->path, offset, "the footer of the pack is damaged or cut off");
    if (f.messages == 0 || f.messages > PACK_MESSAGES_MAX || f.blocks == 0 ||
        f.blocks > PACK_BLOCKS_MAX || f.runs == 0 || f.runs > f.messages)
        return corrupt(reterr, p->path, offset, "the footer counts what a pack can't hold");
    uint64_t index_bytes = f.messages * PACK_ADDRESS_BYTES + pack_ordinal_bytes(f.messages);
    if (f.table_bytes !=
            (uint64_t)f.blocks * PACK_BLOCK_ENTRY_BYTES + (uint64_t)f.runs * PACK_RUN_BYTES ||
        f.table_bytes > offset || f.table_offset != offset - f.table_bytes ||
        index_bytes > f.table_offset || f.index_offset != f.table_offset - index_bytes)
        return corrupt(reterr, p->path, offset, "the parts of the pack don't fit its size");
    *ret = f;
    return STATUS_OK;
}

/* A reference must be an earlier, small block that has none: blocks[] before `index` are
 * checked. */
static bool reference_is_sound(const struct pack *p, uint32_t index)
{
    uint32_t reference = p->blocks[index].reference;
    if (reference == PACK_NO_REFERENCE)
        return true;
    return reference < index && p->blocks[reference].reference == PACK_NO_REFERENCE &&
           p->blocks[reference].raw <= PACK_REFERENCE_BYTES;
}

static bool block_is_sound(const struct pack_block *b)
{
    if (b->messages == 0 || b->raw < b->messages || b->stored == 0)
        return false;
    if (b->messages == 1)
        return b->raw <= PACK_BLOCK_BYTES_MAX;
    return b->raw <= PACK_REFERENCE_BYTES;
}

static enum status table_read(struct pack *p, const struct footer *f, struct error *reterr)
{
    struct slice table = slice_of(p->map.bytes.data + f->table_offset, f->table_bytes);
    if (hash64(table) != f->table_checksum)
        return corrupt(reterr, p->path, f->table_offset, "the table of blocks is damaged");
    struct cursor c = cursor_over(table);
    uint64_t offset = PACK_HEADER_BYTES;
    uint64_t message = 0;
    p->blocks = mem_zero(f->blocks, sizeof *p->blocks);
    p->block_count = f->blocks;
    for (uint32_t i = 0; i < f->blocks; i++) {
        struct pack_block *b = &p->blocks[i];
        uint64_t at = f->table_offset + cursor_offset(&c);
        b->checksum = cursor_u64(&c);
        b->stored = cursor_u32(&c);
        b->raw = cursor_u32(&c);
        b->messages = cursor_u32(&c);
        b->reference = cursor_u32(&c);
        b->offset = offset;
        b->message_first = message;
        if (!block_is_sound(b) || !reference_is_sound(p, i))
            return corrupt(reterr, p->path, at, "block %" PRIu32 " can't be as the table says", i);
        offset += b->stored;
        message += b->messages;
    }
    if (offset != f->index_offset || message != f->messages)
        return corrupt(reterr, p->path, f->table_offset, "the blocks don't add up to the pack");
    p->runs = cursor_take(&c, (uint64_t)f->runs * PACK_RUN_BYTES);
    message = 0;
    for (uint32_t i = 0; i < f->runs; i++) {
        uint32_t group;
        uint32_t messages;
        pack_run(p, i, &group, &messages);
        message += messages;
        if (messages == 0 || message > f->messages)
            break;
    }
    if (message != f->messages)
        return corrupt(reterr, p->path, f->table_offset, "the runs don't add up to the pack");
    return STATUS_OK;
}

enum status pack_open(struct io *io, const char *path, uint64_t number, struct pack **ret,
                      struct error *reterr)
{
    struct pack *p = MEM_NEW(struct pack);
    struct footer f = {0};
    enum status s;
    p->io = io;
    p->path = mem_strdup(path);
    p->identity = atomic_fetch_add(&identities, 1);
    atomic_init(&p->references, 1);
    if ((s = io_map(io, path, &p->map, reterr)) < 0)
        goto out;
    if (p->map.bytes.size < PACK_HEADER_BYTES + PACK_FOOTER_BYTES) {
        s = corrupt(reterr, path, p->map.bytes.size, "too short for a pack");
        goto out;
    }
    if ((s = header_check(p, number, reterr)) < 0)
        goto out;
    if ((s = footer_read(p, &f, reterr)) < 0)
        goto out;
    if ((s = table_read(p, &f, reterr)) < 0)
        goto out;
    p->meta.bytes = p->map.bytes.size;
    p->index_offset = f.index_offset;
    p->index = slice_of(p->map.bytes.data + f.index_offset, f.table_offset - f.index_offset);
    p->addresses = slice_of(p->index.data, f.messages * PACK_ADDRESS_BYTES);
    p->ordinals = slice_of(p->index.data + p->addresses.size, p->index.size - p->addresses.size);
    *ret = p;
    p = NULL;
out:
    pack_unref(p);
    return s;
}

struct pack *pack_ref(struct pack *p)
{
    atomic_fetch_add(&p->references, 1);
    return p;
}

void pack_unref(struct pack *p)
{
    if (p == NULL || atomic_fetch_sub(&p->references, 1) > 1)
        return;
    block_cache_forget(p->identity);
    io_unmap(p->io, &p->map);
    if (atomic_load(&p->doomed))
        (void)!io_unlink(p->io, p->path, NULL);
    mem_free(p->blocks);
    mem_free(p->path);
    mem_free(p);
}

enum status pack_index_check(struct pack *p, struct error *reterr)
{
    unsigned state = atomic_load(&p->index_state);
    if (state == PACK_INDEX_UNCHECKED) {
        state = hash64(p->index) == p->index_checksum ? PACK_INDEX_GOOD : PACK_INDEX_BAD;
        atomic_store(&p->index_state, state);
    }
    if (state == PACK_INDEX_GOOD)
        return STATUS_OK;
    return corrupt(reterr, p->path, p->index_offset, "the index of addresses is damaged");
}

struct id128 pack_address(const struct pack *p, uint64_t index)
{
    struct id128 address;
    memcpy(address.bytes, p->addresses.data + index * PACK_ADDRESS_BYTES, PACK_ADDRESS_BYTES);
    return address;
}

uint64_t pack_ordinal(const struct pack *p, uint64_t index)
{
    unsigned width = pack_ordinal_bits(p->meta.messages);
    uint64_t bit = index * width;
    uint64_t word;
    memcpy(&word, p->ordinals.data + bit / 8, sizeof word);
    return (word >> (bit % 8)) & (((uint64_t)1 << width) - 1);
}

/* The first eight bytes as a number that sorts like the address. */
static uint64_t address_prefix(const uint8_t *bytes)
{
    uint64_t v;
    memcpy(&v, bytes, sizeof v);
    return __builtin_bswap64(v);
}

/* Where an address should stand in [low, high), as addresses are evenly spread. */
static uint64_t address_guess(const struct pack *p, uint64_t low, uint64_t high, uint64_t prefix)
{
    uint64_t first = address_prefix(p->addresses.data + low * PACK_ADDRESS_BYTES);
    uint64_t last = address_prefix(p->addresses.data + (high - 1) * PACK_ADDRESS_BYTES);
    if (prefix <= first || last <= first)
        return low;
    if (prefix >= last)
        return high - 1;
    return low +
           (uint64_t)((unsigned __int128)(prefix - first) * (high - 1 - low) / (last - first));
}

#define GUESSES_MAX 6

enum status pack_find(struct pack *p, struct id128 address, uint64_t *ret_ordinal,
                      struct error *reterr)
{
    enum status s = pack_index_check(p, reterr);
    if (s < 0)
        return s;
    uint64_t prefix = address_prefix(address.bytes);
    uint64_t low = 0;
    uint64_t high = p->meta.messages;
    for (int steps = 0; low < high; steps++) {
        uint64_t at =
            steps < GUESSES_MAX ? address_guess(p, low, high, prefix) : low + (high - low) / 2;
        int order =
            memcmp(p->addresses.data + at * PACK_ADDRESS_BYTES, address.bytes, PACK_ADDRESS_BYTES);
        if (order == 0) {
            uint64_t ordinal = pack_ordinal(p, at);
            if (ordinal >= p->meta.messages)
                return corrupt(reterr, p->path, p->index_offset, "an ordinal is out of range");
            *ret_ordinal = ordinal;
            return STATUS_OK;
        }
        if (order < 0)
            low = at + 1;
        else
            high = at;
    }
    return STATUS_NOT_FOUND;
}

uint32_t pack_run_count(const struct pack *p)
{
    return (uint32_t)(p->runs.size / PACK_RUN_BYTES);
}

void pack_run(const struct pack *p, uint32_t index, uint32_t *ret_group, uint32_t *ret_messages)
{
    struct cursor c =
        cursor_over(slice_of(p->runs.data + (size_t)index * PACK_RUN_BYTES, PACK_RUN_BYTES));
    *ret_group = cursor_u32(&c);
    *ret_messages = cursor_u32(&c);
}

uint32_t pack_block_of(const struct pack *p, uint64_t ordinal)
{
    uint32_t low = 0;
    uint32_t high = p->block_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (p->blocks[middle].message_first <= ordinal)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Lengths first, bodies after: where each message lies. False when they don't fill the block. */
static bool block_split(struct cached_block *b)
{
    struct cursor c = cursor_over(slice_of(b->raw, b->raw_size));
    uint64_t total = 0;
    for (uint32_t i = 0; i < b->messages; i++) {
        uint64_t size = cursor_varint(&c);
        if (c.failed || size > b->raw_size - total)
            return false;
        b->starts[i] = (uint32_t)total;
        total += size;
    }
    b->starts[b->messages] = (uint32_t)total;
    uint32_t lengths = (uint32_t)cursor_offset(&c);
    if (total != b->raw_size - lengths)
        return false;
    for (uint32_t i = 0; i <= b->messages; i++)
        b->starts[i] += lengths;
    return true;
}

static bool block_decompress(struct slice stored, struct slice reference, struct cached_block *b)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    ASSERT(d != NULL);
    size_t failed = 0;
    if (reference.size > 0)
        failed = ZSTD_DCtx_refPrefix(d, reference.data, reference.size);
    size_t size = ZSTD_isError(failed)
                      ? failed
                      : ZSTD_decompressDCtx(d, b->raw, b->raw_size, stored.data, stored.size);
    ZSTD_freeDCtx(d);
    return !ZSTD_isError(size) && size == b->raw_size;
}

static enum status block_decode(struct pack *p, uint32_t index, struct slice reference,
                                struct cached_block **ret, struct error *reterr)
{
    const struct pack_block *at = &p->blocks[index];
    struct slice stored = slice_of(p->map.bytes.data + at->offset, at->stored);
    if (hash64(stored) != at->checksum)
        return corrupt(reterr, p->path, at->offset, "text block %" PRIu32 " is damaged", index);
    struct cached_block *b = MEM_NEW(struct cached_block);
    atomic_init(&b->references, 1);
    b->pack = p->identity;
    b->block = index;
    b->messages = at->messages;
    b->raw_size = at->raw;
    b->raw = mem_alloc(at->raw);
    b->starts = mem_alloc(((size_t)at->messages + 1) * sizeof *b->starts);
    b->bytes = sizeof *b + at->raw + ((size_t)at->messages + 1) * sizeof *b->starts;
    if (!block_decompress(stored, reference, b) || !block_split(b)) {
        block_cache_release(b);
        return corrupt(reterr, p->path, at->offset, "text block %" PRIu32 " does not decode",
                       index);
    }
    *ret = b;
    return STATUS_OK;
}

enum status pack_block_get(struct pack *p, uint32_t block, struct cached_block **ret,
                           struct error *reterr)
{
    ASSERT(block < p->block_count);
    struct cached_block *b = block_cache_get(p->identity, block);
    struct cached_block *reference = NULL;
    struct slice reference_text = SLICE_EMPTY;
    enum status s = STATUS_OK;
    if (b != NULL)
        goto out;
    if (p->blocks[block].reference != PACK_NO_REFERENCE) {
        if ((s = pack_block_get(p, p->blocks[block].reference, &reference, reterr)) < 0)
            goto out;
        reference_text = slice_of(reference->raw, reference->raw_size);
    }
    if ((s = block_decode(p, block, reference_text, &b, reterr)) < 0)
        goto out;
    block_cache_put(b);
out:
    block_cache_release(reference);
    if (s == STATUS_OK)
        *ret = b;
    return s;
}

struct slice pack_block_message(const struct pack *p, const struct cached_block *b,
                                uint64_t ordinal)
{
    uint64_t index = ordinal - p->blocks[b->block].message_first;
    ASSERT(index < b->messages);
    return slice_of(b->raw + b->starts[index], b->starts[index + 1] - b->starts[index]);
}
