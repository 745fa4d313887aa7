/*
 * trace_print.c - a tree with timing bars; below it what was said.
 *
 * Messages: a k-turn agent repeats its history k times; each message is shown where it first appears.
 */
#include "tools/trace_print.h"

#include <stdio.h>

#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/intern.h"
#include "engine/base/json.h"
#include "tools/terminal.h"
#include "tools/trace_tree.h"

#define LABEL_WIDTH    40u
#define BAR_WIDTH      24u
#define CLIPPED        160u /* characters of a message unless --full */
#define MESSAGE_INDENT 6u

enum field {
    FIELD_TIME,
    FIELD_LATENCY,
    FIELD_TTFT,
    FIELD_KIND,
    FIELD_NAME,
    FIELD_MODEL,
    FIELD_TOKENS_IN,
    FIELD_TOKENS_OUT,
    FIELD_COST,
    FIELD_CLASS,
    FIELD_STATUS,
    FIELD_ERROR,
    FIELD_SESSION,
    FIELD_USER,
    FIELD_SERVICE,
    FIELD_TRACE,
    FIELD_SPAN,
    FIELD_PROMPT,
    FIELD_PROMPT_VERSION,
    FIELD_TOOL,
    FIELD_TOOL_ARGS,
    FIELD_TOOL_RESULT,
    FIELD_INPUT,
    FIELD_OUTPUT,
    FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_TIME] = "time",
    [FIELD_LATENCY] = "latency_ms",
    [FIELD_TTFT] = "ttft_ms",
    [FIELD_KIND] = "kind",
    [FIELD_NAME] = "name",
    [FIELD_MODEL] = "model",
    [FIELD_TOKENS_IN] = "tokens_in",
    [FIELD_TOKENS_OUT] = "tokens_out",
    [FIELD_COST] = "cost_usd",
    [FIELD_CLASS] = "error_class",
    [FIELD_STATUS] = "status",
    [FIELD_ERROR] = "error_message",
    [FIELD_SESSION] = "session",
    [FIELD_USER] = "user_id",
    [FIELD_SERVICE] = "service",
    [FIELD_TRACE] = "trace_id",
    [FIELD_SPAN] = "span_id",
    [FIELD_PROMPT] = "prompt_name",
    [FIELD_PROMPT_VERSION] = "prompt_version",
    [FIELD_TOOL] = "tool_name",
    [FIELD_TOOL_ARGS] = "tool_args",
    [FIELD_TOOL_RESULT] = "tool_result",
    [FIELD_INPUT] = "input",
    [FIELD_OUTPUT] = "output",
};

struct printer {
    const struct rows *rows;
    const struct trace_style *style;
    struct buffer *to;
    uint32_t columns[FIELD_COUNT];
    int64_t start_ns;
    int64_t end_ns;
    struct intern seen; /* messages shown already */
    bool has_llm;       /* somewhere in the trace */
    bool has_tool;
    struct arena arena;
};

static struct slice field(const struct printer *p, uint32_t row, enum field f)
{
    return rows_cell(p->rows, row, p->columns[f]);
}

static int64_t row_start_ns(const struct printer *p, uint32_t row)
{
    int64_t time_ns = 0;
    (void)time_from_text(field(p, row, FIELD_TIME), &time_ns);
    return time_ns;
}

static int64_t row_latency_ns(const struct printer *p, uint32_t row)
{
    int64_t ns = 0;
    if (decimal_to_int(field(p, row, FIELD_LATENCY), NS_PER_MS, 1, &ns) > DECIMAL_ROUNDED || ns < 0)
        return 0;
    return ns;
}

static void add_ms(struct buffer *to, int64_t ns)
{
    double ms = (double)ns / (double)NS_PER_MS;
    if (ms < 10)
        buffer_printf(to, "%.2f ms", ms);
    else if (ms < 1000)
        buffer_printf(to, "%.0f ms", ms);
    else if (ms < 100000)
        buffer_printf(to, "%.2f s", ms / 1000);
    else
        buffer_printf(to, "%.0f s", ms / 1000);
}

static bool has_class(const struct printer *p, uint32_t row)
{
    struct slice class = field(p, row, FIELD_CLASS);
    return class.size != 0 && !slice_is(class, "none");
}

static enum colour kind_colour(struct slice kind)
{
    static const struct {
        const char *kind;
        enum colour colour;
    } colours[] = {{"llm", COLOUR_CYAN},          {"tool", COLOUR_YELLOW},
                   {"retrieval", COLOUR_GREEN},   {"agent", COLOUR_BLUE},
                   {"embedding", COLOUR_MAGENTA}, {"guardrail", COLOUR_MAGENTA}};
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (slice_is(kind, colours[i].kind))
            return colours[i].colour;
    }
    return COLOUR_NONE;
}

