/*
 * result.h - makes query_results: from rows, for EXPLAIN and for SHOW.
 */
#ifndef DRIFTLINE_QUERY_RESULT_H
#define DRIFTLINE_QUERY_RESULT_H

#include "query/check.h"

/* Names and types of a plan's outputs. */
void result_columns(const struct plan *plan, struct arena *arena, struct query_column **ret,
                    uint32_t *ret_count);
/* Renders ids and messages. STATUS_LIMIT: too many rows or bytes. */
MUST_CHECK enum status result_from_rows(struct run *run, const struct plan *plan,
                                        const struct relation *rows, struct query_result *ret,
                                        struct error *reterr);
/* The plan as it ran. */
void result_explain(struct run *run, const struct plan *plan, uint64_t rows,
                    struct query_result *ret);
void result_show_tables(struct statement *st, struct query_result *ret);
MUST_CHECK enum status result_show_columns(struct statement *st, const struct ast_from *table,
                                           struct query_result *ret, struct error *reterr);

#endif
