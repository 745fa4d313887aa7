/*
 * hash_index.c - a static multimap from 64-bit hashes to small numbers, and a filter at the same time.
 *
 * Entries are sorted by hash. The top bits of a hash name its bucket, the next 10 or 12 bits are kept as a fingerprint, the
 * rest is forgotten. So one structure answers "surely absent" (one bucket, about 12 fingerprints: false positives 0.3 % at
 * 12 bits) and "where": it takes fingerprint + value + 2 bits an entry, where a binary fuse filter beside a table of
 * hashes takes 9 bits more.
 *
 * Format:  FORMAT.md 5.8. u8 fingerprint bits, u8 value bits, u8 bucket bits, u8 start bits, u32 entries; then two bit strings,
 *          each padded to 8 bytes: 2^bucket bits + 1 starts; entries x {fingerprint, value}.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/segment/pack.h"
#include "engine/segment/segment_format.h"

#define BUCKET_ENTRIES  8u /* buckets hold 8 to 16 entries on average */
#define BUCKET_BITS_MAX 22u
#define VALUE_BITS_MAX  32u
#define HEAD_BYTES      8u

static int entry_compare(const void *a, const void *b)
{
    const struct hash_entry *x = a;
    const struct hash_entry *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static uint64_t padded_bytes(uint64_t bits)
{
    return (bits + 63) / 64 * 8;
}

static uint64_t bucket_of(uint64_t hash, unsigned bucket_bits)
{
    return bucket_bits == 0 ? 0 : hash >> (64 - bucket_bits);
}

static uint64_t fingerprint_of(uint64_t hash, unsigned bucket_bits, unsigned fingerprint_bits)
{
    return hash << bucket_bits >> (64 - fingerprint_bits);
}

void hash_index_put(struct hash_entry *entries, uint32_t count, unsigned fingerprint_bits,
                    unsigned value_bits, struct buffer *to)
{
    qsort(entries, count, sizeof *entries, entry_compare);
    unsigned bucket_bits = 0;
    while (bucket_bits < BUCKET_BITS_MAX && (count >> bucket_bits) >= 2 * BUCKET_ENTRIES)
        bucket_bits++;
    /* Entries that look the same after truncation are one. */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t shown = entries[i].hash >> (64 - bucket_bits - fingerprint_bits);
        if (kept > 0 && entries[kept - 1].value == entries[i].value &&
            entries[kept - 1].hash >> (64 - bucket_bits - fingerprint_bits) == shown)
            continue;
        entries[kept++] = entries[i];
    }
    unsigned start_bits = bits_of(kept);
    put_u8(to, (uint8_t)fingerprint_bits);
    put_u8(to, (uint8_t)value_bits);
    put_u8(to, (uint8_t)bucket_bits);
    put_u8(to, (uint8_t)start_bits);
    put_u32(to, kept);
    struct bit_writer w = {.to = to};
    uint32_t at = 0;
    for (uint64_t bucket = 0; bucket <= 1ull << bucket_bits; bucket++) {
        while (at < kept && bucket_of(entries[at].hash, bucket_bits) < bucket)
            at++;
        bit_writer_put(&w, at, start_bits);
    }
    bit_writer_end(&w);
    block_end_put(to);
    for (uint32_t i = 0; i < kept; i++) {
        bit_writer_put(&w, fingerprint_of(entries[i].hash, bucket_bits, fingerprint_bits),
                       fingerprint_bits);
        bit_writer_put(&w, entries[i].value, value_bits);
    }
    bit_writer_end(&w);
    block_end_put(to);
}

struct index {
    unsigned fingerprint_bits, value_bits, bucket_bits, start_bits;
    uint32_t count;
    struct slice starts;
    struct slice entries;
};

static bool index_read(struct slice bytes, struct index *ret)
{
    struct cursor c = cursor_over(bytes);
    ret->fingerprint_bits = cursor_u8(&c);
    ret->value_bits = cursor_u8(&c);
    ret->bucket_bits = cursor_u8(&c);
    ret->start_bits = cursor_u8(&c);
    ret->count = cursor_u32(&c);
    if (c.failed || ret->fingerprint_bits < 1 || ret->fingerprint_bits > 32 ||
        ret->value_bits > VALUE_BITS_MAX || ret->bucket_bits > BUCKET_BITS_MAX ||
        ret->start_bits != bits_of(ret->count))
        return false;
    uint64_t starts = (1ull << ret->bucket_bits) + 1;
    uint64_t entry_bits = ret->fingerprint_bits + ret->value_bits;
    ret->starts = cursor_take(&c, padded_bytes(starts * ret->start_bits));
    ret->entries = cursor_take(&c, padded_bytes(ret->count * entry_bits));
    return cursor_done(&c);
}

static uint32_t index_start(const struct index *x, uint64_t bucket)
{
    return (uint32_t)bits_read(x->starts, bucket * x->start_bits, x->start_bits);
}

bool hash_index_find(struct slice bytes, uint64_t hash,
                     void (*found)(void *context, uint32_t value), void *context)
{
    struct index x;
    if (!index_read(bytes, &x))
        return false;
    uint64_t bucket = bucket_of(hash, x.bucket_bits);
    uint32_t begin = index_start(&x, bucket);
    uint32_t end = index_start(&x, bucket + 1);
    if (begin > end || end > x.count)
        return false;
    uint64_t wanted = fingerprint_of(hash, x.bucket_bits, x.fingerprint_bits);
    uint64_t width = x.fingerprint_bits + x.value_bits;
    for (uint32_t i = begin; i < end; i++) {
        if (bits_read(x.entries, i * width, x.fingerprint_bits) == wanted)
            found(context,
                  (uint32_t)bits_read(x.entries, i * width + x.fingerprint_bits, x.value_bits));
    }
    return true;
}

bool hash_index_check(struct slice bytes, uint32_t value_max, uint32_t *ret_count)
{
    struct index x;
    if (!index_read(bytes, &x))
        return false;
    uint32_t last = 0;
    for (uint64_t bucket = 0; bucket <= 1ull << x.bucket_bits; bucket++) {
        uint32_t start = index_start(&x, bucket);
        if (start < last || (bucket == 0 && start != 0))
            return false;
        last = start;
    }
    uint64_t width = x.fingerprint_bits + x.value_bits;
    for (uint32_t i = 0; i < x.count; i++) {
        if (bits_read(x.entries, i * width + x.fingerprint_bits, x.value_bits) > value_max)
            return false;
    }
    *ret_count = x.count;
    return last == x.count;
}
