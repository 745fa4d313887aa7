/*
 * judge_lease.c - who works on what: leases, renewals, giving up.
 *
 * Order:     flagged items first, then the oldest; rules take turns, so that a long queue of one does not starve another.
 * Cost cap:  what the day's verdicts cost, plus what the leased ones will if they cost what the last ones did on average, stays
 *            below the cap. So a rule without any verdict yet can overshoot by the items under way, and no more.
 */
#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "server/judge/judge_internal.h"

#define PAUSE_FIRST_NS (5 * NS_PER_S)
#define PAUSE_MAX_NS   NS_PER_HOUR

int64_t judge_pause_ns(int64_t attempts)
{
    int64_t pause_ns = PAUSE_FIRST_NS;
    for (int64_t i = 1; i < attempts && pause_ns < PAUSE_MAX_NS; i++)
        pause_ns *= 2;
    return pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS;
}

/* ---- reading one item ---- */

static enum status row_get(const struct control_statement *st, struct arena *arena,
                           struct judge_row *ret)
{
    *ret = (struct judge_row){.token = control_i64(st, 1),
                              .attempts = control_i64(st, 2),
                              .lease_until_ns = control_i64(st, 3),
                              .finished_ns = control_i64(st, 4),
                              .project = (uint32_t)control_i64(st, 5)};
    (void)snprintf(ret->state, sizeof ret->state, "%.*s", SLICE_ARG(control_text(st, 0)));
    const char **texts[] = {&ret->rule, &ret->scorer, &ret->scorer_version, &ret->judge_model};
    for (int i = 0; i < 4; i++)
        *texts[i] = (const char *)arena_copy(arena, control_text(st, 8 + i)).data;
    bool ids_are_hex = id128_from_hex(control_text(st, 6), &ret->trace_id) &&
                       id64_from_hex(control_text(st, 7), &ret->span_id);
    return ids_are_hex ? STATUS_OK : STATUS_CORRUPT;
}

enum status judge_row_read(struct judge *j, uint32_t project, int64_t id, struct arena *arena,
                           struct judge_row *ret, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        j->control,
        "select state, token, attempts, lease_until, finished, project, trace_id, span_id,"
        " rule, scorer, scorer_version, judge_model from judge_item"
        " where id = ?1 and (?2 = 0 or project = ?2)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, id);
    control_bind_i64(st, 2, project);
    s = control_step(st, reterr);
    if (s == STATUS_END)
        s = error_set(reterr, STATUS_NOT_FOUND, "there is no judge item %lld", (long long)id);
    else if (s == STATUS_OK && (s = row_get(st, arena, ret)) < 0)
        s = error_set(reterr, s, "judge item %lld: its ids are not hex digits", (long long)id);
    control_finish(st);
    return s;
}

bool judge_row_is(const struct judge_row *row, const char *state)
{
    return strcmp(row->state, state) == 0;
}

enum status judge_row_fence(const struct judge_row *row, int64_t id, int64_t token,
                            struct error *reterr)
{
    if (row->token == token && token > 0)
        return STATUS_OK;
    return error_set(
        reterr, STATUS_INVALID,
        "judge item %lld: token %lld is not the one of its last lease; somebody else has it now",
        (long long)id, (long long)token);
}

/* ---- leases that ended without a word ---- */

/* "+rule" keeps SQLite from the index that begins with the rule: few items are leased, many wait. */
enum status judge_expire(struct judge *j, int64_t now_ns, struct error *reterr)
{
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < j->rule_count && s >= 0; i++) {
        struct control_statement *st = NULL;
        s = control_prepare(
            j->control,
            "update judge_item set state = case when attempts >= ?3 then 'poison' else 'queued' end, next = ?1,"
            " finished = case when attempts >= ?3 then ?1 end, reason = 'the lease of ' || worker || ' ran out'"
            " where +rule = ?2 and state in ('leased','writing') and lease_until <= ?1",
            &st, reterr);
        if (s < 0)
            break;
        control_bind_i64(st, 1, now_ns);
        control_bind_text(st, 2, slice_text(j->rules[i].name));
        control_bind_i64(st, 3, j->rules[i].attempts_max);
        s = control_run(st, NULL, reterr);
    }
    return s;
}

/* ---- leasing ---- */

struct lease {
    struct judge *judge;
    uint32_t project;
    struct slice worker;
    uint32_t max;
    int64_t lease_ns; /* 0: the rule's */
    int64_t now_ns;
    struct arena *arena;
    struct judge_item *items;
    uint32_t count;
    const char *reason;
};