/* ---- tree ---- */

static void add_branches(const struct printer *p, const struct tree_node *n, struct buffer *to)
{
    bool utf8 = p->style->utf8;
    for (uint32_t d = 1; d < n->depth; d++)
        buffer_add_text(to, (n->open >> d & 1) == 0 ? "  " : utf8 ? "\u2502 " : "| ");
    if (n->depth > 0)
        buffer_add_text(to, n->is_last ? (utf8 ? "\u2514 " : "` ") : (utf8 ? "\u251c " : "| "));
}

/* "chat" for llm.chat is not enough, "get_user" for a tool is: kind, then the most telling name. */
static void add_label(struct printer *p, const struct tree_node *n)
{
    struct buffer label = {0};
    struct slice kind = field(p, n->row, FIELD_KIND);
    struct slice tool = field(p, n->row, FIELD_TOOL);
    struct slice name = tool.size != 0 ? tool : field(p, n->row, FIELD_NAME);
    add_branches(p, n, &label);
    buffer_add_slice(&label, kind.size != 0 ? kind : slice_text("span"));
    if (name.size != 0) {
        buffer_add_byte(&label, ' ');
        buffer_add_slice(&label, name);
    }
    enum colour colour = has_class(p, n->row) ? COLOUR_RED : kind_colour(kind);
    terminal_add_colour(p->to, p->style->coloured, colour);
    terminal_add_padded(p->to, buffer_slice(&label), LABEL_WIDTH);
    terminal_add_colour(p->to, p->style->coloured, COLOUR_NONE);
    buffer_deinit(&label);
}

static void add_bar(struct printer *p, uint32_t row)
{
    double whole = (double)(p->end_ns - p->start_ns);
    double begin = (double)(row_start_ns(p, row) - p->start_ns);
    double end = begin + (double)row_latency_ns(p, row);
    uint32_t from = whole > 0 ? (uint32_t)(begin / whole * BAR_WIDTH) : 0;
    uint32_t until = whole > 0 ? (uint32_t)(end / whole * BAR_WIDTH + 0.999) : BAR_WIDTH;
    if (from >= BAR_WIDTH)
        from = BAR_WIDTH - 1;
    if (until <= from)
        until = from + 1;
    buffer_add_byte(p->to, ' ');
    for (uint32_t i = 0; i < BAR_WIDTH; i++) {
        bool on = i >= from && i < until;
        if (p->style->utf8)
            buffer_add_text(p->to, on ? "\u2588" : "\u00b7");
        else
            buffer_add_byte(p->to, on ? '#' : '.');
    }
    buffer_add_byte(p->to, ' ');
}

static void add_tokens(struct printer *p, uint32_t row)
{
    struct slice in = field(p, row, FIELD_TOKENS_IN);
    struct slice out = field(p, row, FIELD_TOKENS_OUT);
    if (in.size != 0 || out.size != 0)
        buffer_printf(p->to, "  %.*s>%.*s tok", SLICE_ARG(in.size != 0 ? in : slice_text("?")),
                      SLICE_ARG(out.size != 0 ? out : slice_text("?")));
    struct slice cost = field(p, row, FIELD_COST);
    double usd;
    if (cost.size != 0 && decimal_to_double(cost, &usd) && usd != 0)
        buffer_printf(p->to, "  $%.4f", usd);
}

static void add_scores(struct printer *p, uint32_t row)
{
    for (uint32_t c = 0; c < p->rows->column_count; c++) {
        struct slice name = p->rows->names[c];
        size_t prefix = strlen(SCORE_PREFIX);
        if (name.size <= prefix || memcmp(name.data, SCORE_PREFIX, prefix) != 0 ||
            !rows_has(p->rows, row, c))
            continue;
        buffer_add_text(p->to, "  ");
        (void)terminal_add_clipped(p->to, slice_of(name.data + prefix, name.size - prefix), 24);
        buffer_printf(p->to, "=%.*s", SLICE_ARG(rows_cell(p->rows, row, c)));
    }
}

static void add_errors(struct printer *p, uint32_t row)
{
    if (!has_class(p, row))
        return;
    buffer_add_text(p->to, "  ");
    terminal_add_colour(p->to, p->style->coloured, COLOUR_RED);
    (void)terminal_add_clipped(p->to, field(p, row, FIELD_CLASS), 40);
    terminal_add_colour(p->to, p->style->coloured, COLOUR_NONE);
    struct slice message = field(p, row, FIELD_ERROR);
    if (message.size != 0) {
        buffer_add_text(p->to, ": ");
        (void)terminal_add_clipped(p->to, message, 60);
    }
}

