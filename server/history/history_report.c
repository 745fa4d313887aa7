/*
 * history_report.c - results as JSON.
 */
#include "server/history/history_report.h"

#include <inttypes.h>

#include "engine/base/clock.h"

static void add_count(struct buffer *to, const char *name, uint64_t value)
{
    buffer_printf(to, ",\"%s\":%" PRIu64, name, value);
}

/* Dollars with all nine decimals, exactly. */
static void add_usd(struct buffer *to, const char *name, int64_t nusd)
{
    uint64_t magnitude = nusd < 0 ? 0 - (uint64_t)nusd : (uint64_t)nusd;
    buffer_printf(to, ",\"%s\":%s%" PRIu64 ".%09" PRIu64, name, nusd < 0 ? "-" : "",
                  magnitude / 1000000000u, magnitude % 1000000000u);
}

static void add_mean(struct buffer *to, const char *name, double sum, uint64_t count)
{
    if (count == 0)
        buffer_printf(to, ",\"%s\":null", name);
    else
        buffer_printf(to, ",\"%s\":%.6g", name, sum / (double)count);
}

static void begin(struct buffer *to, const char *job, bool dry_run)
{
    buffer_printf(to, "{\"job\":\"%s\",\"dry_run\":%s", job, dry_run ? "true" : "false");
}

void reprice_report(const struct reprice_result *r, struct slice version, bool dry_run,
                    struct buffer *to)
{
    begin(to, "reprice", dry_run);
    buffer_add_text(to, ",\"version\":");
    buffer_add_json(to, version);
    add_count(to, "rows", r->rows);
    add_count(to, "changed", r->changed);
    add_count(to, "unpriced", r->unpriced);
    add_usd(to, "before_usd", r->before_nusd);
    add_usd(to, "after_usd", r->after_nusd);
    buffer_add_text(to, ",\"models\":[");
    for (uint32_t i = 0; i < r->line_count; i++) {
        const struct reprice_line *l = &r->lines[i];
        buffer_add_text(to, i == 0 ? "{\"model\":" : ",{\"model\":");
        buffer_add_json(to, slice_text(l->model));
        add_count(to, "spans", l->spans);
        add_usd(to, "before_usd", l->before_nusd);
        add_usd(to, "after_usd", l->after_nusd);
        buffer_add_byte(to, '}');
    }
    buffer_add_text(to, "]}\n");
}

void rescore_report(const struct rescore_result *r, const char *version, bool dry_run,
                    struct buffer *to)
{
    begin(to, "rescore", dry_run);
    buffer_add_text(to, ",\"version\":");
    buffer_add_json(to, slice_text(version));
    add_count(to, "rows", r->rows);
    add_count(to, "scores", r->scores);
    add_count(to, "changed", r->changed);
    buffer_add_text(to, ",\"scorers\":[");
    for (uint32_t i = 0; i < r->line_count; i++) {
        const struct rescore_line *l = &r->lines[i];
        buffer_add_text(to, i == 0 ? "{\"scorer\":" : ",{\"scorer\":");
        buffer_add_json(to, slice_text(l->name));
        add_count(to, "scores", l->scores);
        add_count(to, "changed", l->changed);
        add_mean(to, "before_mean", l->before_sum, l->before_count);
        add_mean(to, "after_mean", l->after_sum, l->changed);
        buffer_add_byte(to, '}');
    }
    buffer_add_text(to, "]}\n");
}

void remap_report(const struct remap_result *r, bool dry_run, struct buffer *to)
{
    begin(to, "remap", dry_run);
    add_count(to, "rows", r->rows);
    add_count(to, "changed", r->changed);
    add_count(to, "cells", r->cells);
    buffer_add_text(to, "}\n");
}

static enum status bound_parse(const char *name, const char *text, int64_t now_ns, int64_t *ret,
                               struct error *reterr)
{
    int64_t duration_ns;
    if (duration_from_text(slice_text(text), &duration_ns)) {
        if (__builtin_sub_overflow(now_ns, duration_ns, ret))
            *ret = INT64_MIN;
        return STATUS_OK;
    }
    if (time_from_text(slice_text(text), ret))
        return STATUS_OK;
    return error_set(reterr, STATUS_INVALID,
                     "%s: '%s' is neither a duration like 7d nor a time like 2026-11-01T14:05Z",
                     name, text);
}

enum status history_range(const char *since, const char *until, int64_t now_ns,
                          int64_t *ret_from_ns, int64_t *ret_until_ns, struct error *reterr)
{
    int64_t from_ns = INT64_MIN;
    int64_t until_ns = INT64_MAX;
    enum status s;
    if (since == NULL && until == NULL) {
        *ret_from_ns = *ret_until_ns = 0;
        return STATUS_OK;
    }
    if (since != NULL && (s = bound_parse("since", since, now_ns, &from_ns, reterr)) < 0)
        return s;
    if (until != NULL && (s = bound_parse("until", until, now_ns, &until_ns, reterr)) < 0)
        return s;
    if (from_ns >= until_ns)
        return error_set(reterr, STATUS_INVALID, "the range from '%s' until '%s' is empty",
                         since == NULL ? "the beginning" : since, until == NULL ? "now" : until);
    *ret_from_ns = from_ns;
    *ret_until_ns = until_ns;
    return STATUS_OK;
}