/* How many more items the rule's cost cap allows today. */
static enum status cap_allows(struct lease *l, const struct judge_rule *rule, int64_t *ret,
                              struct error *reterr)
{
    struct control_statement *st = NULL;
    int64_t spent = 0, average = 0, under_way = 0;
    *ret = INT64_MAX;
    if (rule->cost_cap_nusd_per_day == 0)
        return STATUS_OK;
    enum status s = control_prepare(
        l->judge->control,
        "select coalesce((select cost_nusd from judge_cost where rule = ?1 and day = ?2), 0),"
        " coalesce((select cost_nusd / verdicts from judge_cost where rule = ?1 and verdicts > 0"
        " order by day desc limit 1), 0),"
        " (select count(*) from judge_item where +rule = ?1"
        " and state in ('leased','writing') and lease_until > 0)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(rule->name));
    control_bind_i64(st, 2, l->now_ns / NS_PER_DAY);
    if ((s = control_step(st, reterr)) == STATUS_OK) {
        spent = control_i64(st, 0);
        average = control_i64(st, 1);
        under_way = control_i64(st, 2);
    }
    control_finish(st);
    if (s < 0)
        return s;
    int64_t left = rule->cost_cap_nusd_per_day - spent;
    if (left <= 0)
        *ret = 0;
    else if (average > 0)
        *ret = left / average > under_way ? left / average - under_way : 0;
    /* A verdict dearer than what is left must not stop the day before it began. */
    if (*ret == 0 && left > 0 && under_way == 0)
        *ret = 1;
    if (*ret == 0)
        l->reason = arena_printf(
            l->arena,
            "rule %s: the cost cap of %.9g USD a day is reached (%.9g spent today, UTC%s)",
            rule->name, (double)rule->cost_cap_nusd_per_day / 1e9, (double)spent / 1e9,
            left > 0 ? "; the rest is under way" : "");
    return STATUS_OK;
}

static void item_read(struct lease *l, const struct judge_rule *rule,
                      const struct control_statement *st, struct judge_item *to)
{
    int64_t lease_ns = l->lease_ns != 0 ? l->lease_ns : rule->lease_ns;
    *to =
        (struct judge_item){.id = control_i64(st, 0),
                            .token = control_i64(st, 1) + 1,
                            .attempt = control_i64(st, 2) + 1,
                            .lease_until_ns = l->now_ns + lease_ns,
                            .rule = rule->name,
                            .project = (const char *)arena_copy(l->arena, control_text(st, 3)).data,
                            .scorer = rule->scorer,
                            .scorer_version = rule->scorer_version,
                            .judge_model = rule->judge_model,
                            .project_id = (uint32_t)control_i64(st, 4)};
    bool ids_are_hex = id128_from_hex(control_text(st, 5), &to->trace_id) &&
                       id64_from_hex(control_text(st, 6), &to->span_id);
    DEBUG_ASSERT(ids_are_hex);
    (void)ids_are_hex;
}

#define PICK(of_project)                                                                           \
    "select id, token, attempts, project_name, project, trace_id, span_id from judge_item"         \
    " where rule = ?1 and " of_project " and state = 'queued' and next <= ?3"                      \
    " order by flagged desc, id limit ?4"

/* The rule's next items, as they are before the lease. Of one project they come in the order of an index, however many
 * wait. */
static enum status items_pick(struct lease *l, const struct judge_rule *rule, int64_t limit,
                              struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        l->judge->control, l->project != 0 ? PICK("project = ?2") : PICK("?2 = 0"), &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(rule->name));
    control_bind_i64(st, 2, l->project);
    control_bind_i64(st, 3, l->now_ns);
    control_bind_i64(st, 4, limit);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        ASSERT(l->count < l->max);
        item_read(l, rule, st, &l->items[l->count++]);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

/* Versions are pinned here: the verdict is of the judge that was asked, whatever the rules say when it comes. */
static enum status item_lease(struct lease *l, const struct judge_item *item, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        l->judge->control,
        "update judge_item set state = 'leased', token = ?2, attempts = ?3, worker = ?4, lease_until = ?5,"
        " scorer = ?6, scorer_version = ?7, judge_model = ?8, finished = null where id = ?1",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, item->id);
    control_bind_i64(st, 2, item->token);
    control_bind_i64(st, 3, item->attempt);
    control_bind_text(st, 4, l->worker);
    control_bind_i64(st, 5, item->lease_until_ns);
    control_bind_text(st, 6, slice_text(item->scorer));
    control_bind_text(st, 7, slice_text(item->scorer_version));
    control_bind_text(st, 8, slice_text(item->judge_model));
    return control_run(st, NULL, reterr);
}

