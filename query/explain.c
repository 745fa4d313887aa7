/*
 * explain.c - the plan as text, after it ran: what was read, what was skipped, how long it took.
 */
#include "engine/base/clock.h"

#include <stdio.h>

#include "query/float_text.h"
#include "query/result.h"

struct explain {
    struct query_result *result;
    struct query_value *cells;
    size_t capacity;
    uint64_t count;
    struct buffer line;
};

static void line_begin(struct explain *x, uint32_t depth)
{
    buffer_reset(&x->line);
    for (uint32_t i = 0; i < depth; i++)
        buffer_add_text(&x->line, "  ");
}

static void line_end(struct explain *x)
{
    x->cells = mem_grow(x->cells, &x->capacity, x->count + 1, sizeof *x->cells);
    x->cells[x->count++] = (struct query_value){
        .type = SQL_TEXT, .text = arena_copy(&x->result->arena, buffer_slice(&x->line))};
}

/* ---- expressions as text ---- */

static void write_expr(struct buffer *to, const struct expr *e, const struct plan *plan,
                       bool groups, uint32_t depth);

static void write_constant(struct buffer *to, const struct expr *e)
{
    char text[TIME_TEXT_BYTES];
    if (e->is_null) {
        buffer_add_text(to, "NULL");
        return;
    }
    switch (e->type) {
    case SQL_INT:
        buffer_printf(to, "%lld", (long long)e->value.i64);
        return;
    case SQL_BOOL:
        buffer_add_text(to, e->value.i64 != 0 ? "true" : "false");
        return;
    case SQL_FLOAT:
        (void)float_to_text(e->value.f64, text);
        buffer_add_text(to, text);
        return;
    case SQL_TIMESTAMP:
        time_to_text(e->value.i64, text);
        buffer_printf(to, "'%s'", text);
        return;
    case SQL_INTERVAL:
        duration_to_text(e->value.i64, text);
        buffer_printf(to, "'%s'", text);
        return;
    case SQL_HEX: {
        char hex[ID128_HEX_BYTES];
        bool wide = e->phys == PHYS_ID128;
        if (wide)
            id128_to_hex(e->value.id128, hex);
        else
            id64_to_hex(e->value.id64, hex);
        buffer_printf(to, "'%.*s'", wide ? ID128_HEX_BYTES : ID64_HEX_BYTES, hex);
        return;
    }
    case SQL_TEXT:
    case SQL_MESSAGES:
    case SQL_NULL:
        buffer_printf(to, "'%.*s'", (int)(e->value.text.size > 60 ? 60 : e->value.text.size),
                      (const char *)e->value.text.data);
        return;
    }
}

static void write_column(struct buffer *to, const struct expr *e, const struct plan *plan,
                         bool groups, uint32_t depth)
{
    if (!groups) {
        buffer_add_text(to, plan->source.columns[e->column].name);
        /* Compared in stored units: say which. */
        if (e->type == SQL_INT && plan->source.columns[e->column].type == SQL_FLOAT)
            buffer_printf(to, "[1/%lld]", (long long)plan->source.columns[e->column].scale);
    } else if (e->column < plan->key_count) {
        write_expr(to, plan->keys[e->column], plan, false, depth + 1);
    } else {
        const struct aggregate *a = &plan->aggregates[e->column - plan->key_count];
        const struct expr *arg = plan->states[a->state].arg;
        buffer_printf(to, "%s(", a->name);
        if (arg != NULL)
            write_expr(to, arg, plan, false, depth + 1);
        else
            buffer_add_byte(to, '*');
        buffer_add_byte(to, ')');
    }
}

static void write_list(struct buffer *to, struct expr *const *list, uint32_t count,
                       const char *between, const struct plan *plan, bool groups, uint32_t depth)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add_text(to, between);
        if (i == 8 && count > 9) {
            buffer_printf(to, "... %u more", count - 8);
            return;
        }
        write_expr(to, list[i], plan, groups, depth + 1);
    }
}

