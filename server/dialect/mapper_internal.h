/*
 * mapper_internal.h - what the parts of the mapper share.
 *
 * A span is mapped in one pass over its attributes: each is looked up (dialect_table.h) and offered to the slots of
 * the targets it is a source of; the best rank stays (mapper_collect.c). Then what needs more than one slot is settled
 * (mapper_settle.c, mapper_usage.c), cells are written, and what became no cell goes into `attributes`
 * (mapper_attributes.c).
 *
 * Memory:  texts of slots are borrowed from the span or live in the mapper's arena, which is emptied for every span.
 */
#ifndef DRIFTLINE_MAPPER_INTERNAL_H
#define DRIFTLINE_MAPPER_INTERNAL_H

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/limits.h"
#include "server/dialect/content.h"
#include "server/dialect/dialect_table.h"
#include "server/dialect/mapper.h"

#define SCORES_PER_SPAN_MAX 64u
#define MEMBER_DEPTH_MAX    8u
#define RANK_NONE           UINT16_MAX
#define RANK_DERIVED        (UINT16_MAX - 1) /* no source said so: settled from others */
#define NOT_AN_ATTRIBUTE    (-1)

/* A converted value. */
struct found {
    union {
        struct slice text;
        int64_t integer;
        double number;
    };
    bool exact; /* says as much as the source did, which therefore need not be kept */
};

/* The best candidate of a target so far. */
struct slot {
    struct found found;
    int32_t origin; /* the attribute it came from, or count + event; NOT_AN_ATTRIBUTE */
    uint16_t rank;  /* RANK_NONE: empty; RANK_DERIVED */
};

/* What became of one attribute, or (behind the attributes) of one event. */
struct trace {
    uint32_t code;  /* of its name in the table; 0: not remembered */
    uint16_t first; /* its first source + 1 */
    uint16_t
        leaves;    /* values in it that could become something: 1, or the members of a JSON value */
    uint16_t used; /* how many did, exactly */
    bool has_members;
    bool is_reserved;
    bool hidden; /* the same name comes again: the later one counts */
};

/* One score of the span, from parts or whole. */
struct score_part {
    struct slice identity; /* its place without the last name */
    struct slice name;
    struct slice label;
    struct slice explanation;
    double value;
    int64_t time_ns;    /* 0: the span's end */
    int32_t origins[4]; /* where name, value, label, explanation came from */
    bool has_value;
    bool is_event;
};

/* Where a value stands. */
struct origin {
    struct slice key; /* as it came: for scores, whose parts belong together by it */
    int32_t index;    /* of its trace; NOT_AN_ATTRIBUTE */
    int64_t time_ns;  /* of its event */
    bool is_event;
};

/* Slots and JSON of a resource's attributes: the same for all its spans. */
struct resource_cache {
    const struct otlp_resource *resource;
    const struct attribute *items;
    uint64_t serial; /* 0: nothing is cached */
    struct slot slots[TARGET_COUNT];
    struct buffer
        json; /* `"resource":{...}` without what became cells; empty when nothing is left */
    struct buffer
        whole; /* the same with everything, for spans that say otherwise than their resource */
    struct arena arena; /* texts of slots */
};

/* The JSON of the scope that came last: most spans of a request have the same. */
struct scope_cache {
    struct buffer name;
    struct buffer version;
    struct buffer schema_url;
    struct buffer json;
    bool is_set;
};

struct mapper {
    struct dialect dialect;
    struct content *content;
    bool is_explaining;
    struct mapper_explain explain;

    struct arena arena;
    struct resource_cache resource;
    struct scope_cache scope;
    uint64_t epoch;
    uint16_t span_name; /* first sources of fields */
    uint16_t status_message;

    /* Of the current span. */
    const struct otlp_span *span;
    const struct otlp_log
        *log; /* NULL: it is no log record. Its body is the span's attribute behind its own */
    const uint64_t *have; /* NULL: not a remap */
    struct slot slots[TARGET_COUNT];
    struct trace *traces;
    size_t traces_capacity;
    uint16_t *claims; /* content_claim of every attribute */
    size_t claims_capacity;
    struct intern strays;  /* names of this span's attributes that are not remembered */
    uint32_t *stray_index; /* by code in strays: which attribute */
    size_t strays_capacity;
    struct score_part scores[SCORES_PER_SPAN_MAX];
    uint32_t score_count;
    struct content_result content_result;
    struct slice kind;
    const char *truncated[8]; /* columns that were cut */
    uint32_t truncated_count;
    bool ends_before_start;
    struct buffer json;
    struct buffer name; /* composed names */
};

/* ---- mapper_value.c ---- */

/* False: the value is no such thing, or empty. */
bool mapper_value_text(struct mapper *m, const struct value *v, struct slice *ret);
bool mapper_value_number(const struct value *v, double *ret);
bool mapper_value_convert(struct mapper *m, enum how how, const struct source *source,
                          const struct origin *origin, const struct value *v, struct found *ret);
