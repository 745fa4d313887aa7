/*
 * check_aggregate.c - aggregate calls: which state they keep and how their value is read from it.
 *
 * Rule: equal states are kept once. sum(x), avg(x) and count(x) share a sum, all quantiles of x a histogram.
 */
#include <math.h>

#include "engine/base/clock.h"

#include "query/check.h"

#define AGGREGATES_MAX 1024u

enum argument {
    ARG_ANY,
    ARG_NUMBER,
    ARG_NUMBER_OR_INTERVAL,
    ARG_BOOL,
    ARG_TEXT,
    ARG_DOUBLE
};

/* q < 0: from an argument. */
struct shape {
    const char *name;
    enum argument argument;
    enum state_kind state;
    enum final_kind final;
    double q;
};

static const struct shape shapes[] = {
    {"count", ARG_ANY, STATE_COUNT, FINAL_COUNT, 0},
    {"sum", ARG_NUMBER_OR_INTERVAL, STATE_SUM, FINAL_SUM, 0},
    {"avg", ARG_NUMBER_OR_INTERVAL, STATE_SUM, FINAL_AVG, 0},
    {"min", ARG_ANY, STATE_MIN, FINAL_VALUE, 0},
    {"max", ARG_ANY, STATE_MAX, FINAL_VALUE, 0},
    {"any_value", ARG_ANY, STATE_MIN, FINAL_VALUE, 0},
    {"bool_and", ARG_BOOL, STATE_MIN, FINAL_VALUE, 0},
    {"every", ARG_BOOL, STATE_MIN, FINAL_VALUE, 0},
    {"bool_or", ARG_BOOL, STATE_MAX, FINAL_VALUE, 0},
    {"stddev", ARG_NUMBER, STATE_SQUARES, FINAL_STDDEV_SAMP, 0},
    {"stddev_samp", ARG_NUMBER, STATE_SQUARES, FINAL_STDDEV_SAMP, 0},
    {"stddev_pop", ARG_NUMBER, STATE_SQUARES, FINAL_STDDEV_POP, 0},
    {"variance", ARG_NUMBER, STATE_SQUARES, FINAL_VAR_SAMP, 0},
    {"var_samp", ARG_NUMBER, STATE_SQUARES, FINAL_VAR_SAMP, 0},
    {"var_pop", ARG_NUMBER, STATE_SQUARES, FINAL_VAR_POP, 0},
    {"p50", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.5},
    {"p75", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.75},
    {"p90", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.9},
    {"p95", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.95},
    {"p99", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.99},
    {"p999", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, 0.999},
    {"quantile", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, -1},
    {"approx_quantile", ARG_NUMBER_OR_INTERVAL, STATE_HISTOGRAM, FINAL_QUANTILE, -1},
    {"median", ARG_NUMBER_OR_INTERVAL, STATE_VALUES, FINAL_QUANTILE, 0.5},
    {"quantile_exact", ARG_NUMBER_OR_INTERVAL, STATE_VALUES, FINAL_QUANTILE, -1},
    {"quantile_cont", ARG_NUMBER_OR_INTERVAL, STATE_VALUES, FINAL_QUANTILE, -1},
    {"percentile_cont", ARG_NUMBER_OR_INTERVAL, STATE_VALUES, FINAL_QUANTILE, -1},
    {"percentile_disc", ARG_NUMBER_OR_INTERVAL, STATE_VALUES, FINAL_QUANTILE_DISC, -1},
    {"first", ARG_ANY, STATE_FIRST, FINAL_VALUE, 0},
    {"last", ARG_ANY, STATE_LAST, FINAL_VALUE, 0},
    {"string_agg", ARG_TEXT, STATE_TEXTS, FINAL_TEXTS, 0},
    {"drift", ARG_DOUBLE, STATE_SLOTS, FINAL_DRIFT, 0},
    {"baseline", ARG_DOUBLE, STATE_SLOTS, FINAL_BASELINE, 0},
    {"baseline_mad", ARG_DOUBLE, STATE_SLOTS, FINAL_BASELINE_MAD, 0},
};

