/*
 * alert_run.c - one look of a rule: observations to steps, steps to one transaction, then to memory.
 *
 * Invariant: memory changes after the transaction and says what is stored: a look that can't be stored has not been.
 */
#include "server/alert/alert_run.h"

#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "server/alert/alert_limits.h"

#define REFRESH_EVERY_NS (30 * NS_PER_S)
#define KNOWN_MAX        (2 * ALERT_RESULT_ROWS_MAX) /* groups kept in memory */
#define EXEMPLARS_OF_MAX 20u                         /* groups of one look that get exemplars */

/* ---- groups ---- */

void rule_run_init(struct rule_run *run, const struct alert_rule *rule)
{
    *run = (struct rule_run){.rule = rule};
    intern_init(&run->keys);
}

static void group_forget(struct group *g)
{
    mem_free(g->label_set);
    mem_free(g->summary);
    mem_free(g->exemplars);
    *g = (struct group){0};
}

void rule_run_deinit(struct rule_run *run)
{
    for (uint32_t i = 0; i + 1 < run->keys.count; i++)
        group_forget(&run->groups[i]);
    mem_free(run->groups);
    intern_deinit(&run->keys);
    *run = (struct rule_run){0};
}

static struct group *group_find(struct rule_run *run, struct slice key)
{
    uint32_t code = intern_find(&run->keys, key);
    return code == 0 ? NULL : &run->groups[code - 1];
}

static struct group *group_add(struct rule_run *run, struct slice key)
{
    uint32_t before = run->keys.count;
    uint32_t code = intern_add(&run->keys, key);
    run->groups = mem_grow(run->groups, &run->groups_capacity, code, sizeof *run->groups);
    if (run->keys.count != before)
        run->groups[code - 1] = (struct group){0};
    return &run->groups[code - 1];
}

static struct slice group_key(const struct rule_run *run, const struct group *g)
{
    return run->keys.values[g - run->groups + 1];
}

/* Leaves out inactive groups once they are many. */
static void groups_sweep(struct rule_run *run)
{
    uint32_t count = run->keys.count - 1;
    uint32_t idle = count - run->open;
    bool keep_idle = run->rule->no_data == NO_DATA_FIRE && count < KNOWN_MAX;
    if (keep_idle || idle < 256 || idle < count / 2)
        return;
    struct rule_run next;
    rule_run_init(&next, run->rule);
    for (uint32_t i = 0; i < count; i++) {
        if (run->groups[i].incident == 0) {
            group_forget(&run->groups[i]);
            continue;
        }
        struct group *g = group_add(&next, run->keys.values[i + 1]);
        *g = run->groups[i];
    }
    mem_free(run->groups);
    intern_deinit(&run->keys);
    run->keys = next.keys;
    run->groups = next.groups;
    run->groups_capacity = next.groups_capacity;
}

/* text may be what *to holds. */
static void text_keep(char **to, struct slice text)
{
    char *copy = mem_alloc(text.size + 1);
    bytes_copy(copy, text.data, text.size);
    copy[text.size] = 0;
    mem_free(*to);
    *to = copy;
}

/* What is stored is now what we remember. */
static void group_take(struct group *g, const struct incident *i)
{
    g->incident = i->id;
    g->started_ns = i->started_ns;
    g->fired_ns = i->fired_ns;
    g->stored_ns = i->updated_ns;
    memcpy(g->fingerprint, i->fingerprint, sizeof g->fingerprint);
    text_keep(&g->label_set, i->label_set);
    text_keep(&g->summary, i->summary);
    text_keep(&g->exemplars, i->exemplars);
}

void rule_run_adopt(struct rule_run *run, const struct incident *i)
{
    struct group *g = group_add(run, i->group);
    ASSERT(g->incident == 0);
    group_take(g, i);
    g->clock = (struct group_clock){.state = i->state,
                                    .since_ns = i->state == GROUP_PENDING ? i->started_ns : 0};
    run->open++;
    run->report.pending += i->state == GROUP_PENDING;
    run->report.firing += i->state == GROUP_FIRING;
}

