/*
 * engine.h - the door to the store. Everything above the engine comes through here.
 *
 * Place:    server, query, tools -> [here] -> wal, head, segment, text, patch, manifest, compact
 * Threads:  engine_append, engine_pump and engine_wait take turns behind a lock and may be called from any thread; one thread
 *           (the loop) pumps when engine_event_fd says so. Scans, text reads and
 *           info calls come from any thread and never block the writer. Maintenance runs on the engine's own
 *           threads, or in the caller's for engine_seal / engine_compact / engine_retain.
 * Promise:  a commit is durable, then visible, then reported by engine_pump - in this order.
 */
#ifndef DRIFTLINE_ENGINE_H
#define DRIFTLINE_ENGINE_H

#include "engine/base/io.h"
#include "engine/scan/scan.h"
#include "engine/span/batch.h"

struct engine;

struct retention {
    int64_t rows_age_ns;  /* 0: keep for ever. Spans, scores and tags older than this leave */
    int64_t text_age_ns;  /* 0: as rows. Message bodies go earlier than their spans */
    uint64_t bytes_max;   /* 0: no bound. Oldest segments leave when a project's files are larger */
};

struct engine_options {
    uint64_t head_rows_max;      /* 0: 1,000,000. A head this large is sealed */
    uint64_t head_bytes_max;     /* 0: 512 MiB over all heads; append is BUSY at twice this */
    int64_t head_age_ns_max;     /* 0: 60 s. A head this old is sealed */
    uint32_t maintenance_threads; /* 0: 1. UINT32_MAX: none; the caller seals and compacts (tests) */
    int64_t compact_every_ns;    /* 0: 10 s between looks for compaction work */
    int64_t retain_every_ns;     /* 0: 10 min; retention checks */
    uint64_t compact_bytes_per_second; /* 0: 64 MiB/s; throttle of background merges */
    struct retention retention;  /* applied in the background when any field is set */
    uint64_t wal_file_bytes;     /* 0: 64 MiB; size of one log file */
    uint64_t reserve_bytes;      /* 0: 16 MiB; UINT64_MAX: none. A file kept to be deleted when the disk is full */
    bool read_only;              /* open without writing anything (verify, inspect, offline sql) */
    bool defect_ack_before_sync; /* planted defects for tests */
    bool defect_delete_before_manifest;
    bool defect_skip_checksum;
    /* One line a noteworthy event (level: "info", "warn", "error"). May be NULL. Any thread. */
    void (*log)(void *context, const char *level, const char *text);
    void *log_context;
};

/* Opens (and when missing creates) the store in io's root: lock, manifest, WAL replay. io stays the caller's and must
 * outlive the engine. STATUS_BUSY: another process has it; STATUS_CORRUPT names file and offset. */
MUST_CHECK enum status engine_open(struct io *io, const struct engine_options *options, struct engine **ret,
                                   struct error *reterr);
/* Waits for what is in flight and for maintenance to stop. Does not seal. Accepts NULL. */
void engine_close(struct engine *e);

/* ---- projects ---- */

/* [a-z0-9_-]{1,64} -> number, from 1. create: add it when missing (durable on return; writer thread). */
MUST_CHECK enum status engine_project(struct engine *e, struct slice name, bool create, uint32_t *ret_project,
                                      struct error *reterr);
/* NULL beyond the last project; projects are numbered without gaps from 1. Valid until close. */
const char *engine_project_name(struct engine *e, uint32_t project);
/* Score columns are shared by all parts of a project. Valid until close. */
struct schema *engine_schema(struct engine *e, uint32_t project);

/* ---- writing ---- */

/* One atomic commit of one project. Any part may be missing (rows == 0, count == 0). */
struct append {
    uint32_t project;
    const struct batch *spans;   /* TABLE_SPANS or NULL */
    const struct batch *scores;  /* TABLE_SCORES or NULL: amend spans by (trace_id, span_id), latest wins */
    const struct batch *tags;    /* TABLE_TAGS or NULL: amend error_class */
    const struct message *messages; /* bodies that spans of this or a later commit refer to */
    uint32_t message_count;
    /* Exactly-once: a batch_seq not above the last one applied for this client is acknowledged and dropped.
     * The zero client has no such memory. */
    struct id128 client;
    uint64_t batch_seq;
};

