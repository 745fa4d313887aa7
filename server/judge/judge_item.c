/*
 * judge_item.c - an item as a worker gets it: the lease and all of the span that a judge may want to read.
 *
 * Place:     one row of spans, through the query door -> [here] -> JSON
 * Format:    texts that hold JSON (messages, tools, attributes, arguments, documents) come as JSON, others as strings; what
 *            is not known is left out.
 */
#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "server/judge/judge_internal.h"

/* The members of the item, in this order. */
static const char statement[] =
    "select time, session, turn, user_id, service, environment, release, name, kind, provider, model, model_served,"
    " prompt_name, prompt_version, temperature, status, finish_reason, error_class, error_type, error_message, findings,"
    " latency_ms, tokens_in, tokens_out, cost_usd, tool_name, tool_args, tool_result, tool_result_empty, retrieved,"
    " retrieved_count, retrieved_top_score, tools, input, output, attributes"
    " from spans where trace_id = $1 and span_id = $2 limit 1";

/* Is the whole text one JSON array or object? */
static bool is_json(struct slice text)
{
    struct json j = json_over(text);
    enum json_token t = json_next(&j);
    if (t != JSON_OBJECT_BEGIN && t != JSON_ARRAY_BEGIN)
        return false;
    while (t > JSON_END)
        t = json_next(&j);
    return t == JSON_END;
}

static void value_write(struct buffer *to, const struct query_value *v)
{
    bool is_text = v->type == SQL_TEXT || v->type == SQL_HEX || v->type == SQL_MESSAGES;
    if (is_text && is_json(v->text)) {
        buffer_add_slice(to, v->text);
    } else if (is_text) {
        buffer_add_json(to, v->text);
    } else if (v->type == SQL_TIMESTAMP || v->type == SQL_INTERVAL) {
        struct buffer text = {0};
        (void)query_value_text(v, &text);
        buffer_add_json(to, buffer_slice(&text));
        buffer_deinit(&text);
    } else if (v->type == SQL_BOOL) {
        buffer_add_text(to, v->i64 != 0 ? "true" : "false");
    } else {
        (void)query_value_text(v, to);
    }
}

static void member_write(struct buffer *to, const char *name, const struct query_value *v)
{
    if (v->type == SQL_NULL)
        return;
    buffer_printf(to, ",\"%s\":", name);
    value_write(to, v);
}

static void text_write(struct buffer *to, const char *name, const char *text)
{
    buffer_printf(to, ",\"%s\":", name);
    buffer_add_json(to, slice_text(text));
}

static void lease_write(const struct judge_item *item, const char *trace, const char *span,
                        struct buffer *to)
{
    char until[TIME_TEXT_BYTES];
    time_to_text(item->lease_until_ns, until);
    buffer_printf(to, "{\"id\":%lld,\"token\":%lld,\"attempt\":%lld,\"lease_until\":\"%s\"",
                  (long long)item->id, (long long)item->token, (long long)item->attempt, until);
    text_write(to, "rule", item->rule);
    text_write(to, "project", item->project);
    text_write(to, "scorer", item->scorer);
    text_write(to, "scorer_version", item->scorer_version);
    text_write(to, "judge_model", item->judge_model);
    buffer_printf(to, ",\"trace_id\":\"%.32s\",\"span_id\":\"%.16s\"", trace, span);
}

enum status judge_item_write(struct judge *j, const struct judge_item *item, struct buffer *to,
                             struct error *reterr)
{
    char trace[ID128_HEX_BYTES];
    char span[ID64_HEX_BYTES];
    struct query_result *rows = NULL;
    id128_to_hex(item->trace_id, trace);
    id64_to_hex(item->span_id, span);
    const struct query_value parameters[] = {
        {.type = SQL_TEXT, .text = slice_of(trace, sizeof trace)},
        {.type = SQL_TEXT, .text = slice_of(span, sizeof span)}};
    struct query_options options = {
        .project = item->project_id, .parameters = parameters, .parameter_count = 2};
    enum status s = query_run(j->db, slice_text(statement), &options, &rows, reterr);
    if (s < 0)
        return s;
    if (rows->row_count == 0) {
        s = error_set(reterr, STATUS_NOT_FOUND, "span %.16s of trace %.32s is not stored any more",
                      span, trace);
    } else {
        lease_write(item, trace, span, to);
        for (uint32_t i = 0; i < rows->column_count; i++)
            member_write(to, rows->columns[i].name, &rows->cells[i]);
        buffer_add_text(to, "}");
    }
    query_result_destroy(rows);
    return s;
}
