/*
 * judge.h - the judge queue: spans that a model (or a person's script) should score.
 *
 * Place:    rules of the policy file -> [here, SQLite] -> leases over HTTP -> scores back through engine_append
 * Fencing:  a lease carries a token that grows with every lease of an item; complete, fail and renew with an older token are
 *           refused (STATUS_INVALID), so a worker that stalled can't overwrite the one that took over.
 * Projects: `project` narrows a call to the items of one project, as a key does; 0: all. An item of another project is not found.
 * Threads:  any. judge_fill and judge_item_write run queries, judge_complete waits for a commit: they belong on a worker
 *           thread. The rest is one short transaction.
 */
#ifndef DRIFTLINE_JUDGE_H
#define DRIFTLINE_JUDGE_H

#include "engine/engine.h"
#include "query/query.h"
#include "server/control/control.h"
#include "server/policy/policy.h"

#define JUDGE_LEASE_MAX 100u /* items a lease */
#define JUDGE_QUEUED_MAX                                                                           \
    100000u /* items of one rule that wait; more stay behind the watermark until there is room */
#define JUDGE_WORKER_BYTES_MAX 128u
#define JUDGE_REASON_BYTES_MAX 4096u

struct judge;
/* rules are copied; their conditions are checked. A rule that is new looks at what is committed from now on. */
MUST_CHECK enum status judge_open(struct engine *engine, struct query_db *db,
                                  struct control *control, const struct judge_rule *rules,
                                  uint32_t count, struct judge **ret, struct error *reterr);
void judge_close(struct judge *j);
uint32_t judge_rule_count(const struct judge *j);

/* Looks at spans (and tags) committed since the last look and queues what the rules want. One rule's failure does not stop the
 * others; the first is returned. */
MUST_CHECK enum status judge_fill(struct judge *j, uint64_t *ret_queued, struct error *reterr);

struct judge_item {
    int64_t id;
    int64_t token;
    int64_t lease_until_ns;
    int64_t attempt; /* from 1 */
    const char *rule, *project, *scorer, *scorer_version, *judge_model;
    uint32_t project_id;
    struct id128 trace_id;
    uint64_t span_id;
};
/* Leases up to max (at most JUDGE_LEASE_MAX) items for a worker; text lives in the arena. lease_ns 0: what the rule says. 0 items:
 * nothing to do, or the day's cost cap is reached (*ret_reason then says so). */
MUST_CHECK enum status judge_lease(struct judge *j, uint32_t project, struct slice worker,
                                   uint32_t max, int64_t lease_ns, struct arena *arena,
                                   struct judge_item **ret_items, uint32_t *ret_count,
                                   const char **ret_reason, struct error *reterr);
/* Appends the item as JSON with all a worker needs of its span (input, output, tools, attributes, ...), read through the query
 * door. STATUS_NOT_FOUND: the span is gone. */
MUST_CHECK enum status judge_item_write(struct judge *j, const struct judge_item *item,
                                        struct buffer *to, struct error *reterr);

/* A wrong token or a lease that somebody else holds is STATUS_INVALID naming item and token; an unknown item STATUS_NOT_FOUND. */
MUST_CHECK enum status judge_renew(struct judge *j, uint32_t project, int64_t id, int64_t token,
                                   int64_t lease_ns, int64_t *ret_until_ns, struct error *reterr);
struct judge_verdict {
    double value; /* NAN: a label only */
    struct slice label;
    struct slice explanation;
    struct slice judge_model; /* "": the rule's */
    int64_t cost_nusd;
};
/* Writes the score (engine_append, waits until it is durable), then closes the item; a repeat with the same token is acknowledged and
 * writes nothing. A rule whose scorer is "error_class" gets a tag instead: the label is the class. Not on the loop thread. */
MUST_CHECK enum status judge_complete(struct judge *j, uint32_t project, int64_t id, int64_t token,
                                      const struct judge_verdict *verdict, struct error *reterr);
/* Back to the queue after a pause that doubles; after attempts_max failures the item is poison and set aside. */
MUST_CHECK enum status judge_fail(struct judge *j, uint32_t project, int64_t id, int64_t token,
                                  struct slice reason, struct error *reterr);
/* Back to the queue at once, as if it had not been leased. */
MUST_CHECK enum status judge_release(struct judge *j, uint32_t project, int64_t id, int64_t token,
                                     struct error *reterr);
/* Set aside at once: trying again would not help. */
MUST_CHECK enum status judge_set_aside(struct judge *j, uint32_t project, int64_t id, int64_t token,
                                       struct slice reason, struct error *reterr);
/* Poison items back into the queue. */
MUST_CHECK enum status judge_retry_poison(struct judge *j, uint32_t project, int64_t *ret_count,
                                          struct error *reterr);

/* {"rules":[{"rule","scorer",...,"queued","leased","done","poison","cost_usd_today",...}]}, rules of all projects or that one. */
MUST_CHECK enum status judge_status_write(struct judge *j, uint32_t project, struct buffer *to,
                                          struct error *reterr);

/* Adds the tables judge_queue (items), judge_agreement and judge_confusion (see agreement.h) to the query door. */
MUST_CHECK enum status judge_tables_add(struct query_db *db, struct control *control,
                                        struct error *reterr);

#endif