struct append_result {
    uint64_t ticket;       /* durable and visible once engine_pump() returned >= ticket */
    uint32_t spans;        /* accepted */
    uint32_t duplicates;   /* spans that were stored already and are dropped */
    bool already_applied;  /* the whole batch was applied before (client, batch_seq) */
    uint32_t missing;      /* messages referred to but neither stored nor sent; then nothing was applied and the */
                           /* status is STATUS_NOT_FOUND with the addresses in missing_addresses */
    struct id128 missing_addresses[64];
};

/*
 * Checks, logs and applies a commit. What is wrong with a row is STATUS_INVALID naming row and column, and nothing
 * is applied. The engine fills seq, turn (when NULL on a root), error_class 'none' (when NULL), scores' and tags' time
 * (when NULL: now) and span dimensions in scores. Required: time, trace_id, span_id of spans (not zero); trace_id and
 * name, and a value or a label, of scores (without a span_id they amend nothing); trace_id, span_id and class of tags.
 * Numbers are finite.
 *
 * Duplicates: a span whose (trace_id, span_id) is stored already is dropped, whatever else it says: the first one stays.
 * Scores and tags of the same commit that speak of a dropped span are dropped with it. (Segments are asked only when
 * their time range holds the span's time; a resend has the same time.)
 * Usage: tokens_* and cost_usd of spans whose kind is known and neither llm nor embedding, and of llm spans with an llm
 * descendant, move into attributes as {"usage":{...}}, so that sums count every call once; see engine/usage.h.
 * STATUS_BUSY: too much waits for the disk or for sealing, try later; STATUS_READ_ONLY: see engine_health.
 */
MUST_CHECK enum status engine_append(struct engine *e, const struct append *a, struct append_result *ret,
                                     struct error *reterr);
/* STATUS_OK, or why engine_append would refuse any commit now (BUSY, READ_ONLY): to be asked before costly preparation. */
MUST_CHECK enum status engine_accepts(struct engine *e, struct error *reterr);
/* Moves commits along: never blocks. Returns the ticket up to which everything is durable and visible. */
uint64_t engine_pump(struct engine *e);
/* Readable when engine_pump has something to do. */
int engine_event_fd(struct engine *e);
/* Pumps until the ticket is durable. */
MUST_CHECK enum status engine_wait(struct engine *e, uint64_t ticket, int64_t timeout_ns, struct error *reterr);
/* Wakes the thread that pumps (engine_event_fd) and waits for it, without taking part. STATUS_BUSY: not durable within the time. Any
 * thread but the pumping one. */
MUST_CHECK enum status engine_wait_visible(struct engine *e, uint64_t ticket, int64_t timeout_ns, struct error *reterr);
/* Last batch_seq applied (durable or on its way) for a client; 0: unknown client. Writer thread. */
uint64_t engine_client_seq(struct engine *e, struct id128 client);
/* Which of the addresses are not stored yet: fills missing[] (capacity count), returns how many. Writer thread. */
uint32_t engine_messages_missing(struct engine *e, uint32_t project, const struct id128 *addresses, uint32_t count,
                                 struct id128 *missing);

/* ---- reading ---- */

/* Options, filters, readers and batches: engine/scan/scan.h. */
MUST_CHECK enum status scan_open(struct engine *e, const struct scan_options *options, struct scan **ret,
                                 struct error *reterr);
/* The JSON array of the messages a REFS cell names: "[" bodies joined by "," "]". A body that retention removed shows as
 * null. Any thread. */
MUST_CHECK enum status engine_messages_text(struct engine *e, uint32_t project, struct slice refs, struct arena *arena,
                                            struct slice *ret, struct error *reterr);

/* ---- upkeep, in the caller's thread ---- */

/* progress may be NULL; fraction in [0, 1]; returning false cancels. */
struct progress {
    bool (*report)(void *context, double fraction, const char *what);
    void *context;
};

/* Makes segments of all heads. Any thread. */
MUST_CHECK enum status engine_seal(struct engine *e, struct error *reterr);

