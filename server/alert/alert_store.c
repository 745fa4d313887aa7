/*
 * alert_store.c - incidents: what is stored, and transitions.
 *
 * Place:     scheduler -> [here] -> server/control; alert_outbox.c is the other half, for the notifier
 */
#include "server/alert/alert_store.h"

#include <stdio.h>

#include "engine/base/id.h"
#include "engine/base/rng.h"
#include "server/alert/alert_limits.h"
#include "server/alert/alert_payload.h"

enum status alert_store_schema(struct control *control, struct error *reterr)
{
    return control_schema(
        control,
        "create table if not exists alert_incident ("
        " id integer primary key autoincrement, project integer not null, project_name text not null,"
        " rule text not null, severity text not null, labels text not null, label_set text not null,"
        " fingerprint text not null, state text not null check (state in ('pending','firing','resolved')),"
        " value real, samples integer, summary text not null, exemplars text not null, reason text not null,"
        " started integer not null, fired integer, resolved integer, updated integer not null,"
        " notified integer not null default 0);"
        "create unique index if not exists alert_incident_open on alert_incident (project_name, rule, labels)"
        " where state in ('pending','firing');"
        "create table if not exists alert_outbox ("
        " id integer primary key autoincrement, incident integer not null, project integer not null,"
        " rule text not null, notifier text not null, event text not null check (event in ('firing','resolved')),"
        " key text not null, body blob not null,"
        " state text not null check (state in ('waiting','sent','failed')),"
        " attempts integer not null default 0, created integer not null, next integer not null, finished integer,"
        " http_status integer, error text not null default '');"
        "create index if not exists alert_outbox_waiting on alert_outbox (notifier, next) where state = 'waiting';"
        "create index if not exists alert_outbox_incident on alert_outbox (incident, notifier);",
        reterr);
}

/* ---- reading ---- */

#define INCIDENT_COLUMNS                                                                           \
    "id, project, project_name, rule, severity, labels, label_set, fingerprint, state, value, "    \
    "samples, summary, exemplars, reason, started, fired, resolved, updated"

static void incident_read(const struct control_statement *st, struct incident *to)
{
    *to = (struct incident){.id = control_i64(st, 0),
                            .project = (uint32_t)control_i64(st, 1),
                            .project_name = control_text(st, 2),
                            .rule = control_text(st, 3),
                            .severity = control_text(st, 4),
                            .group = control_text(st, 5),
                            .label_set = control_text(st, 6),
                            .has_value = !control_is_null(st, 9),
                            .value = control_f64(st, 9),
                            .has_samples = !control_is_null(st, 10),
                            .samples = control_i64(st, 10),
                            .summary = control_text(st, 11),
                            .exemplars = control_text(st, 12),
                            .reason = control_text(st, 13),
                            .started_ns = control_i64(st, 14),
                            .fired_ns = control_i64(st, 15),
                            .resolved_ns = control_i64(st, 16),
                            .updated_ns = control_i64(st, 17)};
    (void)snprintf(to->fingerprint, sizeof to->fingerprint, "%.*s", SLICE_ARG(control_text(st, 7)));
    to->state = slice_is(control_text(st, 8), "pending")  ? GROUP_PENDING
                : slice_is(control_text(st, 8), "firing") ? GROUP_FIRING
                                                          : GROUP_INACTIVE;
}

