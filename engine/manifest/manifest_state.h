/*
 * manifest_state.h - the set of live files in memory, and the edits that change it.
 *
 * Invariant: 1. A number stands at most once in each of segments, packs and patches.
 *            2. Every project mentioned is one of names[]; names are unique and without gaps from
 *               1.
 *            3. next_number is larger than every number ever added.
 *            4. clients are sorted by id.
 */
#ifndef DRIFTLINE_MANIFEST_STATE_H
#define DRIFTLINE_MANIFEST_STATE_H

#include "engine/manifest/manifest.h"

/* Growable array of plain items. Zero is empty. */
struct manifest_list {
    void *items;
    uint32_t count;
    size_t capacity;
};

/* Zero is the valid empty state, except that next_number must be 1. */
struct manifest_state {
    struct manifest_list names; /* char *, owned */
    struct manifest_list segments;
    struct manifest_list packs;
    struct manifest_list patches;
    struct manifest_list clients;
    uint64_t wal_keep;
    uint64_t next_number;
};

void manifest_state_init(struct manifest_state *s);
void manifest_state_deinit(struct manifest_state *s);
/* to is initialised by the call. */
void manifest_state_copy(const struct manifest_state *from, struct manifest_state *to);
/* Applies one edit. STATUS_INVALID says what doesn't fit; the state is unchanged then. */
MUST_CHECK enum status manifest_state_apply(struct manifest_state *s, const struct manifest_edit *e,
                                            struct error *reterr);

#endif
