/*
 * history_print.c - the report of a job over history: what happened in sentences, then the table of models or scorers.
 *
 * Input:    the JSON of history_report.h, from a server or from this process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/decimal.h"
#include "engine/base/json.h"
#include "tools/history_call.h"
#include "tools/terminal.h"

#define LINES_MAX  256u
#define NAME_WIDTH 32u

/* One line of the table; numbers as the report has them. */
struct line {
    struct slice name;
    int64_t count, changed;
    int64_t before_nusd, after_nusd;
    struct slice before_mean, after_mean;
};

struct answer {
    struct slice job, version;
    bool dry_run;
    int64_t rows, changed, unpriced, scores, cells;
    int64_t before_nusd, after_nusd;
    struct line lines[LINES_MAX];
    uint32_t line_count;
};

/* ---- reading ---- */

static int64_t nusd_of(struct slice text)
{
    int64_t nusd = 0;
    (void)decimal_to_int(text, 1000000000, 1, &nusd);
    return nusd;
}

static void line_member(struct line *l, struct slice key, const struct json *j,
                        enum json_token token, struct arena *arena)
{
    if (slice_is(key, "model") || slice_is(key, "scorer"))
        l->name = json_string(j, arena);
    else if (slice_is(key, "spans") || slice_is(key, "scores"))
        (void)json_int(j, &l->count);
    else if (slice_is(key, "changed"))
        (void)json_int(j, &l->changed);
    else if (slice_is(key, "before_usd"))
        l->before_nusd = nusd_of(j->raw);
    else if (slice_is(key, "after_usd"))
        l->after_nusd = nusd_of(j->raw);
    else if (slice_is(key, "before_mean"))
        l->before_mean = token == JSON_NUMBER ? j->raw : slice_text("-");
    else if (slice_is(key, "after_mean"))
        l->after_mean = token == JSON_NUMBER ? j->raw : slice_text("-");
}

static void top_member(struct answer *a, struct slice key, const struct json *j,
                       enum json_token token, struct arena *arena)
{
    if (slice_is(key, "job"))
        a->job = json_string(j, arena);
    else if (slice_is(key, "version"))
        a->version = json_string(j, arena);
    else if (slice_is(key, "dry_run"))
        a->dry_run = token == JSON_TRUE;
    else if (slice_is(key, "rows"))
        (void)json_int(j, &a->rows);
    else if (slice_is(key, "changed"))
        (void)json_int(j, &a->changed);
    else if (slice_is(key, "unpriced"))
        (void)json_int(j, &a->unpriced);
    else if (slice_is(key, "scores"))
        (void)json_int(j, &a->scores);
    else if (slice_is(key, "cells"))
        (void)json_int(j, &a->cells);
    else if (slice_is(key, "before_usd"))
        a->before_nusd = nusd_of(j->raw);
    else if (slice_is(key, "after_usd"))
        a->after_nusd = nusd_of(j->raw);
}

static enum status answer_read(struct slice text, struct arena *arena, struct answer *a,
                               struct error *reterr)
{
    struct json j = json_over(text);
    struct slice key = SLICE_EMPTY;
    enum json_token t;
    while ((t = json_next(&j)) > JSON_END) {
        if (t == JSON_KEY)
            key = json_string(&j, arena);
        else if (t == JSON_OBJECT_BEGIN && j.depth > 1 && a->line_count < LINES_MAX)
            a->lines[a->line_count++] = (struct line){.name = SLICE_EMPTY};
        else if (t >= JSON_STRING && j.depth == 1)
            top_member(a, key, &j, t, arena);
        else if (t >= JSON_STRING && a->line_count > 0)
            line_member(&a->lines[a->line_count - 1], key, &j, t, arena);
    }
    return t == JSON_ERROR ? json_error(&j, "the server's answer", reterr) : STATUS_OK;
}

/* ---- printing ---- */

/* 1234567 -> "1,234,567". */
static const char *grouped(int64_t value, char to[32])
{
    char digits[32];
    int size = snprintf(digits, sizeof digits, "%" PRId64, value);
    int at = 0;
    for (int i = 0; i < size && at < 30; i++) {
        if (i > 0 && (size - i) % 3 == 0 && digits[i - 1] != '-')
            to[at++] = ',';
        to[at++] = digits[i];
    }
    to[at] = 0;
    return to;
}

/* Dollars and millionths, rounded half away from zero: enough to see a cent of a thousand calls. */
static const char *usd(int64_t nusd, bool sign, char to[48])
{
    uint64_t magnitude = nusd < 0 ? 0 - (uint64_t)nusd : (uint64_t)nusd;
    uint64_t micro = magnitude / 1000 + (magnitude % 1000 >= 500);
    (void)snprintf(to, 48, "%s$%" PRIu64 ".%06" PRIu64,
                   nusd < 0 ? "-"
                   : sign   ? "+"
                            : "",
                   micro / 1000000, micro % 1000000);
    return to;
}