bool is_aggregate_name(struct slice name)
{
    static const char *const names[] = {
#define AGGREGATE(name) #name,
#include "query/aggregate_names.def"
#undef AGGREGATE
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

static const struct shape *shape_find(struct slice name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (slice_is(name, shapes[i].name))
            return &shapes[i];
    return NULL;
}

static enum status fail(struct check *c, const struct ast *a, const char *text)
{
    return error_set_at(c->reterr, STATUS_INVALID, a->position, "%.*s: %s", SLICE_ARG(a->text),
                        text);
}

/* ---- arguments ---- */

static bool argument_fits(enum argument argument, char letter)
{
    bool number = letter == 'i' || letter == 'f' || letter == 'k';
    switch (argument) {
    case ARG_ANY:
        return true;
    case ARG_NUMBER:
    case ARG_DOUBLE:
        return number;
    case ARG_NUMBER_OR_INTERVAL:
        return number || letter == 'd';
    case ARG_BOOL:
        return letter == 'b';
    case ARG_TEXT:
        return letter == 't' || letter == 'm' || letter == 'x' || letter == 'X';
    }
    return false;
}

static enum status check_argument(struct check *c, const struct ast *call, const struct ast *a,
                                  enum argument argument, bool counts, struct expr **ret)
{
    enum status s;
    struct expr *e;
    if ((s = check_expr(c, a, &e)) < 0)
        return s;
    if (e->type == SQL_NULL || e->unknown)
        if ((s = coerce(c, e,
                        argument == ARG_ANY || argument == ARG_TEXT ? 't'
                        : argument == ARG_BOOL                      ? 'b'
                                                                    : 'f',
                        &e)) < 0)
            return s;
    char letter = letter_of_expr(e);
    if (!argument_fits(argument, letter))
        return error_set_at(c->reterr, STATUS_INVALID, call->position,
                            "function %.*s(%s) does not exist", SLICE_ARG(call->text),
                            type_name_of(e));
    bool to_text = (argument == ARG_TEXT && letter != 't') || (letter == 'm' && !counts);
    if (to_text && (s = coerce(c, e, 't', &e)) < 0)
        return s;
    if (argument == ARG_DOUBLE && (s = coerce(c, e, 'f', &e)) < 0)
        return s;
    *ret = e;
    return STATUS_OK;
}

static enum status check_quantile(struct check *c, const struct ast *a, double *ret)
{
    enum status s;
    struct expr *e;
    if ((s = check_expr(c, a, &e)) < 0 || (s = coerce(c, e, 'f', &e)) < 0)
        return s;
    if (e->parameter != 0) {
        *ret = 0.5;
        return STATUS_OK;
    }
    if (e->kind != EXPR_CONST || e->is_null)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "the quantile must be a constant between 0 and 1");
    if (!(e->value.f64 >= 0 && e->value.f64 <= 1))
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "the quantile %g is not between 0 and 1", e->value.f64);
    *ret = e->value.f64;
    return STATUS_OK;
}

enum status constant_interval(struct check *c, const struct ast *a, const char *what, int64_t *ret)
{
    enum status s;
    struct expr *e;
    if ((s = check_expr(c, a, &e)) < 0 || (s = coerce(c, e, 'd', &e)) < 0)
        return s;
    if (e->parameter != 0) {
        *ret = NS_PER_HOUR;
        return STATUS_OK;
    }
    if (e->kind != EXPR_CONST || e->is_null || e->value.i64 <= 0)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "%s must be a constant interval greater than zero, like '1h'", what);
    *ret = e->value.i64;
    return STATUS_OK;
}