static void add_span_line(struct printer *p, const struct tree_node *n)
{
    struct slice model = field(p, n->row, FIELD_MODEL);
    struct slice version = field(p, n->row, FIELD_PROMPT_VERSION);
    add_label(p, n);
    add_bar(p, n->row);
    add_ms(p->to, row_latency_ns(p, n->row));
    if (model.size != 0) {
        buffer_add_text(p->to, "  ");
        (void)terminal_add_clipped(p->to, model, 32);
    }
    if (version.size != 0 && slice_is(field(p, n->row, FIELD_KIND), "llm")) {
        buffer_add_text(p->to, "  ");
        (void)terminal_add_clipped(p->to, field(p, n->row, FIELD_PROMPT), 32);
        buffer_add_byte(p->to, ' ');
        (void)terminal_add_clipped(p->to, version, 16);
    }
    add_tokens(p, n->row);
    add_errors(p, n->row);
    add_scores(p, n->row);
    buffer_add_byte(p->to, '\n');
}

/* ---- messages ---- */

static void add_line(struct printer *p, struct slice role, const char *mark, struct slice text)
{
    for (uint32_t i = 0; i < MESSAGE_INDENT; i++)
        buffer_add_byte(p->to, ' ');
    terminal_add_colour(p->to, p->style->coloured, COLOUR_DIM);
    terminal_add_padded(p->to, role, 9);
    terminal_add_colour(p->to, p->style->coloured, COLOUR_NONE);
    buffer_printf(p->to, " %s ", mark);
    if (p->style->full) {
        buffer_add_byte(p->to, '\n');
        terminal_add_block(p->to, text, MESSAGE_INDENT + 4);
    } else {
        (void)terminal_add_clipped(p->to, text, CLIPPED);
        buffer_add_byte(p->to, '\n');
    }
}

/* A JSON message: role, then its content, or all of it when there is no text. */
static void add_message(struct printer *p, struct slice message, const char *mark)
{
    struct json j = json_over(message);
    struct slice role = slice_text("message");
    struct slice content = SLICE_EMPTY;
    struct slice calls = SLICE_EMPTY;
    if (json_next(&j) == JSON_OBJECT_BEGIN) {
        while (json_next(&j) == JSON_KEY) {
            struct slice key = json_string(&j, &p->arena);
            enum json_token t = json_next(&j);
            struct slice text = t == JSON_STRING ? json_string(&j, &p->arena) : SLICE_EMPTY;
            struct slice raw = t < 0 ? SLICE_EMPTY : json_skip(&j, t);
            struct slice value = t == JSON_STRING ? text : raw;
            if (slice_is(key, "role"))
                role = value;
            else if (slice_is(key, "content") && t != JSON_NULL)
                content = value;
            else if (slice_is(key, "tool_calls") && t == JSON_ARRAY_BEGIN)
                calls = raw;
        }
    }
    if (slice_is(role, "tool") && p->has_tool)
        return; /* its span shows it */
    if (content.size != 0)
        add_line(p, role, mark, content);
    if (calls.size != 0)
        add_line(p, role, "calls", calls);
    if (content.size == 0 && calls.size == 0)
        add_line(p, role, mark, message);
}

/* The messages of a JSON array that were not shown before. */
static void add_messages(struct printer *p, struct slice array, const char *mark)
{
    struct json j = json_over(array);
    enum json_token t = json_next(&j);
    if (t != JSON_ARRAY_BEGIN)
        return;
    while ((t = json_next(&j)) > JSON_END && t != JSON_ARRAY_END) {
        struct slice message = json_skip(&j, t);
        uint32_t before = p->seen.count;
        if (message.size == 0)
            return;
        if (t == JSON_NULL)
            add_line(p, slice_text("message"), mark, slice_text("(removed by retention)"));
        else if (intern_add(&p->seen, message) == before)
            add_message(p, message, mark);
    }
}

/* An agent's own input and output are those of its calls, where they stand at their time. */
static bool repeats_others(const struct printer *p, uint32_t row)
{
    struct slice kind = field(p, row, FIELD_KIND);
    return p->has_llm && (slice_is(kind, "agent") || slice_is(kind, "chain"));
}

static void add_texts(struct printer *p, uint32_t row)
{
    struct slice args = field(p, row, FIELD_TOOL_ARGS);
    struct slice result = field(p, row, FIELD_TOOL_RESULT);
    if (!repeats_others(p, row)) {
        add_messages(p, field(p, row, FIELD_INPUT), "<");
        add_messages(p, field(p, row, FIELD_OUTPUT), ">");
    }
    if (args.size != 0)
        add_line(p, slice_text("arguments"), "<", args);
    if (result.size != 0)
        add_line(p, slice_text("result"), ">", result);
}

/* ---- the whole ---- */

