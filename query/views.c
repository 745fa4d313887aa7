/*
 * views.c - tables that are queries: traces and sessions, one row each, made of spans.
 *
 * What a query does not read of them is not computed; conditions on trace_id and session go into the scan.
 */
#include "query/check.h"

/* Worst first; the class taxonomy's order of severity. */
static const char *const class_order[] = {
    "pii_leak",   "jailbreak", "hallucination", "tool_call_malformed", "tool_error", "loop",
    "truncation", "refusal",   "timeout",       "rate_limit",          "other"};

/* The least score of a row over all score columns of the project. */
static void add_lowest_score(struct statement *st, struct buffer *to)
{
    struct schema *schema =
        st->run->engine == NULL ? NULL : engine_schema(st->run->engine, st->run->project);
    uint32_t count = schema == NULL ? 0 : schema_score_count(schema);
    if (count == 0) {
        buffer_add_text(to, "NULL::float8");
        return;
    }
    buffer_add_text(to, "min(least(");
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = schema_column(schema, TABLE_SPANS, (uint16_t)(COLUMN_DYNAMIC + i));
        if (c != NULL)
            buffer_printf(to, "%s\"%s\"", i > 0 ? "," : "", c->name);
    }
    buffer_add_text(to, "))");
}

/* The class with the least rank; classes of the user's own come before "other". */
static void add_worst_class(struct buffer *to)
{
    uint32_t count = sizeof class_order / sizeof *class_order;
    buffer_add_text(to, "substr(min(CASE error_class WHEN 'none' THEN '99none'");
    for (uint32_t i = 0; i < count; i++)
        buffer_printf(to, " WHEN '%s' THEN '%u%s'", class_order[i], i + 1 == count ? 60 : 10 + i,
                      class_order[i]);
    buffer_add_text(to, " ELSE '50' || error_class END), 3)");
}

static void add_common(struct statement *st, struct buffer *to)
{
    buffer_add_text(to, "min(time) AS time, "
                        "max(time + coalesce(latency_ms, 0) * interval '1ms') AS end_time, "
                        "extract(epoch FROM max(time + coalesce(latency_ms, 0) * interval '1ms') - "
                        "min(time)) * 1000 AS latency_ms, "
                        "count(*) AS spans, max(turn) AS turns, sum(tokens_in) AS tokens_in, "
                        "sum(tokens_out) AS tokens_out, sum(cost_usd) AS cost_usd, "
                        "count(*) FILTER (WHERE error_class <> 'none') AS errors, ");
    add_worst_class(to);
    buffer_add_text(to, " AS worst_class, ");
    add_lowest_score(st, to);
    buffer_add_text(to, " AS lowest_score, count(DISTINCT service) AS services, "
                        "count(DISTINCT model) AS models");
}

const char *view_text(struct statement *st, struct slice name)
{
    struct buffer b = {0};
    if (slice_is(name, "traces")) {
        buffer_add_text(&b, "SELECT trace_id, any_value(session) AS session, "
                            "any_value(user_id) AS user_id, "
                            "any_value(name) FILTER (WHERE parent_id IS NULL) AS name, "
                            "any_value(service) FILTER (WHERE parent_id IS NULL) AS service, ");
        add_common(st, &b);
        buffer_add_text(&b, " FROM spans GROUP BY trace_id");
    } else if (slice_is(name, "sessions")) {
        buffer_add_text(&b, "SELECT session, any_value(user_id) AS user_id, "
                            "count(DISTINCT trace_id) AS traces, ");
        add_common(st, &b);
        buffer_add_text(&b, " FROM spans WHERE session IS NOT NULL GROUP BY session");
    } else {
        return NULL;
    }
    buffer_add_byte(&b, 0);
    const char *text = arena_strdup(&st->arena, (const char *)b.data);
    buffer_deinit(&b);
    return text;
}