/* drift(x, window, before [, samples]), baseline(x, back [, samples]) */
static enum status check_window(struct check *c, const struct ast *a, enum final_kind final,
                                struct window_spec *w)
{
    enum status s;
    w->is_drift = final == FINAL_DRIFT;
    uint32_t fixed = w->is_drift ? 3 : 2;
    if (a->arg_count != fixed && a->arg_count != fixed + 1)
        return fail(c, a,
                    w->is_drift ? "expected (x, '1h', '24h') or (x, '1h', '24h', min_samples)"
                                : "expected (x, '28d') or (x, '28d', min_samples)");
    if (w->is_drift &&
        ((s = constant_interval(c, a->args[1], "the window", &w->current_ns)) < 0 ||
         (s = constant_interval(c, a->args[2], "the time before it", &w->baseline_ns)) < 0))
        return s;
    if (!w->is_drift) {
        if ((s = constant_interval(c, a->args[1], "the time to look back", &w->baseline_ns)) < 0)
            return s;
        if (w->baseline_ns % (7 * NS_PER_DAY) != 0 ||
            w->baseline_ns / (7 * NS_PER_DAY) > BASELINE_WEEKS_MAX)
            return error_set_at(c->reterr, STATUS_INVALID, a->args[1]->position,
                                "a baseline looks back whole weeks, at most %u: '28d', '8w'",
                                BASELINE_WEEKS_MAX);
        w->weeks = (uint32_t)(w->baseline_ns / (7 * NS_PER_DAY));
    }
    if (w->current_ns > INT64_MAX / 4 || w->baseline_ns > INT64_MAX / 4)
        return fail(c, a, "the windows are too long");
    w->samples_min = w->is_drift ? DRIFT_SAMPLES_MIN : BASELINE_SAMPLES_MIN;
    if (a->arg_count == fixed)
        return STATUS_OK;
    struct expr *e;
    if ((s = check_expr(c, a->args[fixed], &e)) < 0 || (s = coerce(c, e, 'i', &e)) < 0)
        return s;
    if (e->kind != EXPR_CONST || e->is_null || e->value.i64 < 1)
        return error_set_at(c->reterr, STATUS_INVALID, a->args[fixed]->position,
                            "the least number of samples must be a constant of at least 1");
    w->samples_min = (uint64_t)e->value.i64;
    return STATUS_OK;
}

/* ---- states and aggregates ---- */

static bool same_expr(const struct expr *a, const struct expr *b)
{
    return a == NULL || b == NULL ? a == b : expr_equal(a, b);
}

static bool same_window(const struct window_spec *a, const struct window_spec *b)
{
    return a->is_drift == b->is_drift && a->current_ns == b->current_ns &&
           a->baseline_ns == b->baseline_ns && a->weeks == b->weeks &&
           a->samples_min == b->samples_min;
}

static bool same_state(const struct state_spec *a, const struct state_spec *b)
{
    return a->kind == b->kind && a->phys == b->phys && same_expr(a->arg, b->arg) &&
           same_expr(a->by, b->by) && same_expr(a->filter, b->filter) &&
           a->looks_back == b->looks_back && same_window(&a->window, &b->window);
}

static uint32_t state_add(struct check *c, const struct state_spec *spec)
{
    struct plan *p = c->plan;
    for (uint32_t i = 0; i < p->state_count; i++)
        if (same_state(&p->states[i], spec))
            return i;
    p->states[p->state_count] = *spec;
    return p->state_count++;
}

static bool same_aggregate(const struct aggregate *a, const struct aggregate *b)
{
    return a->final == b->final && a->state == b->state && a->scale == b->scale &&
           a->type == b->type && a->q == b->q && slice_equal(a->separator, b->separator) &&
           same_window(&a->window, &b->window);
}

