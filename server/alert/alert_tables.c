/*
 * alert_tables.c - the tables incidents, notifications and alert_rules for SQL.
 *
 * Place:     control file, running scheduler -> [here] -> query; a row belongs to the project that asks
 */
#include <assert.h>
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/alert/alerts_internal.h"

#define ROWS_MAX        "100000"
#define PROJECT_DEFAULT 1u

static struct query_value text_value(struct slice text)
{
    return (struct query_value){.type = SQL_TEXT, .text = text};
}

/* ---- stored tables: a column is a name, a type and what SQLite calls it ---- */

#define INCIDENT_COLUMNS(COLUMN)                                                                   \
    COLUMN("id", SQL_INT, "id")                                                                    \
    COLUMN("rule", SQL_TEXT, "rule")                                                               \
    COLUMN("project", SQL_TEXT, "project_name")                                                    \
    COLUMN("severity", SQL_TEXT, "severity")                                                       \
    COLUMN("labels", SQL_TEXT, "labels")                                                           \
    COLUMN("state", SQL_TEXT, "state")                                                             \
    COLUMN("value", SQL_FLOAT, "value")                                                            \
    COLUMN("samples", SQL_INT, "samples")                                                          \
    COLUMN("summary", SQL_TEXT, "summary")                                                         \
    COLUMN("started", SQL_TIMESTAMP, "started")                                                    \
    COLUMN("fired", SQL_TIMESTAMP, "fired")                                                        \
    COLUMN("resolved", SQL_TIMESTAMP, "resolved")                                                  \
    COLUMN("updated", SQL_TIMESTAMP, "updated")                                                    \
    COLUMN("notified", SQL_INT, "notified")                                                        \
    COLUMN("exemplars", SQL_TEXT, "exemplars")                                                     \
    COLUMN("fingerprint", SQL_TEXT, "fingerprint")                                                 \
    COLUMN("reason", SQL_TEXT, "reason")

#define NOTIFICATION_COLUMNS(COLUMN)                                                               \
    COLUMN("id", SQL_INT, "id")                                                                    \
    COLUMN("incident", SQL_INT, "incident")                                                        \
    COLUMN("rule", SQL_TEXT, "rule")                                                               \
    COLUMN("notifier", SQL_TEXT, "notifier")                                                       \
    COLUMN("event", SQL_TEXT, "event")                                                             \
    COLUMN("state", SQL_TEXT, "state")                                                             \
    COLUMN("attempts", SQL_INT, "attempts")                                                        \
    COLUMN("created", SQL_TIMESTAMP, "created")                                                    \
    COLUMN("next_attempt", SQL_TIMESTAMP, "case state when 'waiting' then next end")               \
    COLUMN("finished", SQL_TIMESTAMP, "finished")                                                  \
    COLUMN("http_status", SQL_INT, "http_status")                                                  \
    COLUMN("error", SQL_TEXT, "error")                                                             \
    COLUMN("idempotency_key", SQL_TEXT, "key")

#define AS_QUERY_COLUMN(name, type, expression) {name, type},
#define AS_SELECT(name, type, expression)       expression ","

static const struct query_column incident_columns[] = {INCIDENT_COLUMNS(AS_QUERY_COLUMN)};
static const struct query_column notification_columns[] = {NOTIFICATION_COLUMNS(AS_QUERY_COLUMN)};

#define COUNT_OF(array)   ((uint32_t)(sizeof(array) / sizeof *(array)))
#define TABLE_COLUMNS_MAX 20

static struct query_value cell(const struct control_statement *st, int at, enum sql_type type)
{
    struct query_value v = {.type = type};
    if (control_is_null(st, at))
        v.type = SQL_NULL;
    else if (type == SQL_FLOAT)
        v.f64 = control_f64(st, at);
    else if (type == SQL_TEXT)
        v.text = control_text(st, at);
    else
        v.i64 = control_i64(st, at);
    return v;
}