bool found_equal(enum holds holds, const struct found *a, const struct found *b);
/* The token just read as a value; texts in the arena or the JSON itself. */
struct value mapper_value_of_token(struct json *j, enum json_token token, struct arena *arena);
/* The JSON in a text or JSON value; empty: there is none. */
struct slice mapper_value_json(const struct value *v);

/* ---- mapper_words.c: spellings become our words; false: it says nothing ---- */

bool kind_convert(struct mapper *m, struct slice text, struct found *ret);
bool kind_by_ending(struct mapper *m, struct slice text, struct found *ret);
bool provider_convert(struct mapper *m, struct slice text, struct found *ret);
/* A reason that is in no vocabulary is kept in lower case. */
bool finish_convert(struct mapper *m, struct slice text, struct found *ret);
/* A bare reason, or the first of an array of them. */
bool finish_of_value(struct mapper *m, const struct value *v, struct found *ret);
struct slice text_unquoted(struct slice text);
struct slice text_lower_case(struct slice text, struct arena *arena);
bool text_ends_with(struct slice text, struct slice ending);

/* ---- mapper_collect.c ---- */

/* Offers the resource, fields, attributes and events of m->span to the slots. */
void mapper_collect(struct mapper *m);
/* The place of an event, or of one of its attributes; NULL: none. */
const struct place *event_place(struct mapper *m, struct slice event, const struct slice *key);
const struct place *resource_place(struct mapper *m, struct slice key);

/* ---- mapper_settle.c, mapper_usage.c ---- */

void settle_kind(struct mapper *m);
/* Everything else; content_result is there. */
void mapper_settle(struct mapper *m);
void settle_usage(struct mapper *m);

/* How long the span took; 0 when it does not say or the times make no sense. */
static inline int64_t span_duration_ns(const struct otlp_span *span)
{
    int64_t duration_ns;
    bool is_sound = span->start_ns > 0 && span->end_ns > span->start_ns &&
                    !__builtin_sub_overflow(span->end_ns, span->start_ns, &duration_ns);
    return is_sound ? duration_ns : 0;
}

static inline bool slot_has(const struct mapper *m, enum target target)
{
    return m->slots[target].rank != RANK_NONE;
}

/* ---- mapper_scores.c ---- */

void scores_take(struct mapper *m, enum how how, const struct origin *origin,
                 const struct value *v);
/* Adds the rows. */
void scores_write(struct mapper *m, struct mapped *to);
/* For a remap: only scores that no earlier table gave. Returns how many. */
uint32_t scores_write_again(struct mapper *m, struct mapped *to);
/* A name of a score: what may not stand in one becomes '_'. */
struct slice score_name_clean(struct slice name, struct arena *arena);

/* ---- mapper_told.c ---- */

/* Counts what became cells, attribute by attribute: before attributes_write and explain_span. */
void attributes_count(struct mapper *m);
/* All of attribute i (or event i - count) stands in cells. */
bool attribute_is_told(const struct mapper *m, uint32_t index);
/* What the messages' reader made of it. */
enum content_field content_field_of(const struct mapper *m, uint32_t index);
/* The slot that holds the same as this value at that place, TARGET_COUNT: none. */
enum target equal_target(struct mapper *m, uint16_t first, const struct origin *origin,
                         const struct value *v);

/* ---- mapper_attributes.c ---- */

/* Writes what became no cell as JSON into m->json; the empty text when nothing is left. */
void attributes_write(struct mapper *m);
/* `"resource":{...}`; is_whole: also what became cells of m->slots. */
void resource_write(struct mapper *m, const struct otlp_resource *resource, bool is_whole,
                    struct buffer *to);
/* The messages' reader took a part of it only. */
bool attribute_has_rest(const struct mapper *m, uint32_t index);
/* A column was cut: `attributes` will say so. */
void note_truncated(struct mapper *m, const char *column);

/* ---- mapper_json.c ---- */

void json_add_value(struct buffer *to, const struct value *v);
void json_add_int(struct buffer *to, int64_t value);
/* The longest start of at most bytes_max bytes that ends with a whole character. */
struct slice text_cut(struct slice text, size_t bytes_max);

/* ---- mapper_explain.c ---- */

void explain_span(struct mapper *m);

/* ---- mapper.c ---- */

/* Begins a span: empties what was kept for the last one. */
void mapper_begin(struct mapper *m, const struct otlp_span *span, const struct otlp_log *log,
                  const uint64_t *have);
/* Maps the span into the row begun last. */
void mapper_row(struct mapper *m, struct mapped *to);
/* The cells of the slots; returns how many. */
uint32_t cells_write(struct mapper *m, struct builder *row);
/* Empties the slots of columns that have a value already. */
void slots_without(struct mapper *m, const uint64_t *have);

#endif