static void aggregate_type(struct aggregate *g, const struct expr *arg)
{
    g->type = SQL_FLOAT;
    g->phys = PHYS_F64;
    g->scale = arg == NULL ? 1 : arg->scale;
    bool interval = arg != NULL && arg->type == SQL_INTERVAL;
    switch (g->final) {
    case FINAL_COUNT:
        g->type = SQL_INT;
        g->phys = PHYS_I64;
        g->scale = 1;
        break;
    case FINAL_SUM:
        if (arg->type == SQL_INT || interval) {
            g->type = arg->type;
            g->phys = PHYS_I64;
        }
        break;
    case FINAL_AVG:
    case FINAL_QUANTILE:
    case FINAL_QUANTILE_DISC:
        if (interval || (g->final == FINAL_QUANTILE_DISC && arg->type == SQL_INT)) {
            g->type = arg->type;
            g->phys = PHYS_I64;
        }
        break;
    case FINAL_VALUE:
        g->type = arg->type;
        g->phys = arg->phys;
        break;
    case FINAL_TEXTS:
        g->type = SQL_TEXT;
        g->phys = PHYS_TEXT;
        break;
    case FINAL_VAR_SAMP:
    case FINAL_VAR_POP:
    case FINAL_STDDEV_SAMP:
    case FINAL_STDDEV_POP:
    case FINAL_DRIFT:
    case FINAL_BASELINE:
    case FINAL_BASELINE_MAD:
        break;
    }
}

static enum status aggregate_add(struct check *c, struct aggregate *g,
                                 const struct state_spec *spec, struct expr **ret)
{
    struct plan *p = c->plan;
    if (p->states == NULL) {
        p->states = arena_zero(c->arena, AGGREGATES_MAX + 2, sizeof *p->states);
        p->aggregates = arena_zero(c->arena, AGGREGATES_MAX, sizeof *p->aggregates);
    }
    if (p->aggregate_count == AGGREGATES_MAX)
        return error_set_at(c->reterr, STATUS_LIMIT, g->position, "more than %u aggregates",
                            AGGREGATES_MAX);
    g->state = state_add(c, spec);
    uint32_t index = 0;
    while (index < p->aggregate_count && !same_aggregate(&p->aggregates[index], g))
        index++;
    if (index == p->aggregate_count)
        p->aggregates[p->aggregate_count++] = *g;
    struct expr *e = expr_new(c->arena, EXPR_AGGREGATE, g->type, g->phys, g->position);
    if (g->final == FINAL_VALUE)
        e->scale = g->scale;
    e->column = index;
    *ret = e;
    return STATUS_OK;
}

/* ---- the parts of a call ---- */

/* Reads x and what goes with it from the call; percentile_cont has them the other way round. */
static enum status check_parts(struct check *c, const struct ast *a, const struct shape *shape,
                               struct state_spec *spec, struct aggregate *g)
{
    enum status s;
    const struct ast *x = a->arg_count > 0 ? a->args[0] : NULL;
    const struct ast *q = a->arg_count == 2 ? a->args[1] : NULL;
    bool within = a->call->within != NULL;
    bool ordered_set = slice_is(a->text, "percentile_cont") || slice_is(a->text, "percentile_disc");
    if (within != ordered_set)
        return fail(c, a,
                    ordered_set ? "expected percentile_cont(q) WITHIN GROUP (ORDER BY x)"
                                : "WITHIN GROUP is for percentile_cont and percentile_disc");
    bool descending = false;
    if (within) {
        if (a->arg_count != 1)
            return fail(c, a, "expected one argument, the quantile");
        q = a->args[0];
        x = a->call->within->expression;
        descending = a->call->within->descending;
    }
    if (x == NULL)
        return fail(c, a, "an argument is missing");
    if ((s = check_argument(c, a, x, shape->argument, spec->kind == STATE_COUNT, &spec->arg)) < 0)
        return s;
    g->q = shape->q;
    if (shape->q < 0) {
        if (q == NULL)
            return fail(c, a, "expected two arguments, the value and the quantile");
        if ((s = check_quantile(c, q, &g->q)) < 0)
            return s;
        if (descending)
            g->q = 1 - g->q;
    }
    return STATUS_OK;
}

