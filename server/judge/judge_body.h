/*
 * judge_body.h - the JSON that workers send and that their commands print: one object with known members.
 *
 * Place:     HTTP bodies, a command's standard output -> [here] -> judge.h
 */
#ifndef DRIFTLINE_JUDGE_BODY_H
#define DRIFTLINE_JUDGE_BODY_H

#include "server/judge/judge.h"

/* BODY_MEMBER(bit, name) */
#define BODY_MEMBERS(BODY_MEMBER)                                                                  \
    BODY_MEMBER(0, WORKER, worker)                                                                 \
    BODY_MEMBER(1, MAX, max)                                                                       \
    BODY_MEMBER(2, LEASE, lease)                                                                   \
    BODY_MEMBER(3, ID, id)                                                                         \
    BODY_MEMBER(4, TOKEN, token)                                                                   \
    BODY_MEMBER(5, REASON, reason)                                                                 \
    BODY_MEMBER(6, VALUE, value)                                                                   \
    BODY_MEMBER(7, SCORE, score)                                                                   \
    BODY_MEMBER(8, LABEL, label)                                                                   \
    BODY_MEMBER(9, EXPLANATION, explanation)                                                       \
    BODY_MEMBER(10, JUDGE_MODEL, judge_model)                                                      \
    BODY_MEMBER(11, COST, cost_usd)
enum body_member {
#define BODY_MEMBER(bit, symbol, name) BODY_##symbol = 1u << (bit),
    BODY_MEMBERS(BODY_MEMBER)
#undef BODY_MEMBER
};
#define BODY_VERDICT                                                                               \
    (BODY_VALUE | BODY_SCORE | BODY_LABEL | BODY_EXPLANATION | BODY_JUDGE_MODEL | BODY_COST)

struct judge_body {
    unsigned has; /* BODY_* that were there and not null */
    struct slice worker, reason;
    int64_t max, lease_ns, id, token;
    struct judge_verdict verdict;
};
/* STATUS_INVALID names the member: unknown (with the nearest that is allowed), twice, missing, or of the wrong kind. score is another word
 * for value; true and false are 1 and 0; a string as value is the label. Texts live in the arena or in the body. */
MUST_CHECK enum status judge_body_read(struct slice body, unsigned allowed, unsigned required,
                                       struct arena *arena, struct judge_body *ret,
                                       struct error *reterr);

#endif
