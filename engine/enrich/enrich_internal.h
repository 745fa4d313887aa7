/*
 * enrich_internal.h - what the enrich_*.c files share: the enricher, and one batch's pass through it.
 *
 * Each stage reads work->spans and puts columns into it; vectors that came from outside are never written through.
 */
#ifndef DRIFTLINE_ENRICH_INTERNAL_H
#define DRIFTLINE_ENRICH_INTERNAL_H

#include "engine/base/thread.h"
#include "engine/enrich/classify.h"
#include "engine/enrich/enrich.h"
#include "engine/enrich/mask_memory.h"
#include "engine/enrich/trace_memory.h"
#include "engine/span/batch_edit.h"

enum trace_scorer {
#define TRACE_SCORER(name, version, doc) TRACE_##name,
#include "engine/enrich/trace_scorer.def"
#undef TRACE_SCORER
    TRACE_SCORER_COUNT
};

struct families; /* enrich_trace.c: which spans of recent traces came */

struct enricher {
    struct mutex lock;
    struct arena arena; /* definitions of classes */
    struct enrich_settings settings;
    struct scorers *scorers;       /* NULL: off */
    struct trace_memory *failures; /* failed calls; NULL: off */
    struct families *families;     /* NULL: off */
    struct mask_memory *masked;    /* NULL: no masker */
    uint64_t mask_counts[MASK_RULES_MAX];
    struct enrich_counts totals;
    char version[64];
};

/* ---- enrich_bodies.c: message bodies by address ---- */

/* Zero is empty. */
struct body_map {
    struct body_slot *slots;
    uint32_t slot_count; /* a power of two */
    uint32_t used;
    uint64_t fetched_bytes;
};
/* The bodies of the work's messages; memory from the work's arena. */
void body_map_init(struct body_map *map, const struct enrich_work *work);
/* False: it did not come with the batch, and was not fetched yet. */
bool body_map_has(const struct body_map *map, struct id128 address, struct slice *ret);
/* From the messages, or through work->body (asked once an address, as long as ENRICH_FETCH_BYTES_MAX lasts); empty: not at
 * hand. */
struct slice body_map_find(struct body_map *map, const struct enrich_work *work,
                           struct id128 address);
#define ENRICH_FETCH_BYTES_MAX (64u << 20)

/* ---- enrich_view.c: a row as scorers see it ---- */

#define VIEW_FIELDS_MAX 48u

struct view_field {
    const struct vector *vector;
    uint16_t offset;     /* of the field in struct span_view */
    uint16_t has_offset; /* of a bool beside it; 0: none */
};
struct view_reader {
    const struct enrich_work *work;
    struct body_map *bodies;
    const struct scorers *scorers; /* NULL: all bodies are asked for */
    struct view_field fields[VIEW_FIELDS_MAX];
    uint32_t field_count;
    const struct vector *refs[3]; /* input, output, tools */
    struct text_message *messages[3];
    size_t capacities[3];
};
/* scorers: input messages they remember the facts of, and that did not come with the batch, are not asked for: a history is
 * sent by reference with every turn, and reading it from the store each time would cost more than all scorers. */
void view_reader_init(struct view_reader *r, const struct enrich_work *work,
                      struct body_map *bodies, const struct scorers *scorers);
void view_reader_deinit(struct view_reader *r);
/* Valid until the next call. */
void view_read(struct view_reader *r, uint32_t row, struct span_view *ret);

/* ---- enrich_columns.c: columns that come out ---- */

/* A STR column being changed: codes of its own and a dictionary with room for new values. */
struct str_edit {
    struct vector vector;
    struct dict *dict;
    struct slice *values;
    uint32_t *codes;
};
/* room: how many values may be added. */
struct str_edit str_edit_begin(const struct batch *b, uint16_t column_id, uint32_t room,
                               struct arena *arena);
uint32_t str_edit_value(struct str_edit *edit, struct slice value);
void str_edit_end(const struct str_edit *edit, struct batch *b, uint16_t column_id);

#define SCORE_SLOTS_MAX (SCORER_COUNT + RULES_MAX + TRACE_SCORER_COUNT)
struct score_slot {
    const char *name;            /* compared as a pointer first */
    const struct column *column; /* NULL: the project has no room for another score column */
    struct vector vector;
};
/* score.NAME columns and findings, made when the first row has something for them. */
struct score_columns {
    struct enrich_work *work;
    struct score_slot slots[SCORE_SLOTS_MAX];
    uint32_t count;
    uint32_t hint; /* scorers come in the same order row after row */
    struct vector findings;
    bool has_findings;
    struct buffer text; /* of the current row */
};
void score_columns_add(struct score_columns *c, uint32_t row, const struct score *score);
/* Words under a name in the row's findings. */
void score_columns_finding(struct score_columns *c, const char *name, struct slice words);
/* After the last score of a row. */
void score_columns_row(struct score_columns *c, uint32_t row);
void score_columns_end(struct score_columns *c);

/* ---- the stages ---- */

/* enrich_mask.c */
REQUIRES(e->lock)
void enrich_mask_locked(struct enricher *e, struct enrich_work *work, struct enrich_counts *counts);

/* enrich_price.c */
void enrich_price(struct price_table *prices, struct enrich_work *work,
                  struct enrich_counts *counts);

/* enrich_class.c: error_class and class_source. */
struct class_column {
    const struct taxonomy *taxonomy;
    struct enrich_work *work;
    const struct vector *given;  /* the client's; NULL: none */
    const uint8_t *given_states; /* of the codes of its dictionary */
    struct str_edit classes;
    uint32_t
        codes[TAXONOMY_CLASSES_MAX]; /* of the taxonomy's classes in classes; 0: not there yet */
    struct str_edit sources;
    uint32_t rule_code;
    uint32_t client_code;
    bool begun;
};
MUST_CHECK enum status class_column_init(struct class_column *c, const struct taxonomy *taxonomy,
                                         struct enrich_work *work, struct error *reterr);
/* The class of a row: what the client said, else the best of what its facts and scores suggest. */
void class_column_row(struct class_column *c, uint32_t row, const struct span_view *view,
                      const struct score_list *scores, struct enrich_counts *counts);
/* lenient: what the client sent and nobody knows; empty when there is nothing to say. */
struct slice class_column_unknown(const struct class_column *c, uint32_t row);
void class_column_end(struct class_column *c);

/* enrich_trace.c */
struct families *families_create(void);
void families_destroy(struct families *f);
/* Notes that all rows of the batch came; before the first trace_scores of the batch. */
void families_note(struct families *f, const struct batch *spans);
REQUIRES(e->lock)
void trace_scores_locked(struct enricher *e, const struct span_view *view, struct arena *scratch,
                         struct score_list *to);

#endif