static enum status rule_lease(struct lease *l, const struct judge_rule *rule, int64_t limit,
                              struct error *reterr)
{
    uint32_t first = l->count;
    int64_t allowed = 0;
    enum status s = cap_allows(l, rule, &allowed, reterr);
    if (s < 0 || allowed == 0)
        return s;
    s = items_pick(l, rule, limit < allowed ? limit : allowed, reterr);
    for (uint32_t i = first; i < l->count && s >= 0; i++)
        s = item_lease(l, &l->items[i], reterr);
    return s;
}

static enum status lease_work(void *context, struct error *reterr)
{
    struct lease *l = context;
    struct judge *j = l->judge;
    enum status s = judge_expire(j, l->now_ns, reterr);
    uint32_t turn = j->rule_count == 0 ? 0 : j->turn++ % j->rule_count;
    /* Equal shares first, then whoever has more. */
    for (uint32_t i = 0; i < 2 * j->rule_count && s >= 0 && l->count < l->max; i++) {
        uint32_t left = l->max - l->count;
        uint32_t rules_left = i < j->rule_count ? j->rule_count - i : 1;
        const struct judge_rule *rule = &j->rules[(turn + i) % j->rule_count];
        s = rule_lease(l, rule, (left + rules_left - 1) / rules_left, reterr);
    }
    return s;
}

enum status judge_lease(struct judge *j, uint32_t project, struct slice worker, uint32_t max,
                        int64_t lease_ns, struct arena *arena, struct judge_item **ret_items,
                        uint32_t *ret_count, const char **ret_reason, struct error *reterr)
{
    if (worker.size == 0 || worker.size > JUDGE_WORKER_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID, "worker: a name has 1 to %u bytes",
                         JUDGE_WORKER_BYTES_MAX);
    if (max == 0 || max > JUDGE_LEASE_MAX)
        return error_set(reterr, STATUS_INVALID, "max: %u is not from 1 to %u", max,
                         JUDGE_LEASE_MAX);
    if (lease_ns < 0 || lease_ns > JUDGE_LEASE_MAX_NS)
        return error_set(reterr, STATUS_INVALID, "lease: at most a day");
    struct lease l = {.judge = j,
                      .project = project,
                      .worker = worker,
                      .max = max,
                      .lease_ns = lease_ns,
                      .now_ns = clock_wall_ns(),
                      .arena = arena,
                      .items = ARENA_ARRAY(arena, struct judge_item, max),
                      .reason = j->rule_count == 0 ? "no judge rules are configured" : ""};
    enum status s = control_transaction(j->control, lease_work, &l, reterr);
    if (s < 0)
        return s;
    *ret_items = l.items;
    *ret_count = l.count;
    *ret_reason = l.count == 0 ? l.reason : "";
    return STATUS_OK;
}

/* ---- a worker's word about a lease ---- */

enum word {
    WORD_RENEW,
    WORD_FAIL,
    WORD_RELEASE,
    WORD_SET_ASIDE
};

struct say {
    struct judge *judge;
    uint32_t project;
    int64_t id, token;
    enum word word;
    struct slice reason;
    int64_t lease_ns;
    int64_t now_ns;
    int64_t until_ns; /* out: renewed until */
};

static bool is_poison(const struct say *y, const struct judge_row *row)
{
    const struct judge_rule *rule = judge_rule_find(y->judge, slice_text(row->rule));
    int64_t attempts_max = rule != NULL ? rule->attempts_max : JUDGE_ATTEMPTS_DEFAULT;
    return y->word == WORD_SET_ASIDE || (y->word == WORD_FAIL && row->attempts >= attempts_max);
}

static enum status lease_end(const struct say *y, const struct judge_row *row, struct error *reterr)
{
    struct control_statement *st = NULL;
    bool poison = is_poison(y, row);
    bool counts = y->word != WORD_RELEASE;
    enum status s = control_prepare(
        y->judge->control,
        "update judge_item set state = ?2, attempts = ?3, next = ?4, reason = ?5,"
        " finished = case ?2 when 'poison' then ?6 end, lease_until = null where id = ?1",
        &st, reterr);
    if (s < 0)
        return s;
    struct slice reason = y->reason;
    reason.size = reason.size < JUDGE_REASON_BYTES_MAX ? reason.size : JUDGE_REASON_BYTES_MAX;
    control_bind_i64(st, 1, y->id);
    control_bind_text(st, 2, slice_text(poison ? "poison" : "queued"));
    control_bind_i64(st, 3, row->attempts - (counts ? 0 : 1));
    control_bind_i64(st, 4, y->now_ns + (counts ? judge_pause_ns(row->attempts) : 0));
    control_bind_text(st, 5, reason);
    control_bind_i64(st, 6, y->now_ns);
    return control_run(st, NULL, reterr);
}

