/*
 * exec_latest.c - ORDER BY time LIMIT n: the newest (or oldest) rows without reading the others.
 *
 * Shape:     steps of time from the wanted end on, an hour first, then eight times as much each; after each step, all rows
 *            still unread come later in the order than those that were read, so enough rows are enough.
 * Cost:      "the last 20 spans of a class" reads an hour instead of a year. What has no match costs a few more scans of
 *            nothing.
 */
#include "engine/base/clock.h"

#include "query/exec.h"

#define FIRST_STEP_NS NS_PER_HOUR
#define STEP_FACTOR   8
#define STEPS_MAX     5

bool exec_can_step(const struct plan *plan)
{
    if (plan->source.kind != SOURCE_SCAN || plan->grouped || !plan->has_limit || plan->limit == 0 ||
        plan->limit > TOP_ROWS_MAX || plan->offset > TOP_ROWS_MAX || plan->order_count == 0)
        return false;
    const struct order_item *first = &plan->order[0];
    if (first->expr->kind != EXPR_COLUMN || first->expr->column != plan->time_column)
        return false;
    /* Upwards only from a known beginning. */
    return first->descending || plan->from_ns != INT64_MIN;
}

/* The plan narrowed to [from, until). */
static struct plan *narrow(struct exec *x, const struct plan *plan, int64_t from, int64_t until)
{
    struct plan *p = ARENA_NEW(x->arena, struct plan);
    *p = *plan;
    p->where = ARENA_ARRAY(x->arena, struct expr *, plan->where_count + 2);
    p->where_count = 0;
    if (from != INT64_MIN)
        p->where[p->where_count++] = plan_time_condition(plan, ">=", from, x->arena);
    if (until != INT64_MAX)
        p->where[p->where_count++] = plan_time_condition(plan, "<", until, x->arena);
    bytes_copy(p->where + p->where_count, plan->where, plan->where_count * sizeof *p->where);
    p->where_count += plan->where_count;
    p->from_ns = from;
    p->until_ns = until;
    return p;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_add_overflow(a, b, &r))
        return r;
    return b < 0 ? INT64_MIN : INT64_MAX;
}

enum status exec_gather_by_time(struct exec *x, struct plan *plan, struct relation *ret,
                                struct error *reterr)
{
    bool down = plan->order[0].descending;
    uint64_t enough = plan->limit + plan->offset;
    int64_t now = x->run->now_ns;
    int64_t low = plan->from_ns;
    int64_t high = plan->until_ns;
    int64_t step = FIRST_STEP_NS;
    /* `at` moves from the wanted end to the other one. */
    int64_t at = down ? (high < now ? high : now) : low;
    for (uint32_t i = 1;; i++) {
        int64_t next = i == STEPS_MAX ? (down ? low : high) : plus(at, down ? -step : step);
        bool last = down ? next <= low : next >= high;
        int64_t from = down ? (last ? low : next) : (i == 1 ? low : at);
        int64_t until = down ? (i == 1 ? high : at) : (last ? high : next);
        struct relation some = {0};
        enum status s = exec_gather(x, narrow(x, plan, from, until), &some, reterr);
        if (s < 0) {
            relation_deinit(&some);
            return s;
        }
        if (i == 1) {
            *ret = some;
        } else {
            ret->charged += some.charged;
            some.charged = 0;
            relation_concat(ret, &some);
            relation_deinit(&some);
        }
        if (last || ret->rows >= enough)
            return STATUS_OK;
        at = next;
        step *= STEP_FACTOR;
    }
}
