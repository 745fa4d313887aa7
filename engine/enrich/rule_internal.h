/*
 * rule_internal.h - rules as they are compiled, and fields as they are read.
 */
#ifndef DRIFTLINE_ENRICH_RULE_INTERNAL_H
#define DRIFTLINE_ENRICH_RULE_INTERNAL_H

#include "engine/enrich/rule.h"
#include "engine/enrich/rule_regex.h"

enum rule_field_id {
#define RULE_TEXT(name, member)             FIELD_##name,
#define RULE_INTEGER(name, member, divisor) FIELD_##name,
#define RULE_REAL(name, member)             FIELD_##name,
#define RULE_ID(name, member)               FIELD_##name,
#define RULE_MESSAGES(name, doc)            FIELD_##name,
#include "engine/enrich/rule_field.def"
#undef RULE_TEXT
#undef RULE_INTEGER
#undef RULE_REAL
#undef RULE_ID
#undef RULE_MESSAGES
    RULE_FIELD_COUNT,
    FIELD_ATTRIBUTE = RULE_FIELD_COUNT, /* attributes.KEY: text or number, as it comes */
    FIELD_NONE,
};

/* The value of a field of one span. */
struct rule_value {
    bool is_null;
    bool is_number;
    double number;
    struct slice text;
};

/* A node with its field resolved and its expression compiled. */
struct rule_step {
    enum rule_op op;
    enum rule_field_id field;
    struct slice key; /* of an attribute */
    struct slice text;
    double number;
    bool is_number;
    struct slice *values;
    double *numbers; /* of a number field's values */
    uint32_t value_count;
    struct regex *regex; /* owned by the rules */
    struct rule_step *children;
    uint32_t child_count;
};

/* What the rules share while they look at one span. */
struct rule_run {
    const struct span_view *view;
    struct arena *arena;
    struct slice messages[3]; /* input_text, output_text, last_user_text */
    bool has_messages[3];
};

/* STATUS_INVALID with the nearest field. */
MUST_CHECK enum status rule_field_find(struct slice name, struct arena *arena,
                                       enum rule_field_id *ret, struct slice *ret_key,
                                       struct error *reterr);
bool rule_field_is_number(enum rule_field_id field);
void rule_field_read(struct rule_run *run, const struct rule_step *step, struct rule_value *ret);

enum rule_truth {
    RULE_FALSE,
    RULE_TRUE,
    RULE_UNKNOWN /* a limit was met */
};
enum rule_truth rule_evaluate(struct rule_run *run, const struct rule_step *step);

#endif
