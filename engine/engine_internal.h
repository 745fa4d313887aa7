/*
 * engine_internal.h - what the files of this folder share. Nobody else includes it.
 *
 * Commit path, all under write_lock, in the writer's thread:
 *
 *   engine_append  check -> drop duplicates -> fill in -> wal_append -> apply to heads (not visible)
 *   engine_pump    wal_pump -> for every commit that became durable: publish rows, extend patch sets
 *
 * so the order of a head is the order of the log, nothing is visible before it is durable, and a stalled log
 * loses nothing: what it holds is published when it moves again.
 *
 * Locks, taken in this order:
 *
 *   compact_lock   one merge or retention pass at a time
 *   seal_lock      one seal at a time (a merge may seal from its throttle)
 *   manifest_lock  the manifest; held across its fsync
 *   write_lock     everything the writer owns. The writer holds it while it appends and pumps; others only
 *                  for pointer swaps and small lookups, never across file writes
 *   state_lock     source lists, patch sets and what is published: a few instructions
 *
 * Source lists and patch sets change under write_lock and state_lock together, so either is enough to read them.
 */
#ifndef DRIFTLINE_ENGINE_INTERNAL_H
#define DRIFTLINE_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/thread.h"
#include "engine/client_table.h"
#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/manifest/manifest.h"
#include "engine/row_map.h"
#include "engine/scan/source.h"
#include "engine/text/text.h"
#include "engine/turn.h"
#include "engine/usage.h"
#include "engine/wal/wal.h"

/* Amendments of spans nobody has seen; the oldest go first (their score and tag rows stay). */
#define ORPHANS_MAX 1000000u
/* More patch files of a project than this are written into one. */
#define PATCH_FILES_MAX 8u

struct source_list {
    struct source **items;
    size_t capacity;
    uint32_t count;
    struct source *active; /* the head commits go to; one of items, or NULL */
};

/* A span that took amendments which came before it: they stay in the orphan table until its head is sealed. */
struct joined {
    struct id128 trace_id;
    uint64_t span_id;
    uint64_t seq; /* of the span */
};

struct patch_file {
    uint64_t number;
    uint64_t bytes;
};

struct project {
    uint32_t number;
    char name[PROJECT_NAME_MAX + 1];
    struct schema schema;
    struct text_store *text;
    struct source_list tables[TABLE_COUNT];
    struct turn_map turns;
    struct usage_map usage;
    struct patch_table *orphans;
    struct joined *joined;
    size_t joined_capacity;
    uint32_t joined_count;
    uint64_t filed_seq;             /* amendments up to here are in segments or patch files */
    struct patch_file *patch_files; /* live ones */
    size_t patch_file_capacity;
    uint32_t patch_file_count;
    bool patch_file_damaged; /* one could not be read: it stays where it is */
    uint64_t head_rows;      /* appended to heads not sealed yet */
    uint64_t frozen_bytes;   /* heads that wait to be sealed */
    uint64_t head_bytes;     /* all heads and messages in memory, as last counted */
};

/* Where a span is stored. */
struct place {
    struct source *source;
    uint64_t row;
};
struct place_list {
    struct place *items;
    size_t capacity;
    uint32_t count;
};
/* items[first .. first + count) of a place_list; or the span is row `first` of the commit itself. */
#define LOCATED_IN_COMMIT UINT32_MAX
struct located {
    uint32_t first;
    uint32_t count;
};
/* The spans that a commit's scores and tags speak of. Located in the arena's memory. */
struct commit_places {
    struct located *located[TABLE_COUNT]; /* by row of scores and tags */
    struct place_list list;
};

struct pending_amendment {
    struct amendment amendment;
    struct place place;
    bool first; /* false: one more place of the amendment before it */
};

/* A commit on its way to the disk. */
struct pending {
    uint64_t seq;
    struct project *project;
    struct source *heads[TABLE_COUNT]; /* NULL: no rows of that table */
    uint64_t rows[TABLE_COUNT];        /* of the head, this commit included */
    struct pending_amendment *amendments;
    uint32_t amendment_count;
    uint64_t generation; /* of the places */
    struct arena arena;  /* the amendments */
    struct id128 client;
    uint64_t batch_seq;
};

struct engine {
    struct io *io;
    struct engine_options options;
    bool damaged_at_open; /* then nothing that looks unowned is deleted */
    uint32_t damaged_files;

    struct mutex compact_lock;
    atomic_uint compact_waiters; /* callers who want it: background merges stop pacing themselves */
    struct mutex seal_lock;
    struct mutex manifest_lock;
    struct mutex write_lock;
    struct mutex state_lock;

    struct manifest *manifest;
    struct wal *wal; /* NULL when read_only */
    struct wal_recovery recovery;

    /* Projects are only ever added; their pointers never change. */
    struct project *projects[PROJECTS_MAX];
    atomic_uint project_count;

