/*
 * pack_verify.c - reads and checks every byte of a text pack.
 *
 * Place:   driftline verify -> engine -> [here]
 * Failure: each damaged part is reported and the next one is still looked at.
 */
#include <inttypes.h>

#include "engine/base/hash.h"
#include "engine/text/block_cache.h"
#include "engine/text/pack_format.h"
#include "engine/text/pack_read.h"

struct verify {
    struct pack *pack;
    void (*finding)(void *context, uint64_t offset, const char *text);
    void *context;
    struct error first; /* the first damage */
};

static void verify_report(struct verify *v, const struct error *e)
{
    v->finding(v->context, e->position < 0 ? 0 : (uint64_t)e->position, e->text);
    if (v->first.status == STATUS_OK)
        v->first = *e;
}

/* Sorted addresses, each once, and ordinals that are a permutation. Fills address_of by ordinal. */
static bool index_verify(struct verify *v, struct id128 *address_of)
{
    struct pack *p = v->pack;
    uint64_t count = p->meta.messages;
    uint8_t *seen = mem_zero(count, 1);
    struct error e = {0};
    enum status s = pack_index_check(p, &e);
    for (uint64_t i = 0; i < count && s == STATUS_OK; i++) {
        uint64_t at = p->index_offset + i * PACK_ADDRESS_BYTES;
        uint64_t ordinal = pack_ordinal(p, i);
        if (i > 0 && id128_compare(pack_address(p, i - 1), pack_address(p, i)) >= 0)
            s = corrupt(&e, p->path, at, "addresses are out of order");
        else if (ordinal >= count || seen[ordinal])
            s = corrupt(&e, p->path, at, "ordinals are no permutation");
        else
            seen[ordinal] = 1;
        if (s == STATUS_OK)
            address_of[ordinal] = pack_address(p, i);
    }
    mem_free(seen);
    if (s < 0)
        verify_report(v, &e);
    return s == STATUS_OK;
}

/* One block: it decodes, and its messages are those the index names. */
static void block_verify(struct verify *v, uint32_t block, const struct id128 *address_of)
{
    struct pack *p = v->pack;
    const struct pack_block *at = &p->blocks[block];
    struct cached_block *b;
    struct error e = {0};
    if (pack_block_get(p, block, &b, &e) < 0) {
        verify_report(v, &e);
        return;
    }
    for (uint32_t i = 0; i < at->messages && address_of != NULL; i++) {
        uint64_t ordinal = at->message_first + i;
        struct slice body = pack_block_message(p, b, ordinal);
        if (id128_equal(hash128(body), address_of[ordinal]))
            continue;
        (void)corrupt(&e, p->path, at->offset,
                      "message %" PRIu64 " is not the one its address names", ordinal);
        verify_report(v, &e);
        break;
    }
    block_cache_release(b);
}

enum status text_pack_verify(struct io *io, const char *path,
                             void (*finding)(void *context, uint64_t offset, const char *text),
                             void *context, struct error *reterr)
{
    struct verify v = {.finding = finding, .context = context};
    struct error e = {0};
    enum status s = pack_open(io, path, 0, &v.pack, &e);
    if (s == STATUS_CORRUPT)
        verify_report(&v, &e);
    if (s < 0) {
        if (reterr != NULL)
            *reterr = e;
        return s;
    }
    struct id128 *address_of = mem_zero(v.pack->meta.messages, sizeof *address_of);
    bool index_good = index_verify(&v, address_of);
    for (uint32_t i = 0; i < v.pack->block_count; i++)
        block_verify(&v, i, index_good ? address_of : NULL);
    mem_free(address_of);
    pack_unref(v.pack);
    if (v.first.status != STATUS_OK && reterr != NULL)
        *reterr = v.first;
    return v.first.status;
}