struct compact_result {
    uint64_t merges, segments_in, segments_out, bytes_in, bytes_out;
};
/* All merges that are due (full: also those that are not, so that every hour, then day, is one file). */
MUST_CHECK enum status engine_compact(struct engine *e, bool full, const struct progress *progress, struct compact_result *ret,
                                      struct error *reterr);

struct retain_result {
    uint64_t segments, rows, bytes;   /* rows leave */
    uint64_t packs, messages, text_bytes; /* text leaves */
};
/* dry_run: only count. project 0: all. */
MUST_CHECK enum status engine_retain(struct engine *e, uint32_t project, const struct retention *retention, bool dry_run,
                                     const struct progress *progress, struct retain_result *ret, struct error *reterr);

/*
 * Changes cells of stored spans in place of amendments, for what touches much of history (prices, mappings): every
 * segment with changed rows is written anew and replaces the old one in the manifest, so a crash leaves the old or the new file.
 * Rows of heads are sealed first. Identity and order columns (time, trace_id, span_id, parent_id, session, seq) can't be changed.
 */
struct rewrite_rows {
    uint32_t rows;
    const struct vector *vectors; /* vectors[i] is read[i], amendments applied */
};
struct rewrite {
    uint32_t project;
    int64_t from_ns, until_ns;           /* rows whose time is in [from, until); 0, 0: all */
    const struct column *const *read;
    uint32_t read_count;
    /* For each block of rows: puts the columns to replace (whole vectors of in->rows rows, memory from the arena) into ret_columns
     * (room for 64) and their number into *ret_count; 0: nothing to change. *ret_changed: rows changed, for the report. Rows
     * outside the time range must be handed back as they were. Called from one thread. */
    enum status (*edit)(void *context, const struct rewrite_rows *in, struct arena *arena, struct batch_column *ret_columns,
                        uint32_t *ret_count, uint64_t *ret_changed, struct error *reterr);
    void *context;
    bool dry_run; /* edit() is called, nothing is written */
};
struct rewrite_result {
    uint64_t rows, changed;
    uint64_t segments, rewritten;
    uint64_t bytes_in, bytes_out;
};
MUST_CHECK enum status engine_rewrite(struct engine *e, const struct rewrite *r, const struct progress *progress,
                                      struct rewrite_result *ret, struct error *reterr);

struct finding {
    const char *path;
    uint64_t offset;
    const char *text;
};
/* Reads every byte of every file the manifest names, and names files nobody owns. Returns STATUS_CORRUPT when there was any
 * damage (each() was told), STATUS_OK otherwise. */
MUST_CHECK enum status engine_verify(struct engine *e, void (*each)(void *context, const struct finding *f), void *context,
                                     const struct progress *progress, struct error *reterr);

/* ---- looking ---- */

struct column_info {
    const char *name;
    const char *encoding; /* the most frequent of its blocks */
    uint64_t bytes;
};
struct segment_info {
    uint32_t project;
    enum table table;
    const char *path;
    const char *tier; /* "seal", "hour", "day" */
    uint64_t rows, bytes;
    int64_t time_min_ns, time_max_ns;
    uint64_t seq_min, seq_max;
    uint32_t patches; /* amendments not folded in yet */
    const struct column_info *columns;
    uint32_t column_count;
};
/* Calls each() for every live segment, with columns only when asked for (reads footers). */
MUST_CHECK enum status engine_segments(struct engine *e, bool columns, void (*each)(void *context, const struct segment_info *s),
                                       void *context, struct error *reterr);

struct text_info {
    uint64_t messages, bytes, stored_bytes, packs;
};
struct text_info engine_text_info(struct engine *e, uint32_t project);

struct engine_health {
    bool writable;
    char reason[256]; /* why not */
    const char *io;   /* "io_uring", "posix" */
    uint64_t head_rows, head_bytes, segments, segment_bytes;
    uint64_t wal_files, wal_bytes, commits, commit_failures;
    uint64_t disk_free_bytes, disk_total_bytes;
    uint64_t recovered_records, torn_bytes; /* at open */
    uint64_t damaged_files;                 /* found at open and set aside */
    uint64_t durable_ticket;
};
struct engine_health engine_health(struct engine *e);
/* Rows ever committed (spans), durable. For rates and `tail`. */
uint64_t engine_last_seq(struct engine *e);

#endif