    /* write_lock */
    struct client_table clients;
    struct pending *pending; /* ring */
    size_t pending_capacity; /* a power of two */
    size_t pending_first;
    size_t pending_count;
    uint64_t generation;       /* changes when a source is replaced */
    uint64_t last_seq;         /* of the last commit applied */
    uint64_t head_bytes;       /* sum over projects */
    int64_t unsealed_since_ns; /* monotonic; 0: nothing to seal */
    uint64_t release_seq;      /* the log may forget what is below; 0: nothing new */
    bool writer_known;
    pthread_t writer;
    struct arena scratch;  /* of one append */
    struct buffer encoded; /* of one append */
    uint64_t hash_seed;
    bool disk_low; /* appends are refused until there is room again */
    char disk_reason[160];

    /* state_lock */
    uint64_t published_seq; /* everything up to here is durable and visible */
    struct condition published;

    /* state_lock */
    bool rewriting; /* one engine_rewrite at a time */

    /* seal_lock */
    struct seal *prepared; /* written, but the manifest could not be told yet */

    /* manifest_lock: files that may leave once a manifest commit succeeds */
    char **garbage;
    size_t garbage_capacity;
    size_t garbage_count;

    /* maintenance */
    struct mutex wake_lock;
    struct condition wake;
    bool stopping;
    bool seal_wanted;
    uint32_t thread_count;
    struct thread threads[2];
    bool reserve_made;     /* seal thread */
    int64_t seal_retry_ns; /* sealing thread */
};

/* ---- engine.c ---- */

struct project *engine_find_project(struct engine *e, uint32_t number, struct error *reterr);
void engine_log(struct engine *e, const char *level, const char *format, ...) PRINTF_LIKE(3, 4);
/* Makes the project's folders and structures; its number is the next. */
MUST_CHECK enum status project_create(struct engine *e, const char *name, bool make_dirs,
                                      struct project **ret, struct error *reterr);
void source_list_add(struct source_list *l, struct source *s);
void source_list_remove(struct source_list *l, const struct source *s);

void project_publish(struct engine *e, struct project *p);
void patch_file_note(struct project *p, uint64_t number, uint64_t bytes);
uint64_t engine_pump_locked(struct engine *e) REQUIRES(e->write_lock);

/* ---- engine_stage.c ---- */

/* Amendments on their way into the patch sets of their sources. Zero is empty. */
struct staged {
    struct source *source;
    size_t order; /* of the log */
    struct patch_row row;
};
struct extension {
    struct source *source;
    struct patch_set *set;
};
struct patch_staging {
    struct staged *items;
    size_t capacity;
    size_t count;
    struct extension *extensions;
    size_t extension_capacity;
    size_t extension_count;
};
/* The amendment must outlive patch_staging_extend. */
void patch_stage(struct patch_staging *st, const struct place *place,
                 const struct amendment *amendment);
/* Makes the new sets. */
void patch_staging_extend(struct patch_staging *st) REQUIRES(e->write_lock);
/* Readers see them from now on. */
void patch_staging_swap_locked(struct patch_staging *st) REQUIRES(e->state_lock);
void patch_staging_deinit(struct patch_staging *st);

/*
 * Rows move from old sources (heads being sealed, inputs of a merge) to new ones that nobody sees yet; amendments that came
 * after fold_seq must move with them. carry_begin does most of it without a lock; carry_finish, in the section that also
 * swaps the lists, what came meanwhile.
 */
struct carry {
    struct source *const *from;
    uint32_t from_count;
    struct source *const *to;
    uint32_t to_count;
    uint64_t done_seq; /* amendments up to here are carried over */
};
void carry_begin(struct engine *e, struct carry *c, uint64_t fold_seq);
void carry_finish(struct carry *c) REQUIRES(e->write_lock);

/* ---- engine_check.c ---- */

/* Are these rows that can be stored as they are? STATUS_INVALID or STATUS_LIMIT naming row and column. *bytes grows by what their
 * strings and texts take. */
MUST_CHECK enum status engine_batch_check(const struct batch *b, enum table table,
                                          struct schema *schema, uint64_t *bytes,
                                          struct error *reterr);

/* ---- engine_locate.c ---- */

/* Decoded blocks of segments. Zero is not valid: create one. */
struct place_reader;
struct place_reader *place_reader_create(void);
void place_reader_destroy(struct place_reader *r);

struct locate_request {
    const struct id128 *traces;
    const uint64_t *spans;
    uint32_t count;
    bool segments_only;
    const int64_t *times; /* NULL: all segments are asked; else only those that times[i] lies in */
};
/* All places of each span; what can't be read is passed over. ret[] has count entries into *places. */
void locate(struct project *p, const struct locate_request *request, struct place_reader *reader,
            struct located *ret, struct place_list *places) REQUIRES(e->write_lock);
/* The same in sources of spans given one by one. */
void locate_in(struct source *const *sources, uint32_t source_count,
               const struct locate_request *request, struct place_reader *reader,
               struct located *ret, struct place_list *places);