static enum status check_by(struct check *c, const struct ast *a, struct state_spec *spec)
{
    enum status s;
    if (a->arg_count == 2 && (spec->kind == STATE_FIRST || spec->kind == STATE_LAST)) {
        if ((s = check_expr(c, a->args[1], &spec->by)) < 0 ||
            (s = coerce(c, spec->by, 'z', &spec->by)) < 0)
            return s;
        return STATUS_OK;
    }
    uint32_t time = check_time_column(c);
    if (time == UINT32_MAX)
        return fail(c, a, "the table has no column \"time\"");
    spec->by = check_column(c, time, a->position);
    return STATUS_OK;
}

static uint32_t arguments_max(const struct shape *shape)
{
    if (shape->state == STATE_SLOTS)
        return 4;
    return shape->q < 0 || shape->state == STATE_FIRST || shape->state == STATE_LAST ||
                   shape->state == STATE_TEXTS
               ? 2
               : 1;
}

static enum status check_separator(struct check *c, const struct ast *a, struct aggregate *g)
{
    enum status s;
    struct expr *e;
    if (a->arg_count != 2)
        return fail(c, a, "expected two arguments, the text and the separator");
    if ((s = check_expr(c, a->args[1], &e)) < 0 || (s = coerce(c, e, 't', &e)) < 0)
        return s;
    if (e->kind != EXPR_CONST || e->is_null)
        return fail(c, a, "the separator must be a constant");
    g->separator = e->value.text;
    return STATUS_OK;
}

static enum status check_body(struct check *c, const struct ast *a, const struct shape *shape,
                              struct expr **ret)
{
    enum status s;
    struct state_spec spec = {.kind = shape->state};
    struct aggregate g = {.final = shape->final,
                          .position = a->position,
                          .name = shape->name,
                          .separator = SLICE_EMPTY};
    if (a->call->star) {
        if (shape->state != STATE_COUNT)
            return fail(c, a, "* is for count(*) only");
        spec.kind = STATE_ROWS;
    } else {
        if (a->arg_count > arguments_max(shape))
            return fail(c, a, "too many arguments");
        if (a->call->distinct && shape->state == STATE_COUNT)
            spec.kind = STATE_DISTINCT;
        else if (a->call->distinct && shape->state != STATE_MIN && shape->state != STATE_MAX)
            return fail(c, a, "DISTINCT is for count(DISTINCT x) only");
        if ((s = check_parts(c, a, shape, &spec, &g)) < 0)
            return s;
        spec.phys = spec.arg->phys;
    }
    if (shape->state == STATE_FIRST || shape->state == STATE_LAST || shape->state == STATE_SLOTS)
        if ((s = check_by(c, a, &spec)) < 0)
            return s;
    if (shape->state == STATE_TEXTS && (s = check_separator(c, a, &g)) < 0)
        return s;
    if (shape->state == STATE_SLOTS) {
        if ((s = check_window(c, a, shape->final, &g.window)) < 0)
            return s;
        spec.window = g.window;
        spec.looks_back = true;
        c->plan->looks_back = true;
        if (c->plan->bucket_key != UINT32_MAX) {
            /* With buckets the windows are put together from the buckets' sums. */
            spec = (struct state_spec){
                .kind = STATE_SUM, .phys = spec.phys, .arg = spec.arg, .looks_back = true};
        }
    }
    if (a->call->filter != NULL &&
        (s = check_condition(c, a->call->filter, "FILTER", &spec.filter)) < 0)
        return s;
    aggregate_type(&g, spec.arg);
    return aggregate_add(c, &g, &spec, ret);
}

enum status check_aggregate(struct check *c, const struct ast *a, struct expr **ret)
{
    if (c->in_aggregate)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "aggregate function calls cannot be nested");
    if (c->no_aggregates != NULL)
        return error_set_at(c->reterr, STATUS_INVALID, a->position,
                            "aggregate functions are not allowed in %s", c->no_aggregates);
    if (a->call == NULL)
        return fail(c, a, "an argument is missing");
    bool visible = c->aliases_visible;
    c->in_aggregate = true;
    c->aliases_visible = false;
    enum status s = check_body(c, a, shape_find(a->text), ret);
    c->aliases_visible = visible;
    c->in_aggregate = false;
    return s;
}