enum status alert_store_open_incidents(struct control *control,
                                       void (*each)(void *context, const struct incident *i),
                                       void *context, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(control,
                                    "select " INCIDENT_COLUMNS " from alert_incident"
                                    " where state in ('pending','firing') order by id",
                                    &st, reterr);
    if (s < 0)
        return s;
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        struct incident i;
        incident_read(st, &i);
        each(context, &i);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

/* ---- transitions ---- */

struct apply {
    struct control *control;
    const struct alert_audience *audience;
    struct transition *transitions;
    uint32_t count;
    int64_t now_ns;
    int64_t waiting; /* rows in the outbox */
    uint32_t notifications;
    uint32_t dropped;
};

static void bind_number(struct control_statement *st, int at, bool has, double value)
{
    if (has)
        control_bind_f64(st, at, value);
    else
        control_bind_null(st, at);
}

static void bind_count(struct control_statement *st, int at, bool has, int64_t value)
{
    if (has)
        control_bind_i64(st, at, value);
    else
        control_bind_null(st, at);
}

static const char *state_text(const struct incident *i)
{
    return i->state == GROUP_INACTIVE ? "resolved" : group_state_name(i->state);
}

static enum status incident_insert(struct apply *a, struct incident *i, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        a->control,
        "insert into alert_incident (project, project_name, rule, severity, labels, label_set, fingerprint, state,"
        " value, samples, summary, exemplars, reason, started, fired, updated)"
        " values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '', ?13, ?14, ?15) returning id",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, i->project);
    control_bind_text(st, 2, i->project_name);
    control_bind_text(st, 3, i->rule);
    control_bind_text(st, 4, i->severity);
    control_bind_text(st, 5, i->group);
    control_bind_text(st, 6, i->label_set);
    control_bind_text(st, 7, slice_text(i->fingerprint));
    control_bind_text(st, 8, slice_text(state_text(i)));
    bind_number(st, 9, i->has_value, i->value);
    bind_count(st, 10, i->has_samples, i->samples);
    control_bind_text(st, 11, i->summary);
    control_bind_text(st, 12, i->exemplars);
    control_bind_i64(st, 13, i->started_ns);
    bind_count(st, 14, i->fired_ns != 0, i->fired_ns);
    control_bind_i64(st, 15, a->now_ns);
    if ((s = control_step(st, reterr)) == STATUS_OK) {
        i->id = control_i64(st, 0);
        s = control_step(st, reterr); /* the insert is done when the statement is */
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

static enum status incident_update(struct apply *a, const struct incident *i, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        a->control,
        "update alert_incident set state = ?2, value = ?3, samples = ?4, summary = ?5, exemplars = ?6, reason = ?7,"
        " fired = ?8, resolved = ?9, updated = ?10 where id = ?1 and state in ('pending','firing')",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, i->id);
    control_bind_text(st, 2, slice_text(state_text(i)));
    bind_number(st, 3, i->has_value, i->value);
    bind_count(st, 4, i->has_samples, i->samples);
    control_bind_text(st, 5, i->summary);
    control_bind_text(st, 6, i->exemplars);
    control_bind_text(st, 7, i->reason);
    bind_count(st, 8, i->fired_ns != 0, i->fired_ns);
    bind_count(st, 9, i->resolved_ns != 0, i->resolved_ns);
    control_bind_i64(st, 10, a->now_ns);
    int64_t changes;
    if ((s = control_run(st, &changes, reterr)) >= 0 && changes != 1)
        return error_set(reterr, STATUS_NOT_FOUND, "incident %lld is not open", (long long)i->id);
    return s;
}

static enum status incident_delete(struct apply *a, const struct incident *i, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        a->control, "delete from alert_incident where id = ?1 and state = 'pending'", &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, i->id);
    return control_run(st, NULL, reterr);
}

/* ---- notifications ---- */

static enum status outbox_add(struct apply *a, const struct incident *i, const char *notifier,
                              struct error *reterr)
{
    uint8_t random[16];
    char key[2 * sizeof random];
    struct buffer body = {0};
    struct control_statement *st = NULL;
    bool fits = a->waiting < ALERT_OUTBOX_WAITING_MAX;
    enum status s =
        alert_payload_write(i, notifier, a->audience->rules->external_url, &body, reterr);
    if (s >= 0)
        s = control_prepare(
            a->control,
            "insert into alert_outbox (incident, project, rule, notifier, event, key, body, state,"
            " created, next, finished, error)"
            " values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?11)",
            &st, reterr);
    if (s < 0)
        goto out;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, key);
    control_bind_i64(st, 1, i->id);
    control_bind_i64(st, 2, i->project);
    control_bind_text(st, 3, i->rule);
    control_bind_text(st, 4, slice_text(notifier));
    control_bind_text(st, 5, slice_text(i->state == GROUP_INACTIVE ? "resolved" : "firing"));
    control_bind_text(st, 6, slice_of(key, sizeof key));
    control_bind_blob(st, 7, buffer_slice(&body));
    control_bind_text(st, 8, slice_text(fits ? "waiting" : "failed"));
    control_bind_i64(st, 9, a->now_ns);
    bind_count(st, 10, !fits, a->now_ns);
    control_bind_text(st, 11, slice_text(fits ? "" : "too many notifications wait already"));
    if ((s = control_run(st, NULL, reterr)) < 0)
        goto out;
    a->waiting += fits;
    a->notifications += fits;
    a->dropped += !fits;
out:
    buffer_deinit(&body);
    return s;
}