void place_list_deinit(struct place_list *l);
/* One cell of a STR column of spans, as written; false when NULL. Valid as long as the source. */
bool place_str(struct place_reader *r, const struct place *place, uint16_t column_id,
               struct slice *ret);
/* Locates what scores and tags of a commit speak of. map is over its spans. */
void commit_locate(struct project *p, const struct commit *c, const struct row_map *map,
                   struct place_reader *reader, struct arena *arena, struct commit_places *ret);
/* For usage_settle; context is the project. Unsealed heads only. */
bool project_stored_parent(void *context, struct id128 trace_id, uint64_t span_id,
                           uint64_t *ret_parent) REQUIRES(e->write_lock);
/* (source, amendment) pairs of the spans' places; of segments only those that the amendment is not folded into. */
bool place_takes(const struct place *place, uint64_t amendment_seq);

/* ---- engine_apply.c ---- */

/* Applies a commit that has its sequence to heads, text, orphans and clients and queues it for publishing. Everything in
 * *c was checked. */
void engine_apply(struct engine *e, struct project *p, uint64_t seq, const struct commit *c,
                  const struct commit_places *places) REQUIRES(e->write_lock);
/* Makes everything up to durable_seq visible. */
void engine_publish(struct engine *e, uint64_t durable_seq) REQUIRES(e->write_lock);
/* The project's share of memory, counted anew. */
void engine_count_bytes(struct engine *e, struct project *p) REQUIRES(e->write_lock);

/* ---- engine_recover.c ---- */

/* Everything from the manifest to the log. */
MUST_CHECK enum status engine_recover(struct engine *e, struct error *reterr);
/* Files in the projects' folders that the manifest does not name. */
void engine_unowned_each(struct engine *e, void (*each)(void *context, const char *path),
                         void *context) REQUIRES(e->manifest_lock);

/* ---- engine_seal.c ---- */

void seal_if_due(struct engine *e);
/* Opens a segment just written; a damaged one is an error. */
MUST_CHECK enum status segment_register(struct engine *e, struct project *p, uint64_t number,
                                        const struct segment_meta *meta, struct source **ret,
                                        struct error *reterr);
/* Drops what a failed seal left in memory; its files are found again at the next open. */
void seal_discard(struct engine *e);

/* ---- engine_replace.c ---- */

/* A segment that takes the place of others. */
struct replacement {
    struct project *project;
    enum table table;
    struct source *const *inputs; /* the caller's references, on top of the list's */
    uint32_t input_count;
    struct source *output; /* goes to the list when swapped */
    uint64_t fold_seq;     /* amendments up to here are in the output */
};
/* One manifest commit adds the output and removes the inputs. When it fails the output's file is garbage and its source stays
 * the caller's. */
MUST_CHECK enum status replacement_tell(struct engine *e, const struct replacement *r,
                                        struct error *reterr) REQUIRES(e->compact_lock);
/* Readers see the output from now on, with the amendments that came meanwhile. */
void replacement_swap(struct engine *e, const struct replacement *r) REQUIRES(e->compact_lock);

/* ---- engine_refs.c ---- */

/* Writes those messages of the packs that spans younger than until_ns refer to into a new pack (not opened, not in the
 * manifest; its time_max_ns is now). ret->messages == 0: there are none. From here on the packs' messages count
 * as not stored for new commits. */
MUST_CHECK enum status refs_keep(struct engine *e, struct project *p, const uint64_t *numbers,
                                 uint32_t count, int64_t until_ns, struct manifest_pack *ret,
                                 struct error *reterr);

/* ---- engine_maintain.c ---- */

void maintenance_start(struct engine *e);
void maintenance_stop(struct engine *e);
/* compact_lock for someone who waits for the outcome. */
void compact_lock_now(struct engine *e);
bool maintenance_stopping(struct engine *e);
/* Something may be due. Any lock may be held. */
void maintenance_wake(struct engine *e, bool seal);
/* One round, throttled; seals between blocks. */
MUST_CHECK enum status compact_background(struct engine *e, struct compact_result *ret,
                                          struct error *reterr);
MUST_CHECK enum status retain_background(struct engine *e, struct retain_result *ret,
                                         struct error *reterr);
/* manifest_commit and what follows from it: files that had to wait for a success leave. */
MUST_CHECK enum status manifest_tell(struct engine *e, const struct manifest_edit *edits,
                                     uint32_t count, struct error *reterr)
    REQUIRES(e->manifest_lock);
/* The file is in no use, but the manifest may still name it if the last commit failed. */
void garbage_add(struct engine *e, const char *path) REQUIRES(e->manifest_lock);
uint64_t engine_next_number(struct engine *e);
/* Refuses appends while the disk is nearly full, and keeps the reserve. */
void engine_check_disk(struct engine *e);

#endif
