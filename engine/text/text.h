/*
 * text.h - the content-addressed message store of one project.
 *
 * A message is a byte string (as a rule one chat message as JSON) named by hash128 of its bytes.
 * It is stored once per project, however many spans refer to it. New messages live in memory (and
 * in the WAL) until text_seal writes them to a pack: 256 KiB zstd blocks grouped in the order
 * given (conversation order), with a sorted index of addresses.
 *
 * Format:    FORMAT.md 6 (files pN/text/NNNNNNNNNN.pack)
 * Threads:   text_add by the writer; text_get and text_has by anyone; text_seal and merges by one
 *            maintenance thread.
 * Failure:   a damaged block hides only the messages in it; the error names file and offset.
 */
#ifndef DRIFTLINE_TEXT_H
#define DRIFTLINE_TEXT_H

#include "engine/base/io.h"
#include "engine/span/batch.h"

struct text_store;

struct text_pack_meta {
    uint64_t number; /* file number */
    uint64_t bytes;  /* file size */
    uint64_t messages;
    uint64_t text_bytes; /* of the bodies */
    uint64_t seq_max;    /* newest commit with a message in it: for retention and WAL release */
    int64_t time_max_ns; /* newest time a message in it was first seen */
};

/* directory: "p1/text" (exists). No packs yet; add those the manifest names with text_pack_open. */
struct text_store *text_store_create(struct io *io, const char *directory);
void text_store_destroy(struct text_store *t);
MUST_CHECK enum status text_pack_open(struct text_store *t, uint64_t number,
                                      struct text_pack_meta *ret_meta, struct error *reterr);
/* Forgets a pack once no reader uses it, then deletes the file. The manifest no longer names it. */
void text_pack_remove(struct text_store *t, uint64_t number);
/*
 * Before messages are dropped (a pack removed by retention, a merge with keep()): from now on
 * (leaving true) the pack's messages still read, but text_has and text_add treat them as not
 * stored, so a message that is sent again meanwhile is stored again and not lost with the pack.
 * Order: text_pack_leave, wait for the commits under way, find out what is still referred to, then
 * drop. text_merge with keep() does it by itself for its inputs (and takes it back when it fails);
 * calling it earlier closes the gap before keep() is computed.
 */
void text_pack_leave(struct text_store *t, uint64_t number, bool leaving);

/* Adds a message (copies the body). False when it was there: then the stored bytes are compared
 * (or, when the same pack answered lately, a second hash of them), and a body that differs under
 * the same address is STATUS_INVALID, as is an address that is not the hash of the body. Writer
 * thread. */
MUST_CHECK enum status text_add(struct text_store *t, const struct message *m, uint64_t seq,
                                int64_t now_ns, bool *ret_added, struct error *reterr);
/* The same with a hint which messages belong together (a hash of the session or trace; 0: none).
 * Seals and merges put the messages of a group side by side: better compression, and a
 * conversation reads few blocks. */
MUST_CHECK enum status text_add_grouped(struct text_store *t, const struct message *m,
                                        uint64_t group, uint64_t seq, int64_t now_ns,
                                        bool *ret_added, struct error *reterr);
bool text_has(struct text_store *t, struct id128 address);
/* Appends the body to `to`. STATUS_NOT_FOUND when it is not stored (never was, or retention
 * removed it). */
MUST_CHECK enum status text_get(struct text_store *t, struct id128 address, struct buffer *to,
                                struct error *reterr);

/* Writes all messages in memory that came with seq <= seq_max to a new pack, group by group, in
 * order of arrival. The pack is durable on return but only text_seal_commit (after the manifest
 * names it) lets go of the memory. STATUS_END: nothing to write. */
MUST_CHECK enum status text_seal(struct text_store *t, uint64_t number, uint64_t seq_max,
                                 struct text_pack_meta *ret_meta, struct error *reterr);
void text_seal_commit(struct text_store *t, uint64_t number);
void text_seal_abort(struct text_store *t, uint64_t number);
/* Merges packs into one new pack (better compression, higher level), keeping only messages keep()
 * wants (NULL: all). The new pack must then be opened with text_pack_open and the old ones
 * removed, after the manifest says so. STATUS_END: nothing was kept and nothing written. A damaged
 * block fails the merge: the inputs stay as they are. */
MUST_CHECK enum status text_merge(struct text_store *t, const uint64_t *numbers, uint32_t count,
                                  uint64_t new_number,
                                  bool (*keep)(void *context, struct id128 address), void *context,
                                  struct text_pack_meta *ret_meta, struct error *reterr);
/* Messages in memory: oldest seq (0: none), bytes. */
uint64_t text_memory_bytes(struct text_store *t);
uint64_t text_memory_seq_min(struct text_store *t);
/* messages and bytes (of bodies) in packs and memory; stored_bytes: pack files. */
struct text_totals {
    uint64_t messages, bytes, stored_bytes, packs;
};
struct text_totals text_totals(struct text_store *t);
MUST_CHECK enum status text_pack_verify(struct io *io, const char *path,
                                        void (*finding)(void *context, uint64_t offset,
                                                        const char *text),
                                        void *context, struct error *reterr);

#endif