static void write_expr(struct buffer *to, const struct expr *e, const struct plan *plan,
                       bool groups, uint32_t depth)
{
    if (depth > 12) {
        buffer_add_text(to, "...");
        return;
    }
    switch (e->kind) {
    case EXPR_CONST:
        write_constant(to, e);
        return;
    case EXPR_COLUMN:
        write_column(to, e, plan, groups, depth);
        return;
    case EXPR_AND:
    case EXPR_OR:
        buffer_add_byte(to, '(');
        write_list(to, e->args, e->arg_count, e->kind == EXPR_AND ? " AND " : " OR ", plan, groups,
                   depth);
        buffer_add_byte(to, ')');
        return;
    case EXPR_CALL: {
        char first = e->function->name[0];
        bool infix = e->arg_count == 2 && !(first >= 'a' && first <= 'z');
        if (infix) {
            char text[24];
            (void)snprintf(text, sizeof text, " %s ", e->function->name);
            write_list(to, e->args, 2, text, plan, groups, depth);
            return;
        }
        buffer_printf(to, "%s(", e->function->name);
        write_list(to, e->args, e->arg_count, ", ", plan, groups, depth);
        buffer_add_byte(to, ')');
        return;
    }
    case EXPR_CASE:
        buffer_add_text(to, "CASE(");
        break;
    case EXPR_COALESCE:
        buffer_add_text(to, "coalesce(");
        break;
    case EXPR_AGGREGATE:
        buffer_add_text(to, "aggregate(");
        break;
    }
    write_list(to, e->args, e->arg_count, ", ", plan, groups, depth);
    buffer_add_byte(to, ')');
}

/* ---- plans ---- */

static void write_bounds(struct explain *x, const struct plan *p)
{
    char text[TIME_TEXT_BYTES];
    if (p->from_ns != INT64_MIN) {
        time_to_text(p->from_ns, text);
        buffer_printf(&x->line, ", from %s", text);
    }
    if (p->until_ns != INT64_MAX) {
        time_to_text(p->until_ns, text);
        buffer_printf(&x->line, ", until %s", text);
    }
}

static void explain_scan(struct explain *x, const struct plan *p, uint32_t depth)
{
    bool any = false;
    line_begin(x, depth);
    buffer_printf(&x->line, "scan %s (", p->source.name);
    for (uint32_t i = 0; i < p->source.column_count; i++)
        if (p->source.columns[i].used) {
            buffer_printf(&x->line, "%s%s", any ? ", " : "", p->source.columns[i].name);
            any = true;
        }
    buffer_add_text(&x->line, any ? ")" : "no columns)");
    write_bounds(x, p);
    line_end(x);
    static const char *const ops[] = {"=", "<>", "<", "<=", ">", ">=", "IN"};
    for (uint32_t i = 0; i < p->filter_count; i++) {
        line_begin(x, depth + 1);
        buffer_printf(&x->line, "may skip blocks by: %s %s", p->filters[i].column->name,
                      ops[p->filters[i].op]);
        line_end(x);
    }
}

static void explain_plan(struct explain *x, const struct plan *p, uint32_t depth);

static void explain_list(struct explain *x, const struct plan *p, uint32_t depth, const char *title,
                         struct expr *const *list, uint32_t count, bool groups)
{
    if (count == 0)
        return;
    line_begin(x, depth);
    buffer_printf(&x->line, "%s: ", title);
    write_list(&x->line, list, count, strcmp(title, "filter") == 0 ? " AND " : ", ", p, groups, 0);
    line_end(x);
}

static void explain_source(struct explain *x, const struct plan *p, uint32_t depth)
{
    switch (p->source.kind) {
    case SOURCE_NOTHING:
        line_begin(x, depth);
        buffer_add_text(&x->line, "one row");
        line_end(x);
        break;
    case SOURCE_SCAN:
        explain_scan(x, p, depth);
        break;
    case SOURCE_ROWS:
        line_begin(x, depth);
        buffer_printf(&x->line, "rows of %s", p->source.name);
        line_end(x);
        break;
    case SOURCE_PLAN:
        line_begin(x, depth);
        buffer_printf(&x->line, "%s", p->source.name);
        line_end(x);
        explain_plan(x, p->source.plan, depth + 1);
        break;
    }
}