/* The end is told to whoever was told of the start, whatever the rule says by now. */
static enum status notify_end(struct apply *a, const struct incident *i, struct error *reterr)
{
    struct arena arena = {0};
    const char *names[ALERT_NOTIFIERS_MAX];
    uint32_t count = 0;
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        a->control,
        "select distinct notifier from alert_outbox where incident = ?1 and event = 'firing'"
        " order by notifier",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, i->id);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        struct slice name = control_text(st, 0);
        if (count < ALERT_NOTIFIERS_MAX && alert_rules_notifier(a->audience->rules, name) != NULL)
            names[count++] = (const char *)arena_copy(&arena, name).data;
    }
    control_finish(st);
    for (uint32_t k = 0; k < count && s >= 0; k++)
        s = outbox_add(a, i, names[k], reterr);
    arena_deinit(&arena);
    return s < 0 ? s : STATUS_OK;
}

static enum status notify_start(struct apply *a, const struct incident *i, struct error *reterr)
{
    const struct alert_rule *rule = a->audience->rule;
    enum status s = STATUS_OK;
    for (uint32_t k = 0; rule != NULL && k < rule->notify_count && s >= 0; k++)
        s = outbox_add(a, i, a->audience->rules->notifiers[rule->notify[k]].name, reterr);
    return s;
}

static enum status transition_apply(struct apply *a, struct transition *t, struct error *reterr)
{
    struct incident *i = &t->incident;
    enum status s = STATUS_OK;
    switch (t->event) {
    case EVENT_NONE:
        return STATUS_OK;
    case EVENT_PEND:
        return incident_insert(a, i, reterr);
    case EVENT_FIRE:
        s = i->id == 0 ? incident_insert(a, i, reterr) : incident_update(a, i, reterr);
        return s < 0 ? s : notify_start(a, i, reterr);
    case EVENT_CANCEL:
        return incident_delete(a, i, reterr);
    case EVENT_RESOLVE:
        s = incident_update(a, i, reterr);
        return s < 0 ? s : notify_end(a, i, reterr);
    }
    return s;
}

static enum status apply_work(void *context, struct error *reterr)
{
    struct apply *a = context;
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        a->control, "select count(*) from alert_outbox where state = 'waiting'", &st, reterr);
    if (s < 0)
        return s;
    if ((s = control_step(st, reterr)) == STATUS_OK)
        a->waiting = control_i64(st, 0);
    control_finish(st);
    for (uint32_t i = 0; i < a->count && s >= 0; i++)
        s = transition_apply(a, &a->transitions[i], reterr);
    return s;
}

enum status alert_store_apply(struct control *control, const struct alert_audience *audience,
                              struct transition *transitions, uint32_t count, int64_t now_ns,
                              uint32_t *ret_notifications, uint32_t *ret_dropped,
                              struct error *reterr)
{
    struct apply a = {.control = control,
                      .audience = audience,
                      .transitions = transitions,
                      .count = count,
                      .now_ns = now_ns};
    enum status s = control_transaction(control, apply_work, &a, reterr);
    if (s < 0)
        return s;
    *ret_notifications = a.notifications;
    *ret_dropped = a.dropped;
    return STATUS_OK;
}

/* ---- present values ---- */

struct refresh {
    struct control *control;
    const struct incident *incidents;
    uint32_t count;
};

static enum status refresh_work(void *context, struct error *reterr)
{
    struct refresh *r = context;
    for (uint32_t k = 0; k < r->count; k++) {
        const struct incident *i = &r->incidents[k];
        struct control_statement *st = NULL;
        enum status s = control_prepare(
            r->control,
            "update alert_incident set value = ?2, samples = ?3, updated = ?4 where id = ?1 and state = 'firing'",
            &st, reterr);
        if (s < 0)
            return s;
        control_bind_i64(st, 1, i->id);
        bind_number(st, 2, i->has_value, i->value);
        bind_count(st, 3, i->has_samples, i->samples);
        control_bind_i64(st, 4, i->updated_ns);
        if ((s = control_run(st, NULL, reterr)) < 0)
            return s;
    }
    return STATUS_OK;
}

enum status alert_store_refresh(struct control *control, const struct incident *incidents,
                                uint32_t count, struct error *reterr)
{
    struct refresh r = {.control = control, .incidents = incidents, .count = count};
    return control_transaction(control, refresh_work, &r, reterr);
}
