/*
 * prune.h - which blocks of a segment can hold rows a scan wants.
 *
 * Place:     scan_create -> [here] -> segment zone maps, dictionaries, postings, filters
 * Invariant: a cleared bit means that no row of the block passes; a set bit means nothing.
 * Failure:   what can't be read is not used for skipping. The blocks themselves tell of the damage.
 */
#ifndef DRIFTLINE_SCAN_PRUNE_H
#define DRIFTLINE_SCAN_PRUNE_H

#include "engine/patch/patch.h"
#include "engine/scan/scan.h"
#include "engine/segment/segment.h"

#define PRUNE_WORDS(blocks) (((size_t)(blocks) + 63) / 64)

static inline bool prune_bit(const uint64_t *bits, uint32_t block)
{
    return (bits[block / 64] >> (block % 64) & 1) != 0;
}

/* Is the time range [from, until) given and does [min, max] lie outside? */
bool prune_time(const struct scan_options *o, int64_t min_ns, int64_t max_ns);
/* bits[] has PRUNE_WORDS(blocks) words of any content; patches may be NULL. Returns how many bits are set. */
uint32_t prune_segment(struct segment *s, const struct patch_set *patches,
                       const struct scan_options *o, struct arena *scratch, uint64_t *bits);

#endif
