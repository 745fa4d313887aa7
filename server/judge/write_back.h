/*
 * write_back.h - scores and tags as JSON: one object, an array of them, or objects one after another (NDJSON).
 *
 * Place:     HTTP bodies -> [here] -> batches of scores or tags -> engine_append
 * Failure:   STATUS_INVALID names the item by its index, from 0, and the member; nothing is half read, so a request is taken
 *            whole or not at all.
 *
 * A score: {trace_id, span_id?, name, value (number | true | false | a label as string) and/or label, explanation?, source?, scorer?,
 * scorer_version?, judge_model?, time?}. A tag: {trace_id, span_id, class, source?, by?, note?, time?}. source is client unless said
 * otherwise; time is RFC 3339 or ns, and the server's when missing.
 */
#ifndef DRIFTLINE_WRITE_BACK_H
#define DRIFTLINE_WRITE_BACK_H

#include "engine/base/json.h"
#include "engine/span/batch.h"

/* Adds rows to a builder of TABLE_SCORES or TABLE_TAGS that holds none. At most BATCH_ROWS_MAX items. */
MUST_CHECK enum status write_back_read(struct slice body, struct builder *to, struct error *reterr);

#endif