static void add_totals(struct printer *p)
{
    int64_t tokens_in = 0, tokens_out = 0, cost_nusd = 0;
    for (uint32_t row = 0; row < p->rows->row_count; row++) {
        int64_t value;
        if (decimal_to_int(field(p, row, FIELD_TOKENS_IN), 1, 1, &value) == DECIMAL_EXACT)
            tokens_in += value;
        if (decimal_to_int(field(p, row, FIELD_TOKENS_OUT), 1, 1, &value) == DECIMAL_EXACT)
            tokens_out += value;
        if (decimal_to_int(field(p, row, FIELD_COST), 1000000000, 1, &value) <= DECIMAL_ROUNDED)
            cost_nusd += value;
    }
    buffer_printf(p->to, "%llu spans  ", (unsigned long long)p->rows->row_count);
    add_ms(p->to, p->end_ns - p->start_ns);
    buffer_printf(p->to, "  %lld>%lld tokens", (long long)tokens_in, (long long)tokens_out);
    if (cost_nusd != 0)
        buffer_printf(p->to, "  $%.4f", (double)cost_nusd / 1e9);
    buffer_add_byte(p->to, '\n');
}

static void add_header(struct printer *p)
{
    static const struct {
        const char *label;
        enum field field;
    } facts[] = {{"trace", FIELD_TRACE},
                 {"  session", FIELD_SESSION},
                 {"  user", FIELD_USER},
                 {"  service", FIELD_SERVICE},
                 {" ", FIELD_TIME}};
    terminal_add_colour(p->to, p->style->coloured, COLOUR_BOLD);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        struct slice value = field(p, 0, facts[i].field);
        if (value.size == 0)
            continue;
        buffer_printf(p->to, "%s ", facts[i].label);
        (void)terminal_add_clipped(p->to, value, 64);
    }
    terminal_add_colour(p->to, p->style->coloured, COLOUR_NONE);
    buffer_add_byte(p->to, '\n');
    add_totals(p);
    buffer_add_byte(p->to, '\n');
}

/* When it began and ended, and what there is. */
static void extent_find(struct printer *p)
{
    p->start_ns = INT64_MAX;
    p->end_ns = INT64_MIN;
    for (uint32_t row = 0; row < p->rows->row_count; row++) {
        int64_t start = row_start_ns(p, row);
        int64_t end;
        if (__builtin_add_overflow(start, row_latency_ns(p, row), &end))
            end = INT64_MAX;
        p->start_ns = start < p->start_ns ? start : p->start_ns;
        p->end_ns = end > p->end_ns ? end : p->end_ns;
        p->has_llm |= slice_is(field(p, row, FIELD_KIND), "llm");
        p->has_tool |= field(p, row, FIELD_TOOL_RESULT).size != 0;
    }
}

void trace_print(const struct rows *rows, const struct trace_style *style, struct buffer *to)
{
    struct printer p = {.rows = rows, .style = style, .to = to};
    if (rows->row_count == 0)
        return;
    for (uint32_t i = 0; i < FIELD_COUNT; i++)
        p.columns[i] = rows_column(rows, field_names[i]);
    struct tree_node *nodes = mem_zero(rows->row_count, sizeof *nodes);
    intern_init(&p.seen);
    extent_find(&p);
    trace_tree_build(rows, nodes);
    add_header(&p);
    for (uint64_t i = 0; i < rows->row_count; i++) {
        add_span_line(&p, &nodes[i]);
        if (style->messages)
            add_texts(&p, nodes[i].row);
    }
    intern_deinit(&p.seen);
    arena_deinit(&p.arena);
    mem_free(nodes);
}

/* ---- JSON ---- */

void trace_print_json(const struct rows *rows, struct buffer *to)
{
    uint32_t input = rows_column(rows, "input");
    uint32_t output = rows_column(rows, "output");
    buffer_add_text(to, "{\"trace_id\":");
    rows_json(rows, 0, rows_column(rows, "trace_id"), to);
    buffer_add_text(to, ",\"spans\":[");
    for (uint64_t row = 0; row < rows->row_count; row++) {
        const char *comma = "";
        buffer_add_text(to, row > 0 ? ",\n{" : "\n{");
        for (uint32_t c = 0; c < rows->column_count; c++) {
            if (!rows_has(rows, row, c))
                continue;
            buffer_add_text(to, comma);
            comma = ",";
            buffer_add_json(to, rows->names[c]);
            buffer_add_byte(to, ':');
            /* Messages are JSON already. */
            if (c == input || c == output)
                buffer_add_slice(to, rows_cell(rows, row, c));
            else
                rows_json(rows, row, c, to);
        }
        buffer_add_byte(to, '}');
    }
    buffer_add_text(to, "\n]}\n");
}
