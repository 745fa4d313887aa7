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

struct outcome {
    struct control *control;
    int64_t id;
    bool sent;
    bool counts; /* an attempt was made */
    int http_status;
    const char *why;
    int64_t now_ns;
};

static enum status outcome_work(void *context, struct error *reterr)
{
    struct outcome *o = context;
    struct control_statement *st = NULL;
    int64_t changes = 0;
    enum status s = control_prepare(
        o->control,
        "update alert_outbox set state = ?2, attempts = attempts + ?3, http_status = ?4,"
        " error = ?5, finished = ?6 where id = ?1 and state = 'waiting'",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, o->id);
    control_bind_text(st, 2, slice_text(o->sent ? "sent" : "failed"));
    control_bind_i64(st, 3, o->counts ? 1 : 0);
    if (o->http_status != 0)
        control_bind_i64(st, 4, o->http_status);
    else
        control_bind_null(st, 4);
    control_bind_text(st, 5, slice_text(o->why));
    control_bind_i64(st, 6, o->now_ns);
    if ((s = control_run(st, &changes, reterr)) < 0 || changes == 0 || !o->sent)
        return s;
    if ((s = control_prepare(o->control,
                             "update alert_incident set notified = notified + 1"
                             " where id = (select incident from alert_outbox where id = ?1)",
                             &st, reterr)) < 0)
        return s;
    control_bind_i64(st, 1, o->id);
    return control_run(st, NULL, reterr);
}

enum status alert_outbox_sent(struct control *control, int64_t id, int http_status, int64_t now_ns,
                              struct error *reterr)
{
    struct outcome o = {.control = control,
                        .id = id,
                        .sent = true,
                        .counts = true,
                        .http_status = http_status,
                        .why = "",
                        .now_ns = now_ns};
    return control_transaction(control, outcome_work, &o, reterr);
}

enum status alert_outbox_failed(struct control *control, int64_t id, bool counts, int http_status,
                                const char *why, int64_t now_ns, struct error *reterr)
{
    struct outcome o = {.control = control,
                        .id = id,
                        .counts = counts,
                        .http_status = http_status,
                        .why = why,
                        .now_ns = now_ns};
    return control_transaction(control, outcome_work, &o, reterr);
}

enum status alert_outbox_retry(struct control *control, int64_t id, int http_status,
                               const char *why, int64_t next_ns, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        control,
        "update alert_outbox set attempts = attempts + 1, http_status = ?2, error = ?3,"
        " next = ?4 where id = ?1 and state = 'waiting'",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, id);
    if (http_status != 0)
        control_bind_i64(st, 2, http_status);
    else
        control_bind_null(st, 2);
    control_bind_text(st, 3, slice_text(why));
    control_bind_i64(st, 4, next_ns);
    return control_run(st, NULL, reterr);
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
