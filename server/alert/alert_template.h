/*
 * alert_template.h - texts with {{column}} holes, filled from a result row.
 *
 *     groundedness of {{prompt_version}} moved {{value:3}}
 *
 * A hole names a result column, or one of the words a caller gives; ":DIGITS" rounds a number to that many
 * digits after the point. TEMPLATE_PLAIN fills with the value as text (NULL: "null"); TEMPLATE_SQL with an SQL
 * literal, so that a value can never become anything else than a value. "{{" without a name is an error.
 */
#ifndef DRIFTLINE_ALERT_TEMPLATE_H
#define DRIFTLINE_ALERT_TEMPLATE_H

#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "query/query.h"

enum template_kind {
    TEMPLATE_PLAIN,
    TEMPLATE_SQL
};

/* A hole that is not a column: {{rule}}, {{severity}}, ... A column of that name comes first. */
struct template_word {
    const char *name;
    const char *value;
};

/* Holes are well formed and, with columns (NULL: not known), name a column or a word (a value of NULL will do).
 * The error has the position. */
MUST_CHECK enum status template_check(struct slice text, enum template_kind kind,
                                      const struct query_column *columns, uint32_t column_count,
                                      const struct template_word *words, uint32_t word_count,
                                      struct error *reterr);
/* text passed template_check; a hole whose column is gone becomes "null". */
void template_fill(struct slice text, enum template_kind kind, const struct query_column *columns,
                   uint32_t column_count, const struct query_value *row,
                   const struct template_word *words, uint32_t word_count, struct buffer *to);
/* One value as an SQL literal. */
void sql_literal(const struct query_value *v, struct buffer *to);

#endif