static enum status lease_renew(struct say *y, const struct judge_row *row, struct error *reterr)
{
    struct control_statement *st = NULL;
    const struct judge_rule *rule = judge_rule_find(y->judge, slice_text(row->rule));
    int64_t lease_ns = y->lease_ns != 0 ? y->lease_ns
                       : rule != NULL   ? rule->lease_ns
                                        : JUDGE_LEASE_DEFAULT_NS;
    y->until_ns = y->now_ns + lease_ns;
    enum status s = control_prepare(
        y->judge->control, "update judge_item set lease_until = ?2 where id = ?1", &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, y->id);
    control_bind_i64(st, 2, y->until_ns);
    return control_run(st, NULL, reterr);
}

static enum status say_work(void *context, struct error *reterr)
{
    struct say *y = context;
    struct arena arena = {0};
    struct judge_row row;
    enum status s = judge_row_read(y->judge, y->project, y->id, &arena, &row, reterr);
    if (s >= 0)
        s = judge_row_fence(&row, y->id, y->token, reterr);
    if (s < 0)
        goto out;
    /* A lease that ran out is still the worker's while nobody else has taken it: its token says so. */
    bool ended = judge_row_is(&row, "queued") || judge_row_is(&row, "poison");
    if (judge_row_is(&row, "leased"))
        s = y->word == WORD_RENEW ? lease_renew(y, &row, reterr) : lease_end(y, &row, reterr);
    else if (y->word == WORD_RENEW || !ended)
        s = error_set(reterr, STATUS_INVALID,
                      "judge item %lld: the lease of token %lld has ended; the item is %s",
                      (long long)y->id, (long long)y->token, row.state);
out:
    arena_deinit(&arena);
    return s;
}

static enum status say(struct say *y, struct error *reterr)
{
    y->now_ns = clock_wall_ns();
    return control_transaction(y->judge->control, say_work, y, reterr);
}

enum status judge_renew(struct judge *j, uint32_t project, int64_t id, int64_t token,
                        int64_t lease_ns, int64_t *ret_until_ns, struct error *reterr)
{
    if (lease_ns < 0 || lease_ns > JUDGE_LEASE_MAX_NS)
        return error_set(reterr, STATUS_INVALID, "lease: at most a day");
    struct say y = {.judge = j,
                    .project = project,
                    .id = id,
                    .token = token,
                    .word = WORD_RENEW,
                    .lease_ns = lease_ns};
    enum status s = say(&y, reterr);
    if (s >= 0)
        *ret_until_ns = y.until_ns;
    return s;
}

enum status judge_fail(struct judge *j, uint32_t project, int64_t id, int64_t token,
                       struct slice reason, struct error *reterr)
{
    struct say y = {.judge = j,
                    .project = project,
                    .id = id,
                    .token = token,
                    .word = WORD_FAIL,
                    .reason = reason};
    return say(&y, reterr);
}

enum status judge_release(struct judge *j, uint32_t project, int64_t id, int64_t token,
                          struct error *reterr)
{
    struct say y = {.judge = j,
                    .project = project,
                    .id = id,
                    .token = token,
                    .word = WORD_RELEASE,
                    .reason = SLICE_EMPTY};
    return say(&y, reterr);
}

enum status judge_set_aside(struct judge *j, uint32_t project, int64_t id, int64_t token,
                            struct slice reason, struct error *reterr)
{
    struct say y = {.judge = j,
                    .project = project,
                    .id = id,
                    .token = token,
                    .word = WORD_SET_ASIDE,
                    .reason = reason};
    return say(&y, reterr);
}

/* ---- poison ---- */

enum status judge_retry_poison(struct judge *j, uint32_t project, int64_t *ret_count,
                               struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        j->control,
        "update judge_item set state = 'queued', attempts = 0, next = ?1, finished = null"
        " where state = 'poison' and (?2 = 0 or project = ?2)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, clock_wall_ns());
    control_bind_i64(st, 2, project);
    return control_run(st, ret_count, reterr);
}