/* sql has one parameter, the project. */
static enum status fill_stored(struct control *control, const char *sql,
                               const struct query_column *columns, uint32_t column_count,
                               uint32_t project, struct query_table_rows *to, struct error *reterr)
{
    struct control_statement *st = NULL;
    struct query_value cells[TABLE_COLUMNS_MAX];
    enum status s = control_prepare(control, sql, &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, project);
    while ((s = control_step(st, reterr)) == STATUS_OK) {
        for (uint32_t i = 0; i < column_count; i++)
            cells[i] = cell(st, (int)i, columns[i].type);
        query_table_row(to, cells);
    }
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

static enum status fill_incidents(void *context, uint32_t project, struct query_table_rows *to,
                                  struct error *reterr)
{
    return fill_stored(
        context,
        "select " INCIDENT_COLUMNS(AS_SELECT) "0 from alert_incident where project = ?1"
                                              " order by id desc limit " ROWS_MAX,
        incident_columns, COUNT_OF(incident_columns), project, to, reterr);
}

static enum status fill_notifications(void *context, uint32_t project, struct query_table_rows *to,
                                      struct error *reterr)
{
    return fill_stored(
        context,
        "select " NOTIFICATION_COLUMNS(AS_SELECT) "0 from alert_outbox where project = ?1"
                                                  " order by id desc limit " ROWS_MAX,
        notification_columns, COUNT_OF(notification_columns), project, to, reterr);
}

/* ---- rules at work ---- */

static const struct query_column rule_columns[] = {
    {"name", SQL_TEXT},
    {"project", SQL_TEXT},
    {"severity", SQL_TEXT},
    {"every", SQL_TEXT},
    {"for", SQL_TEXT},
    {"state", SQL_TEXT},
    {"pending", SQL_INT},
    {"firing", SQL_INT},
    {"evaluations", SQL_INT},
    {"errors", SQL_INT},
    {"last_evaluation", SQL_TIMESTAMP},
    {"duration_ms", SQL_FLOAT},
    {"error", SQL_TEXT},
    {"condition", SQL_TEXT},
    {"query", SQL_TEXT},
    {"notify", SQL_TEXT},
};

struct rules_fill {
    struct query_table_rows *to;
    uint32_t project;
};

static const char *rule_state(const struct rule_report *r)
{
    if (r->error[0] != 0)
        return "error";
    return r->firing > 0 ? "firing" : r->pending > 0 ? "pending" : "inactive";
}

static void add_rule(void *context, const struct alert_rules *rules, const struct alert_rule *rule,
                     const struct rule_report *r)
{
    struct rules_fill *f = context;
    char every[TIME_TEXT_BYTES];
    char for_text[TIME_TEXT_BYTES];
    struct buffer notify = {0};
    /* A rule of a project that nobody has made yet is shown to the default one: somebody must see why it rests. */
    if ((r->project != 0 ? r->project : PROJECT_DEFAULT) != f->project)
        return;
    duration_to_text(rule->every_ns, every);
    duration_to_text(rule->for_ns, for_text);
    for (uint32_t i = 0; i < rule->notify_count; i++)
        buffer_printf(&notify, "%s%s", i == 0 ? "" : ",", rules->notifiers[rule->notify[i]].name);
    struct query_value last = {.type = r->last_ns == 0 ? SQL_NULL : SQL_TIMESTAMP,
                               .i64 = r->last_ns};
    const struct query_value cells[] = {
        text_value(slice_text(rule->name)),
        text_value(slice_text(rule->project)),
        text_value(slice_text(severity_name(rule->severity))),
        text_value(slice_text(every)),
        text_value(slice_text(for_text)),
        text_value(slice_text(rule_state(r))),
        {.type = SQL_INT, .i64 = r->pending},
        {.type = SQL_INT, .i64 = r->firing},
        {.type = SQL_INT, .i64 = (int64_t)r->looks},
        {.type = SQL_INT, .i64 = (int64_t)r->errors},
        last,
        {.type = SQL_FLOAT, .f64 = (double)r->duration_ns / (double)NS_PER_MS},
        text_value(slice_text(r->error)),
        text_value(rule->condition_text),
        text_value(rule->query),
        text_value(buffer_slice(&notify)),
    };
    static_assert(sizeof cells / sizeof *cells == sizeof rule_columns / sizeof *rule_columns,
                  "one value a column");
    query_table_row(f->to, cells);
    buffer_deinit(&notify);
}

static enum status fill_rules(void *context, uint32_t project, struct query_table_rows *to,
                              struct error *reterr)
{
    (void)reterr;
    struct rules_fill f = {.to = to, .project = project};
    alerts_each_rule(context, add_rule, &f);
    return STATUS_OK;
}

enum status alert_tables_add(struct query_db *db, struct control *control, struct error *reterr)
{
    static_assert(sizeof incident_columns / sizeof *incident_columns <= TABLE_COLUMNS_MAX,
                  "cells of a row");
    enum status s = alert_store_schema(control, reterr);
    if (s < 0)
        return s;
    const struct query_table tables[] = {
        {"incidents", incident_columns, COUNT_OF(incident_columns), fill_incidents, control},
        {"notifications", notification_columns, COUNT_OF(notification_columns), fill_notifications,
         control},
        {"alert_rules", rule_columns, COUNT_OF(rule_columns), fill_rules, control},
    };
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        query_db_add_table(db, &tables[i]);
    return STATUS_OK;
}
