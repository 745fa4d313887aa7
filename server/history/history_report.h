/*
 * history_report.h - results as JSON, and the time range of a job from text: the same over HTTP and on the command line.
 */
#ifndef DRIFTLINE_HISTORY_REPORT_H
#define DRIFTLINE_HISTORY_REPORT_H

#include "server/history/history.h"

/* {"job":"reprice","dry_run","version","rows","changed","unpriced","before_usd","after_usd","models":[{"model","spans","before_usd",
 * "after_usd"}]} */
void reprice_report(const struct reprice_result *r, struct slice version, bool dry_run, struct buffer *to);
/* {"job":"rescore","dry_run","version","rows","scores","changed","scorers":[{"scorer","scores","changed","before_mean","after_mean"}]}; means
 * are over the changed ones, null where there is none. */
void rescore_report(const struct rescore_result *r, const char *version, bool dry_run, struct buffer *to);
/* {"job":"remap","dry_run","rows","changed","cells"} */
void remap_report(const struct remap_result *r, bool dry_run, struct buffer *to);

/*
 * "7d" (that long before now) or a time. NULL: no bound. Both NULL: 0, 0, which means everything. STATUS_INVALID names the side
 * (since, until) and what was expected, or says that the range is empty.
 */
MUST_CHECK enum status history_range(const char *since, const char *until, int64_t now_ns, int64_t *ret_from_ns, int64_t *ret_until_ns,
                                     struct error *reterr);

#endif
