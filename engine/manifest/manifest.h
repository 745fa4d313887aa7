/*
 * manifest.h - which files are live: an append-only log of edits, replayed at open.
 *
 * Format:    FORMAT.md 8 ("CURRENT" names "manifest/NNNNNNNNNN"; records with XXH3-64; edits with
 *            tagged fields)
 * Promise:   manifest_commit is atomic and durable: after a crash either all edits of a commit are
 *            there or none. A torn tail is cut off; damage before it is STATUS_CORRUPT and nothing
 *            is deleted.
 * Failure:   a failed write or sync: the file is abandoned and the whole state is written to a new
 *            one (up to 3 tries).
 * Threads:   all calls under the caller's lock.
 */
#ifndef DRIFTLINE_MANIFEST_H
#define DRIFTLINE_MANIFEST_H

#include "engine/base/io.h"
#include "engine/base/memory.h"

struct manifest_segment {
    uint64_t number; /* file pPROJECT/seg/NUMBER.seg */
    uint32_t project;
    uint8_t table, tier;
    uint64_t rows, bytes;
    int64_t time_min_ns, time_max_ns;
    uint64_t seq_min, seq_max;
    uint64_t fold_seq;
};
struct manifest_pack {
    uint64_t number;
    uint32_t project;
    uint64_t bytes, messages, text_bytes, seq_max;
    int64_t time_max_ns;
};
/* A file of amendments or orphans not folded yet. */
struct manifest_patch {
    uint64_t number; /* file pPROJECT/patch/NUMBER.patch */
    uint32_t project;
    uint64_t bytes, rows, seq_max;
};
struct manifest_client {
    uint8_t id[16];
    uint64_t batch_seq;
    uint64_t seq; /* WAL sequence of its last batch */
    int64_t time_ns;
};

enum manifest_edit_kind {
    EDIT_PROJECT_ADD = 1,    /* project, name */
    EDIT_SEGMENT_ADD = 2,    /* segment */
    EDIT_SEGMENT_REMOVE = 3, /* project, number */
    EDIT_PACK_ADD = 4,
    EDIT_PACK_REMOVE = 5,
    EDIT_PATCH_ADD = 6,
    EDIT_PATCH_REMOVE = 7,
    EDIT_WAL_KEEP = 8, /* value: WAL records below this seq are not needed */
    EDIT_CLIENT = 9,   /* client: insert or update */
    EDIT_CLIENT_REMOVE = 10,
    EDIT_NEXT_NUMBER = 11, /* value: next file number, never reused */
};
struct manifest_edit {
    enum manifest_edit_kind kind;
    uint32_t project;
    uint64_t number;
    uint64_t value;
    const char *name;
    const struct manifest_segment *segment;
    const struct manifest_pack *pack;
    const struct manifest_patch *patch;
    const struct manifest_client *client;
};

struct manifest;

/* Creates an empty one when the root has none and read_only is false. */
MUST_CHECK enum status manifest_open(struct io *io, bool read_only, struct manifest **ret,
                                     struct error *reterr);
void manifest_close(struct manifest *m);
MUST_CHECK enum status manifest_commit(struct manifest *m, const struct manifest_edit *edits,
                                       uint32_t count, struct error *reterr);
/* A fresh file number, unique for ever once a commit that mentions it (or a larger
 * EDIT_NEXT_NUMBER) is durable. Numbers of files of a commit are recorded by it. */
uint64_t manifest_next_number(struct manifest *m);

/* The state. Arrays are valid until the next commit. */
const struct manifest_segment *manifest_segments(const struct manifest *m, uint32_t *ret_count);
const struct manifest_pack *manifest_packs(const struct manifest *m, uint32_t *ret_count);
const struct manifest_patch *manifest_patches(const struct manifest *m, uint32_t *ret_count);
const struct manifest_client *manifest_clients(const struct manifest *m, uint32_t *ret_count);
/* Names by project number - 1. */
const char *const *manifest_projects(const struct manifest *m, uint32_t *ret_count);
uint64_t manifest_wal_keep(const struct manifest *m);

/* "p3/seg/0000000012.seg" and friends. */
#define MANIFEST_PATH_BYTES 64
void manifest_segment_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES]);
void manifest_pack_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES]);
void manifest_patch_path(uint32_t project, uint64_t number, char to[MANIFEST_PATH_BYTES]);

MUST_CHECK enum status manifest_verify(struct io *io,
                                       void (*finding)(void *context, const char *path,
                                                       uint64_t offset, const char *text),
                                       void *context, struct error *reterr);

#endif
