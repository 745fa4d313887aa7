/*
 * judge.h - the judge queue: spans that a model (or a person's script) should score.
 *
 * Place:    rules of the policy file -> [here, SQLite] -> leases over HTTP -> scores back through engine_append
 * Fencing:  a lease carries a token that grows with every lease of an item; complete, fail and renew with an older token are refused
 *           (STATUS_DENIED... see judge_complete), so a worker that stalled can't overwrite the one that took over.
 * Threads:  any. judge_fill runs queries and belongs on a worker thread; the rest is one short transaction.
 */
#ifndef DRIFTLINE_JUDGE_H
#define DRIFTLINE_JUDGE_H

#include "engine/engine.h"
#include "query/query.h"
#include "server/control/control.h"
#include "server/policy/policy.h"

struct judge;
/* rules are copied. */
MUST_CHECK enum status judge_open(struct engine *engine, struct query_db *db, struct control *control, const struct judge_rule *rules,
                                  uint32_t count, struct judge **ret, struct error *reterr);
void judge_close(struct judge *j);

/* Looks at spans committed since the last look and queues what the rules want. */
MUST_CHECK enum status judge_fill(struct judge *j, uint64_t *ret_queued, struct error *reterr);

struct judge_item {
    int64_t id;
    int64_t token;
    int64_t lease_until_ns;
    int64_t attempt; /* from 1 */
    const char *rule, *project, *scorer, *scorer_version, *judge_model;
    struct id128 trace_id;
    uint64_t span_id;
};
/* Leases up to max items for a worker; text lives in the arena. 0 items: nothing to do, or the day's cost cap is reached (*ret_reason then
 * says so). */
MUST_CHECK enum status judge_lease(struct judge *j, struct slice worker, uint32_t max, int64_t lease_ns, struct arena *arena,
                                   struct judge_item **ret_items, uint32_t *ret_count, const char **ret_reason, struct error *reterr);
/* STATUS_CONFLICT-like refusals (an old token, a lost lease) are STATUS_INVALID naming item and token. */
MUST_CHECK enum status judge_renew(struct judge *j, int64_t id, int64_t token, int64_t lease_ns, int64_t *ret_until_ns,
                                   struct error *reterr);
struct judge_verdict {
    double value;          /* NAN: a label only */
    struct slice label;
    struct slice explanation;
    struct slice judge_model; /* "": the rule's */
    int64_t cost_nusd;
};
/* Writes the score (engine_append, waits until it is durable), then closes the item; a repeat with the same token is acknowledged. Not on the loop
 * thread. */
MUST_CHECK enum status judge_complete(struct judge *j, int64_t id, int64_t token, const struct judge_verdict *verdict,
                                      struct error *reterr);
/* Back to the queue after a pause that doubles; after attempts_max failures the item is poison and set aside. */
MUST_CHECK enum status judge_fail(struct judge *j, int64_t id, int64_t token, struct slice reason, struct error *reterr);
/* Poison items back into the queue. */
MUST_CHECK enum status judge_retry_poison(struct judge *j, int64_t *ret_count, struct error *reterr);

/* Adds the table judge_queue to the query door (state, rule, trace_id, span_id, attempts, leased_by, reason, ...). */
MUST_CHECK enum status judge_tables_add(struct query_db *db, struct control *control, struct error *reterr);

#endif