static void explain_group(struct explain *x, const struct plan *p, uint32_t depth)
{
    char text[TIME_TEXT_BYTES];
    uint32_t states = 0;
    for (uint32_t i = 0; i < p->state_count; i++)
        states += p->states[i].used;
    line_begin(x, depth);
    buffer_printf(&x->line, "group by ");
    write_list(&x->line, p->keys, p->key_count, ", ", p, false, 0);
    buffer_printf(&x->line, "%s (%u aggregates from %u states)", p->key_count == 0 ? "nothing" : "",
                  p->aggregate_count, states);
    if (p->rolling_ns != 0) {
        duration_to_text(p->rolling_ns, text);
        buffer_printf(&x->line, " rolling %s", text);
    }
    if (p->emit_from_ns != INT64_MIN) {
        time_to_text(p->emit_from_ns, text);
        buffer_printf(&x->line, ", looks back before %s", text);
    }
    line_end(x);
    if (p->having != NULL)
        explain_list(x, p, depth, "having", &p->having, 1, true);
}

static void explain_plan(struct explain *x, const struct plan *p, uint32_t depth)
{
    explain_source(x, p, depth);
    explain_list(x, p, depth, "filter", p->where, p->where_count, false);
    if (p->grouped)
        explain_group(x, p, depth);
    if (p->order_count > 0) {
        line_begin(x, depth);
        buffer_add_text(&x->line, "order by ");
        for (uint32_t i = 0; i < p->order_count; i++) {
            buffer_add_text(&x->line, i > 0 ? ", " : "");
            write_expr(&x->line, p->order[i].expr, p, p->grouped, 0);
            buffer_add_text(&x->line, p->order[i].descending ? " desc" : "");
        }
        line_end(x);
    }
    if (p->has_limit || p->offset > 0) {
        line_begin(x, depth);
        if (p->has_limit)
            buffer_printf(&x->line, "limit %llu ", (unsigned long long)p->limit);
        buffer_printf(&x->line, "offset %llu", (unsigned long long)p->offset);
        line_end(x);
    }
    line_begin(x, depth);
    buffer_printf(&x->line, "-> %llu rows in %.3f ms", (unsigned long long)p->rows_out,
                  (double)p->elapsed_ns / 1e6);
    line_end(x);
}

void result_explain(struct run *run, const struct plan *plan, uint64_t rows,
                    struct query_result *ret)
{
    struct explain x = {.result = ret};
    const struct scan_stats *s = &run->scanned;
    explain_plan(&x, plan, 0);
    line_begin(&x, 0);
    buffer_printf(
        &x.line, "segments %llu, skipped %llu; blocks %llu, skipped %llu; rows read %llu, out %llu",
        (unsigned long long)s->segments, (unsigned long long)s->segments_skipped,
        (unsigned long long)s->blocks, (unsigned long long)s->blocks_skipped,
        (unsigned long long)s->rows, (unsigned long long)rows);
    line_end(&x);
    line_begin(&x, 0);
    buffer_printf(&x.line, "threads %u, time %.3f ms (the query was run)", run->threads_used,
                  (double)(clock_monotonic_ns() - run->started_ns) / 1e6);
    line_end(&x);
    ret->columns = ARENA_NEW(&ret->arena, struct query_column);
    ret->columns[0] = (struct query_column){.name = "QUERY PLAN", .type = SQL_TEXT};
    ret->column_count = 1;
    ret->row_count = x.count;
    ret->cells = ARENA_ARRAY(&ret->arena, struct query_value, x.count + 1);
    memcpy(ret->cells, x.cells, x.count * sizeof *x.cells);
    mem_free(x.cells);
    buffer_deinit(&x.line);
}
