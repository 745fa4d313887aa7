/*
 * source.h - one place rows come from: a head, a segment, or a segment that can't be read.
 *
 * Place:     engine (keeps the list of live sources) -> [here] -> scan, seal, compact
 * Invariant: rows of a source never change and keep their numbers; amendments stand beside them in
 *            `patches`. A file leaves the disk when the last reference to its dropped source does.
 * Threads:   references are counted atomically. `patches` belongs to the engine's state lock.
 */
#ifndef DRIFTLINE_SCAN_SOURCE_H
#define DRIFTLINE_SCAN_SOURCE_H

#include <stdatomic.h>

#include "engine/head/head.h"
#include "engine/manifest/manifest.h"
#include "engine/patch/patch.h"
#include "engine/segment/segment.h"

struct source {
    atomic_uint references;
    struct io *io;
    uint32_t project;
    enum table table;
    struct head *head;             /* heads */
    struct segment *segment;       /* segments; NULL when damaged */
    struct error *damage;          /* why the segment can't be read, or NULL */
    _Atomic(struct error *) doubt; /* why its amendments may be incomplete, or NULL */
    struct manifest_segment meta;  /* segments */
    char path[MANIFEST_PATH_BYTES];
    struct patch_set *patches; /* NULL: none */
    atomic_bool dropped;       /* the manifest no longer names the file */
    bool busy;                 /* not for merges: damaged, or being rewritten. State lock */
};

/* The source takes over the head. */
struct source *source_create_head(uint32_t project, enum table table, struct head *own_head);
/* Opens the segment. Damage is no failure: the source then says so, and scans report it. */
struct source *source_create_segment(struct io *io, const struct manifest_segment *meta,
                                     struct schema *schema, bool skip_checksum);
struct source *source_ref(struct source *s);
/* Accepts NULL. */
void source_unref(struct source *s);
/* Its rows could not all be looked at when an amendment looked for its span: what scans of it return may lack that
 * amendment, and they say so. The first reason stays. Any thread. */
void source_doubt(struct source *s, const struct error *reason);
/* From now on the last reader deletes the file. */
void source_drop(struct source *s);

/* A source as one reader sees it: what a snapshot is made of. Owns its references. */
struct scan_input {
    struct source *source;
    struct patch_set *patches;
    uint64_t watermark; /* heads: visible rows */
};
void scan_input_deinit(struct scan_input *in);

#endif