static void add_change(struct buffer *to, int64_t before_nusd, int64_t after_nusd)
{
    char text[48];
    int64_t difference = after_nusd - before_nusd;
    buffer_printf(to, "  %16s", difference == 0 ? "=" : usd(difference, true, text));
    if (before_nusd > 0 && difference != 0)
        buffer_printf(to, "  %+7.1f %%", (double)difference / (double)before_nusd * 100);
    buffer_add_byte(to, '\n');
}

static void add_money_line(struct buffer *to, struct slice name, const char *spans,
                           int64_t before_nusd, int64_t after_nusd)
{
    char before[48];
    char after[48];
    terminal_add_padded(to, name, NAME_WIDTH);
    buffer_printf(to, " %12s  %16s  %16s", spans, usd(before_nusd, false, before),
                  usd(after_nusd, false, after));
    add_change(to, before_nusd, after_nusd);
}

static void reprice_print(const struct answer *a, struct buffer *to)
{
    char number[32];
    terminal_add_padded(to, slice_text("MODEL"), NAME_WIDTH);
    buffer_printf(to, " %12s  %16s  %16s  %16s\n", "SPANS", "BEFORE", "AFTER", "DIFFERENCE");
    for (uint32_t i = 0; i < a->line_count; i++) {
        const struct line *l = &a->lines[i];
        add_money_line(to, l->name, grouped(l->count, number), l->before_nusd, l->after_nusd);
    }
    add_money_line(to, slice_text("total"), "", a->before_nusd, a->after_nusd);
    buffer_printf(to, "\n%s of %s spans %s the prices of ", grouped(a->changed, number),
                  grouped(a->rows, (char[32]){0}), a->dry_run ? "would get" : "got");
    (void)terminal_add_clipped(to, a->version, 64);
    buffer_add_text(to, a->dry_run ? " (dry run: nothing was written)\n" : "\n");
    if (a->unpriced > 0)
        buffer_printf(to, "%s spans have tokens but no price in the table: what they had stays\n",
                      grouped(a->unpriced, number));
}

static void rescore_print(const struct answer *a, struct buffer *to)
{
    char number[32];
    if (a->line_count > 0) {
        terminal_add_padded(to, slice_text("SCORER"), NAME_WIDTH);
        buffer_printf(to, " %12s %12s %14s %14s\n", "SCORES", "CHANGED", "MEAN BEFORE",
                      "MEAN AFTER");
    }
    for (uint32_t i = 0; i < a->line_count; i++) {
        const struct line *l = &a->lines[i];
        terminal_add_padded(to, l->name, NAME_WIDTH);
        buffer_printf(to, " %12s", grouped(l->count, number));
        buffer_printf(to, " %12s", grouped(l->changed, number));
        buffer_printf(to, " %14.*s %14.*s\n", SLICE_ARG(l->before_mean), SLICE_ARG(l->after_mean));
    }
    buffer_printf(to, "\n%s scores over ", grouped(a->scores, number));
    buffer_printf(to, "%s spans by scorers ", grouped(a->rows, number));
    (void)terminal_add_clipped(to, a->version, 64);
    buffer_printf(to, ": %s %s%s\n", grouped(a->changed, number),
                  a->dry_run ? "would change" : "changed",
                  a->dry_run ? " (dry run: nothing was written)" : "");
}

static void remap_print(const struct answer *a, struct buffer *to)
{
    char number[32];
    buffer_printf(to, "%s of ", grouped(a->changed, number));
    buffer_printf(to, "%s spans %s ", grouped(a->rows, number), a->dry_run ? "would get" : "got");
    buffer_printf(to, "%s cells from their attributes%s\n", grouped(a->cells, number),
                  a->dry_run ? " (dry run: nothing was written)" : "");
    if (!a->dry_run && a->changed > 0)
        buffer_add_text(to,
                        "Tokens and texts may be among them: `driftline reprice` and `driftline "
                        "rescore` price and score them.\n");
}

enum status history_call_print(const struct upkeep *u, struct error *reterr)
{
    struct arena arena = {0};
    struct buffer text = {0};
    struct answer *a;
    if (u->json)
        return upkeep_print(u, reterr);
    a = MEM_NEW(struct answer);
    a->job = a->version = SLICE_EMPTY;
    enum status s = answer_read(buffer_slice(&u->answer), &arena, a, reterr);
    if (s >= 0 && slice_is(a->job, "reprice"))
        reprice_print(a, &text);
    else if (s >= 0 && slice_is(a->job, "rescore"))
        rescore_print(a, &text);
    else if (s >= 0)
        remap_print(a, &text);
    if (s >= 0 && !terminal_write(&text))
        s = error_set(reterr, STATUS_IO, "standard output can't be written");
    buffer_deinit(&text);
    arena_deinit(&arena);
    mem_free(a);
    return s;
}
