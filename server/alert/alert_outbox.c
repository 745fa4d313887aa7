/*
 * alert_outbox.c - the notifications that wait: which are due, and how they ended.
 *
 * Place:     notifier -> [here] -> server/control
 * Order:     of one incident and notifier, a notification waits for those before it.
 */
#include "server/alert/alert_limits.h"
#include "server/alert/alert_store.h"

/* A `next` further away than any retry can be means that the wall clock was set back. */
#define NEXT_NS_MAX (2 * NS_PER_HOUR)

enum status alert_outbox_notifiers(struct control *control, int64_t now_ns,
                                   void (*each)(void *context, struct slice notifier),
                                   void *context, int64_t *ret_next_ns, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s =
        control_prepare(control,
                        "select notifier, min(next) filter (where next > ?1) from alert_outbox"
                        " where state = 'waiting' group by notifier",
                        &st, reterr);
    if (s < 0)
        return s;
    int64_t next_ns = INT64_MAX;
    control_bind_i64(st, 1, now_ns);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        if (!control_is_null(st, 1) && control_i64(st, 1) < next_ns)
            next_ns = control_i64(st, 1);
        each(context, control_text(st, 0));
    }
    control_finish(st);
    if (s < 0)
        return s;
    *ret_next_ns = next_ns;
    return STATUS_OK;
}

enum status alert_outbox_due(struct control *control, struct slice notifier, int64_t now_ns,
                             uint32_t limit,
                             void (*each)(void *context, const struct notification *n),
                             void *context, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        control,
        "select id, incident, notifier, key, body, attempts from alert_outbox o"
        " where state = 'waiting' and notifier = ?1 and (next <= ?2 or next > ?3)"
        " and not exists (select 1 from alert_outbox p where p.incident = o.incident and p.notifier = o.notifier"
        " and p.id < o.id and p.state = 'waiting') order by id limit ?4",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, notifier);
    control_bind_i64(st, 2, now_ns);
    control_bind_i64(st, 3, now_ns + NEXT_NS_MAX);
    control_bind_i64(st, 4, limit);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        struct notification n = {.id = control_i64(st, 0),
                                 .incident = control_i64(st, 1),
                                 .notifier = control_text(st, 2),
                                 .key = control_text(st, 3),
                                 .body = control_text(st, 4),
                                 .attempts = (uint32_t)control_i64(st, 5)};
        each(context, &n);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

/* ---- outcomes ---- */

struct settle {
    struct control *control;
    const struct outcome *outcomes;
    uint32_t count;
    int64_t now_ns;
};

static const char *state_after(enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_SENT:
        return "sent";
    case OUTCOME_RETRY:
        return "waiting";
    case OUTCOME_FAILED:
        return "failed";
    }
    return "failed";
}

static enum status outcome_note(const struct settle *settle, const struct outcome *o,
                                int64_t *ret_changes, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        settle->control,
        "update alert_outbox set state = ?2, attempts = attempts + ?3, http_status = ?4,"
        " error = ?5, next = coalesce(?6, next), finished = ?7"
        " where id = ?1 and state = 'waiting'",
        &st, reterr);
    if (s < 0)
        return s;
    bool is_retry = o->kind == OUTCOME_RETRY;
    control_bind_i64(st, 1, o->id);
    control_bind_text(st, 2, slice_text(state_after(o->kind)));
    control_bind_i64(st, 3, o->no_try ? 0 : 1);
    if (o->http_status != 0)
        control_bind_i64(st, 4, o->http_status);
    else
        control_bind_null(st, 4);
    control_bind_text(st, 5, slice_text(o->kind == OUTCOME_SENT ? "" : o->why));
    if (is_retry)
        control_bind_i64(st, 6, o->next_ns);
    else
        control_bind_null(st, 6);
    if (is_retry)
        control_bind_null(st, 7);
    else
        control_bind_i64(st, 7, settle->now_ns);
    return control_run(st, ret_changes, reterr);
}

static enum status incident_notified(const struct settle *settle, int64_t id, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(settle->control,
                                    "update alert_incident set notified = notified + 1"
                                    " where id = (select incident from alert_outbox where id = ?1)",
                                    &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, id);
    return control_run(st, NULL, reterr);
}

static enum status settle_work(void *context, struct error *reterr)
{
    const struct settle *settle = context;
    enum status s = STATUS_OK;
    for (uint32_t i = 0; i < settle->count && s >= 0; i++) {
        const struct outcome *o = &settle->outcomes[i];
        int64_t changes = 0;
        s = outcome_note(settle, o, &changes, reterr);
        if (s >= 0 && o->kind == OUTCOME_SENT && changes > 0)
            s = incident_notified(settle, o->id, reterr);
    }
    return s;
}

enum status alert_outbox_settle(struct control *control, const struct outcome *outcomes,
                                uint32_t count, int64_t now_ns, struct error *reterr)
{
    struct settle settle = {
        .control = control, .outcomes = outcomes, .count = count, .now_ns = now_ns};
    return control_transaction(control, settle_work, &settle, reterr);
}

static enum status run_with_limit(struct control *control, const char *sql, int64_t limit,
                                  struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(control, sql, &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, limit);
    return control_run(st, NULL, reterr);
}

/* What an open incident was told about stays: its end goes to the same receivers. */
enum status alert_store_trim(struct control *control, struct error *reterr)
{
    enum status s = run_with_limit(
        control,
        "delete from alert_outbox where state <> 'waiting' and id <= (select id from"
        " alert_outbox where state <> 'waiting' order by id desc limit 1 offset ?1) and incident not in"
        " (select id from alert_incident where state in ('pending','firing'))",
        ALERT_OUTBOX_KEPT_MAX, reterr);
    if (s < 0)
        return s;
    return run_with_limit(
        control,
        "delete from alert_incident where state = 'resolved' and id <= (select id from"
        " alert_incident where state = 'resolved' order by id desc limit 1 offset ?1)",
        ALERT_INCIDENTS_KEPT_MAX, reterr);
}
