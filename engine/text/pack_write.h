/*
 * pack_write.h - writes one text pack, message by message. FORMAT.md 6.
 */
#ifndef DRIFTLINE_PACK_WRITE_H
#define DRIFTLINE_PACK_WRITE_H

#include "engine/base/id.h"
#include "engine/text/text.h"

struct pack_writer;

/* Writes directory/NUMBER.pack.tmp; nothing is visible before pack_writer_finish. */
MUST_CHECK enum status pack_writer_open(struct io *io, const char *directory, uint64_t number,
                                        int level, struct pack_writer **ret, struct error *reterr);
/* group: a hint which messages belong together, 0 for none; the caller brings them in order. */
MUST_CHECK enum status pack_writer_add(struct pack_writer *w, struct id128 address, uint32_t group,
                                       struct slice body, struct error *reterr);
/* Syncs, renames, syncs the directory. */
MUST_CHECK enum status pack_writer_finish(struct pack_writer *w, uint64_t seq_max,
                                          int64_t time_max_ns, struct text_pack_meta *ret_meta,
                                          struct error *reterr);
/* Accepts NULL; deletes an unfinished file. */
void pack_writer_close(struct pack_writer *w);

/* "p1/text/0000000012.pack" */
#define PACK_PATH_BYTES 256
void pack_path(const char *directory, uint64_t number, char to[PACK_PATH_BYTES]);

#endif