/* ---- one look ---- */

/* What one group's step comes to. */
struct step {
    struct slice key;
    struct group_clock after;
    const struct observation *observation; /* NULL: no row */
};

struct look {
    struct rule_run *run;
    const struct look_options *options;
    struct evaluate_options evaluate;
    struct group_policy policy;
    struct evaluation evaluation;
    struct arena arena;
    struct step *steps; /* one a transition */
    size_t steps_capacity;
    struct transition *transitions;
    size_t transitions_capacity;
    uint32_t count;
    uint32_t opened;
    uint32_t suppressed;
    uint32_t exemplars;
    int64_t exemplars_until_ns;
    struct incident *stale; /* firing, their stored value is old */
    size_t stale_capacity;
    uint32_t stale_count;
};

static void say(const struct look_options *o, const char *level, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void say(const struct look_options *o, const char *level, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    if (o->log == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    o->log(o->log_context, level, text);
}

static struct slice keep(struct look *l, struct buffer *text)
{
    struct slice kept = arena_copy(&l->arena, buffer_slice(text));
    buffer_deinit(text);
    return kept;
}

/* Exemplars are a help, not a condition: without them the alert still goes out. */
static struct slice exemplars_of(struct look *l, const struct observation *o)
{
    const struct alert_rule *rule = l->run->rule;
    struct buffer text = {0};
    struct error error = {0};
    if (rule->exemplars.size == 0 || l->exemplars == EXEMPLARS_OF_MAX)
        return slice_text("[]");
    if (l->exemplars++ == 0)
        l->exemplars_until_ns = clock_monotonic_ns() + ALERT_EXEMPLAR_TIMEOUT_NS;
    if (clock_monotonic_ns() > l->exemplars_until_ns)
        return slice_text("[]");
    if (evaluation_exemplars(l->options->db, &l->evaluation, rule, o, &l->evaluate, &text, &error) <
        0) {
        say(l->options, "warn", "rule '%s': exemplars: %s", rule->name, error.text);
        buffer_reset(&text);
        buffer_add_text(&text, "[]");
    }
    return keep(l, &text);
}

static struct slice summary_of(struct look *l, const struct observation *o)
{
    struct buffer text = {0};
    evaluation_summary(&l->evaluation, l->run->rule, o, &text);
    return keep(l, &text);
}

static const char *reason_of(enum group_event event, enum verdict verdict)
{
    if (event != EVENT_RESOLVE)
        return verdict == VERDICT_NO_DATA ? "no data" : "";
    return verdict == VERDICT_NO_DATA ? "no data" : verdict == VERDICT_FEW ? "too few samples" : "";
}

static enum status incident_of(struct look *l, const struct group *g, const struct step *step,
                               enum group_event event, enum verdict verdict, struct incident *i,
                               struct error *reterr)
{
    const struct alert_rule *rule = l->run->rule;
    const struct observation *o = step->observation;
    bool is_new = g == NULL || g->incident == 0;
    bool has_row = o != NULL && o->row != UINT64_MAX;
    int64_t now_ns = l->evaluate.now_ns;
    *i = (struct incident){.project = l->run->report.project,
                           .project_name = slice_text(rule->project),
                           .rule = slice_text(rule->name),
                           .severity = slice_text(severity_name(rule->severity)),
                           .group = step->key,
                           .state = step->after.state,
                           .has_value = has_row && o->has_value,
                           .has_samples = has_row && o->has_samples,
                           .exemplars = slice_text("[]"),
                           .reason = slice_text(reason_of(event, verdict)),
                           .started_ns = now_ns,
                           .updated_ns = now_ns};
    if (i->has_value)
        i->value = o->value;
    if (i->has_samples)
        i->samples = o->samples;
    if (is_new) {
        struct buffer set = {0};
        enum status s = rule_label_set(rule, step->key, &set, i->fingerprint, reterr);
        i->label_set = keep(l, &set);
        if (s < 0)
            return s;
    } else {
        i->id = g->incident;
        i->started_ns = g->started_ns;
        i->fired_ns = g->fired_ns;
        i->label_set = slice_text(g->label_set);
        i->exemplars = slice_text(g->exemplars);
        memcpy(i->fingerprint, g->fingerprint, sizeof i->fingerprint);
    }
    i->summary = has_row || is_new ? summary_of(l, o) : slice_text(g->summary);
    if (event == EVENT_FIRE) {
        i->fired_ns = now_ns;
        i->exemplars = exemplars_of(l, o);
    } else if (event == EVENT_RESOLVE) {
        i->resolved_ns = now_ns;
    }
    return STATUS_OK;
}

static bool opens(const struct group *g, enum group_event event)
{
    return (event == EVENT_PEND || event == EVENT_FIRE) && (g == NULL || g->incident == 0);
}

static enum status group_look(struct look *l, struct group *g, struct slice key,
                              const struct observation *o, enum verdict verdict,
                              struct error *reterr)
{
    struct step step = {.key = key, .observation = o};
    if (g != NULL)
        step.after = g->clock;
    enum group_event event = group_step(&l->policy, &step.after, verdict, l->evaluate.now_ns);
    if (event == EVENT_NONE) {
        if (g != NULL)
            g->clock = step.after;
        return STATUS_OK;
    }
    if (opens(g, event)) {
        if (l->run->open + l->opened >= ALERT_OPEN_MAX) {
            l->suppressed++;
            return STATUS_OK;
        }
        l->opened++;
    }
    l->steps = mem_grow(l->steps, &l->steps_capacity, l->count + 1, sizeof *l->steps);
    l->transitions =
        mem_grow(l->transitions, &l->transitions_capacity, l->count + 1, sizeof *l->transitions);
    struct transition *t = &l->transitions[l->count];
    t->event = event;
    enum status s = incident_of(l, g, &step, event, verdict, &t->incident, reterr);
    if (s < 0)
        return s;
    l->steps[l->count++] = step;
    return STATUS_OK;
}

static void stale_note(struct look *l, const struct group *g, const struct observation *o)
{
    if (g == NULL || g->clock.state != GROUP_FIRING || g->incident == 0 || o->row == UINT64_MAX ||
        l->evaluate.now_ns - g->stored_ns < REFRESH_EVERY_NS)
        return;
    l->stale = mem_grow(l->stale, &l->stale_capacity, l->stale_count + 1, sizeof *l->stale);
    l->stale[l->stale_count++] = (struct incident){.id = g->incident,
                                                   .group = group_key(l->run, g),
                                                   .has_value = o->has_value,
                                                   .value = o->value,
                                                   .has_samples = o->has_samples,
                                                   .samples = o->samples,
                                                   .updated_ns = l->evaluate.now_ns};
}

static enum status groups_look(struct look *l, struct error *reterr)
{
    struct rule_run *run = l->run;
    enum status s = STATUS_OK;
    run->look++;
    for (uint32_t i = 0; i < l->evaluation.count && s >= 0; i++) {
        const struct observation *o = &l->evaluation.observations[i];
        struct group *g = group_find(run, o->group);
        if (g != NULL)
            g->look = run->look;
        stale_note(l, g, o);
        s = group_look(l, g, o->group, o, o->verdict, reterr);
    }
    for (uint32_t i = 0; i + 1 < run->keys.count && s >= 0; i++) {
        struct group *g = &run->groups[i];
        bool is_known = g->incident != 0 || run->rule->no_data == NO_DATA_FIRE;
        if (g->look != run->look && is_known)
            s = group_look(l, g, run->keys.values[i + 1], NULL, VERDICT_NO_DATA, reterr);
    }
    return s;
}

/* ---- after the transaction ---- */

static void say_transition(const struct look *l, const struct transition *t)
{
    const char *what = t->event == EVENT_FIRE      ? "firing"
                       : t->event == EVENT_RESOLVE ? "resolved"
                                                   : NULL;
    struct slice group = t->incident.group;
    if (what != NULL)
        say(l->options, "info", "rule '%s': incident %lld %s %.*s", l->run->rule->name,
            (long long)t->incident.id, what, (int)(group.size < 300 ? group.size : 300),
            (const char *)group.data);
}

static void take(struct look *l)
{
    struct rule_run *run = l->run;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct transition *t = &l->transitions[i];
        struct group *g = group_add(run, l->steps[i].key);
        bool was_open = g->incident != 0;
        bool is_open = t->event == EVENT_PEND || t->event == EVENT_FIRE;
        uint64_t look = run->look;
        if (is_open)
            group_take(g, &t->incident);
        else
            group_forget(g);
        g->clock = l->steps[i].after;
        g->look = look;
        run->open += is_open && !was_open;
        run->open -= was_open && !is_open;
        say_transition(l, t);
    }
    for (uint32_t i = 0; run->rule->no_data == NO_DATA_FIRE && i < l->evaluation.count; i++) {
        if (run->keys.count <= KNOWN_MAX)
            group_add(run, l->evaluation.observations[i].group)->look = run->look;
    }
}

static void refresh(struct look *l)
{
    struct error error = {0};
    if (l->stale_count == 0)
        return;
    if (alert_store_refresh(l->options->control, l->stale, l->stale_count, &error) < 0) {
        say(l->options, "warn", "rule '%s': %s", l->run->rule->name, error.text);
        return;
    }
    for (uint32_t i = 0; i < l->stale_count; i++) {
        struct group *g = group_find(l->run, l->stale[i].group);
        if (g != NULL && g->incident == l->stale[i].id)
            g->stored_ns = l->stale[i].updated_ns;
    }
}

static void count_states(struct rule_run *run)
{
    run->report.pending = 0;
    run->report.firing = 0;
    for (uint32_t i = 0; i + 1 < run->keys.count; i++) {
        run->report.pending += run->groups[i].clock.state == GROUP_PENDING;
        run->report.firing += run->groups[i].clock.state == GROUP_FIRING;
    }
}

static enum status look_store(struct look *l, uint32_t *ret_notifications, struct error *reterr)
{
    const struct alert_audience audience = {.rules = l->options->rules, .rule = l->run->rule};
    uint32_t dropped = 0;
    if (l->count > 0) {
        enum status s = alert_store_apply(l->options->control, &audience, l->transitions, l->count,
                                          l->evaluate.now_ns, ret_notifications, &dropped, reterr);
        if (s < 0)
            return s;
    }
    if (dropped > 0)
        say(l->options, "error", "rule '%s': %u notifications dropped: the outbox is full",
            l->run->rule->name, dropped);
    return STATUS_OK;
}

enum status rule_run_look(struct rule_run *run, const struct look_options *options,
                          uint32_t *ret_notifications, struct error *reterr)
{
    struct look l = {.run = run, .options = options, .policy = group_policy_of(run->rule)};
    enum status s;
    *ret_notifications = 0;
    if ((s = engine_project(options->engine, slice_text(run->rule->project), false,
                            &run->report.project, reterr)) < 0)
        return s;
    l.evaluate = (struct evaluate_options){
        .project = run->report.project, .now_ns = clock_wall_ns(), .cancel = options->cancel};
    if ((s = evaluation_run(options->db, run->rule, &l.evaluate, &l.evaluation, reterr)) < 0)
        return s;
    if ((s = groups_look(&l, reterr)) < 0 || (s = look_store(&l, ret_notifications, reterr)) < 0)
        goto out;
    take(&l);
    refresh(&l);
    groups_sweep(run);
    count_states(run);
    if (l.suppressed > 0)
        s = error_set(
            reterr, STATUS_LIMIT,
            "%u more groups breach, but at most %u of a rule can be open: group more coarsely",
            l.suppressed, ALERT_OPEN_MAX);
out:
    evaluation_deinit(&l.evaluation);
    arena_deinit(&l.arena);
    mem_free(l.steps);
    mem_free(l.transitions);
    mem_free(l.stale);
    return s;
}
