/*
 * judge_internal.h - what the files of the judge queue share.
 *
 * An item: queued -> leased -> writing -> done, or back to queued, or poison.
 *
 * Invariants: 1. an item's token grows with every lease and never shrinks.
 *             2. `writing` is a lease whose verdict has come; finished_ns is then the time its score carries, so that
 *                after a crash the score is found again instead of being written twice.
 *             3. a span is queued once a rule: (rule, project, trace_id, span_id) is unique while the row lives, and the
 *                watermark has passed it when the row goes.
 */
#ifndef DRIFTLINE_JUDGE_INTERNAL_H
#define DRIFTLINE_JUDGE_INTERNAL_H

#include "engine/base/thread.h"
#include "server/judge/judge.h"

#define JUDGE_LEASE_DEFAULT_NS (60LL * 1000000000LL)
#define JUDGE_LEASE_MAX_NS     (86400LL * 1000000000LL)
#define JUDGE_ATTEMPTS_DEFAULT 3
#define JUDGE_KEEP_DONE_NS                                                                         \
    (7 * 86400LL * 1000000000LL) /* finished items stay this long, to be looked at */
#define JUDGE_SCORER_CLASS "error_class"

/* A verdict that is being written, or whose commit was not durable in time: who repeats it waits for the same ticket. */
struct judge_writing {
    int64_t id, token;
    uint64_t ticket; /* 0: not appended yet */
    bool busy;
};

struct judge {
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    struct arena arena;
    struct judge_rule *rules;
    uint32_t rule_count;
    struct mutex fill_lock; /* one look at a time */
    struct mutex lock;
    struct condition written;
    struct judge_writing *writing; /* verdicts on their way into the engine */
    size_t writing_capacity;
    uint32_t writing_count;
    uint32_t turn; /* which rule is asked first */
};

MUST_CHECK enum status judge_schema(struct control *control, struct error *reterr);
/* A rule by name, or NULL. */
const struct judge_rule *judge_rule_find(const struct judge *j, struct slice name);

/* What stands in the way of a worker's word about an item. */
struct judge_row {
    char state[8];
    int64_t token, attempts, lease_until_ns, finished_ns;
    uint32_t project;
    struct id128 trace_id;
    uint64_t span_id;
    const char *rule, *scorer, *scorer_version, *judge_model;
};
/* STATUS_NOT_FOUND: no such item of that project. Texts live in the arena. */
MUST_CHECK enum status judge_row_read(struct judge *j, uint32_t project, int64_t id,
                                      struct arena *arena, struct judge_row *ret,
                                      struct error *reterr);
bool judge_row_is(const struct judge_row *row, const char *state);
/* STATUS_INVALID unless the token is the item's. */
MUST_CHECK enum status judge_row_fence(const struct judge_row *row, int64_t id, int64_t token,
                                       struct error *reterr);

/* The lease has ended without a word: back to the queue, or poison. Inside a transaction. */
MUST_CHECK enum status judge_expire(struct judge *j, int64_t now_ns, struct error *reterr);
/* The pause before the next attempt. */
int64_t judge_pause_ns(int64_t attempts);

#endif
