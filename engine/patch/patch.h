/*
 * patch.h - amendments: cells of stored spans that changed later (tags and scores), kept beside the rows.
 *
 * An amendment names a span, a column (error_class, class_source or score.NAME) and the new value. The amendments of a project live in one
 * table in memory (and in the WAL); those not folded at a seal go to a patch file, so that the WAL can let go of them. A source
 * of rows (head or segment) gets a patch_set: its amendments by row, applied to vectors after decoding.
 *
 * Format:    FORMAT.md 7 (files pN/patch/NNNNNNNNNN.patch)
 * Threads:   patch_table under the engine's lock; patch_set immutable, reference counted.
 */
#ifndef DRIFTLINE_PATCH_H
#define DRIFTLINE_PATCH_H

#include "engine/base/io.h"
#include "engine/span/batch.h"

struct amendment {
    uint64_t seq; /* commit sequence: later wins */
    struct id128 trace_id;
    uint64_t span_id;
    const struct column *column;
    union {
        double f64;  /* F64 columns */
        int64_t i64; /* I64 columns */
    };
    struct slice bytes; /* STR columns */
};
/* F64, I64 and STR columns can be amended. */
bool patch_can_amend(const struct column *column);

/* All amendments of a project that are not folded into every place yet. */
struct patch_table;
struct patch_table *patch_table_create(struct schema *schema);
void patch_table_destroy(struct patch_table *t);
/* Copies. A later seq for the same span and column replaces the earlier; of equal seqs the one added last stays. */
void patch_table_add(struct patch_table *t, const struct amendment *a);
uint64_t patch_table_count(const struct patch_table *t);
/* The amendments of one span, newest value a column; returns how many (may be more than max). Valid until the table changes, as is
 * what each() gets. */
uint32_t patch_table_find(const struct patch_table *t, struct id128 trace_id, uint64_t span_id, const struct amendment **ret, uint32_t max);
/* Calls each() for all with seq > after_seq, in no order. */
void patch_table_each(const struct patch_table *t, uint64_t after_seq, void (*each)(void *context, const struct amendment *a), void *context);
/* Drops amendments for which done() is true. */
void patch_table_prune(struct patch_table *t, bool (*done)(void *context, const struct amendment *a), void *context);

/* The amendments of one source by row. Zero amendments: NULL set. */
struct patch_set;
struct patch_row {
    uint64_t row;
    const struct amendment *amendment;
};
/* A new set = the old one (may be NULL, stays the caller's) plus these; copies what it needs. A few rows cost little however large the old
 * set is: sorted runs are shared between sets and merged when they are of like size. For the same row and column the later seq wins. */
struct patch_set *patch_set_extend(const struct patch_set *old, const struct patch_row *rows, uint32_t count);
struct patch_set *patch_set_ref(struct patch_set *s);
void patch_set_unref(struct patch_set *s);
/* Cells, each once. Accepts NULL, as do all below that take a const set. */
uint32_t patch_set_count(const struct patch_set *s);
/* Does the set touch the column in rows [first, first + count)? */
bool patch_set_touches(const struct patch_set *s, const struct column *column, uint64_t first, uint64_t count);
/* Calls each() for every amendment of the set, by row; the amendment is the callee's only during the call. */
void patch_set_each(const struct patch_set *s, void (*each)(void *context, uint64_t row, const struct amendment *a), void *context);
/* The dictionary of a STR column as this set extends it: base values first, then the set's own; made once per (set, column, base) and
 * kept with the set. The base's values must live as long as the set is used with them. Any thread. */
const struct dict *patch_set_dict(struct patch_set *s, const struct column *column, const struct dict *base);
/* Applies the set to the vector of rows [first, first + rows). Copies into the arena what it changes; a vector the set does not touch stays as it
 * is, dict included. Accepts a NULL set. Any thread. */
void patch_set_apply(struct patch_set *s, const struct column *column, uint64_t first, struct vector *v, struct arena *arena);

/* Patch files. More amendments, or more bytes of values, are STATUS_LIMIT. Nothing of a damaged file gets into the table. */
#define PATCH_FILE_AMENDMENTS_MAX (16u << 20)
#define PATCH_FILE_BYTES_MAX      (1u << 30)
MUST_CHECK enum status patch_file_write(struct io *io, const char *path, const struct amendment *const *amendments, uint32_t count,
                                        uint64_t *ret_bytes, struct error *reterr);
MUST_CHECK enum status patch_file_read(struct io *io, const char *path, struct schema *schema, struct patch_table *to,
                                       struct error *reterr);

#endif
