/*
 * cell.h - one cell from text: what every text door (CSV, NDJSON, tags, query constants) shares.
 *
 * Import names are the SQL names; a column with a unit suffix (_ms, _usd) is also taken with any of
 * _ns _us _ms _s or _nusd _usd, and `time` with time_ns, time_us, time_ms, time_s (numbers) or as RFC 3339.
 */
#ifndef DRIFTLINE_SPAN_CELL_H
#define DRIFTLINE_SPAN_CELL_H

#include "engine/span/batch.h"

/* Where a named import field goes. */
struct cell_target {
    const struct column *column;
    /* stored = number * numerator / denominator, rounded to nearest */
    int64_t numerator;
    int64_t denominator;
};

/* STATUS_NOT_FOUND with a "did you mean" for unknown names; adds score columns. */
MUST_CHECK enum status cell_target_find(struct schema *schema, enum table table, struct slice name,
                                        struct cell_target *ret, struct error *reterr);
/* Parses text into the current row of the builder. The empty text is NULL. Exact: decimal text is converted
 * without going through a double. STATUS_INVALID says what was expected. REFS columns are refused. */
MUST_CHECK enum status cell_parse(const struct cell_target *target, struct slice text, struct builder *to,
                                  struct error *reterr);
/* The nearest of count names to name (edit distance at most 2 or a third of the length), or NULL. */
const char *nearest_name(struct slice name, const char *const *names, uint32_t count);

#endif
