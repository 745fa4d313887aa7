/*
 * manifest_log.h - the bytes of a manifest file: records, the replay, CURRENT. FORMAT.md 8.
 */
#ifndef DRIFTLINE_MANIFEST_LOG_H
#define DRIFTLINE_MANIFEST_LOG_H

#include "engine/manifest/manifest_state.h"

#define MANIFEST_DIRECTORY         "manifest"
#define MANIFEST_CURRENT           "CURRENT"
#define MANIFEST_CURRENT_BYTES_MAX 128u
#define MANIFEST_FILE_BYTES_MAX    (1u << 30)

/* On disk: append only, never renumber. */
enum manifest_record_kind {
    MANIFEST_SNAPSHOT = 1,
    MANIFEST_COMMIT = 2
};

#define MANIFEST_RECORD_MAGIC   0x314d4c44u /* "DLM1" */
#define MANIFEST_RECORD_HEADER  24u         /* magic, length, file number, offset */
#define MANIFEST_RECORD_TRAILER 8u          /* checksum */

/* Appends one record that will stand at `offset` of file `number`. */
void manifest_record_encode(uint64_t number, uint64_t offset, enum manifest_record_kind kind,
                            const struct manifest_edit *edits, uint32_t count, struct buffer *to);
/* The record that builds the whole state from nothing; it stands at offset 0. */
void manifest_snapshot_encode(uint64_t number, const struct manifest_state *s, struct buffer *to);

/* What a replay met. */
struct manifest_replay {
    uint64_t end;      /* offset behind the last good record */
    uint64_t snapshot; /* bytes of the first record */
    uint64_t torn;     /* bytes behind `end` that are no record */
};
/* Replays the bytes of file `number` into s (initialised by the caller). path is for messages. */
MUST_CHECK enum status manifest_replay(struct slice bytes, uint64_t number, const char *path,
                                       struct manifest_state *s, struct manifest_replay *ret,
                                       struct error *reterr);

void manifest_current_encode(uint64_t number, struct buffer *to);
MUST_CHECK enum status manifest_current_decode(struct slice bytes, uint64_t *ret_number,
                                               struct error *reterr);
/* "manifest/0000000007". */
void manifest_log_path(uint64_t number, char to[MANIFEST_PATH_BYTES]);
/* The number of a name in the directory; false for other files. */
bool manifest_log_number(const char *name, uint64_t *ret_number);

#endif
