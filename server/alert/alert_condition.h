/*
 * alert_condition.h - the condition of a rule: comparisons over the columns of a result row.
 *
 *     or      := and { "or" and }
 *     and     := not { "and" not }
 *     not     := "not" not | "(" or ")" | test
 *     test    := operand ( < <= > >= = == != <> ) operand
 *              | operand [ "not" ] "between" operand "and" operand
 *              | operand "is" [ "not" ] "null"
 *     operand := column | "quoted column" | number | 'text' | true | false
 *
 * A column is a name of letters, digits, _ and dots. Logic is SQL's, with three values: a comparison with NULL is
 * unknown. Numbers, booleans (0 and 1) compare as numbers; text with text by bytes; an interval with a text that is
 * a duration ('5m'), a timestamp with a text that is a time. Other pairs are unknown; with types at hand
 * alert_condition_check refuses them first.
 */
#ifndef DRIFTLINE_ALERT_CONDITION_H
#define DRIFTLINE_ALERT_CONDITION_H

#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "query/query.h"

struct alert_condition;

enum truth {
    TRUTH_FALSE,
    TRUTH_TRUE,
    TRUTH_UNKNOWN
};

/* The condition lives in the arena. STATUS_INVALID or STATUS_LIMIT with the byte position in the text. */
MUST_CHECK enum status alert_condition_parse(struct slice text, struct arena *arena,
                                             struct alert_condition **ret, struct error *reterr);
/* Column names in order of first mention. */
uint32_t alert_condition_column_count(const struct alert_condition *c);
struct slice alert_condition_column(const struct alert_condition *c, uint32_t index);

/* Every column exists and every comparison makes sense. The error has the position in the text. */
MUST_CHECK enum status alert_condition_check(const struct alert_condition *c,
                                             const struct query_column *columns,
                                             uint32_t column_count, struct error *reterr);
/* bound[i] is the result column of alert_condition_column(c, i). False when one is missing: *ret_missing says which. */
bool alert_condition_bind(const struct alert_condition *c, const struct query_column *columns,
                          uint32_t column_count, uint32_t *bound, uint32_t *ret_missing);
enum truth alert_condition_evaluate(const struct alert_condition *c, const uint32_t *bound,
                                    const struct query_value *row);

#endif
