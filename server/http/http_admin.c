/*
 * http_admin.c - upkeep on request: seal, compact, retain, verify.
 */
#include "engine/base/bytes_text.h"
#include "engine/base/clock.h"
#include "server/http/http_request.h"

struct upkeep_job {
    struct http_job base;
    bool full;
    bool dry_run;
    uint32_t project;
    struct retention retention;
    uint64_t findings;
};

static bool report(void *context, double fraction, const char *what)
{
    struct upkeep_job *j = context;
    (void)fraction;
    (void)what;
    return !atomic_load(&j->base.cancel);
}

static void seal_run(struct http_job *base)
{
    base->status = engine_seal(base->http->options.engine, &base->error);
    if (base->status >= 0)
        buffer_add_text(&base->body, "{\"sealed\":true}\n");
}

static void compact_run(struct http_job *base)
{
    struct upkeep_job *j = (struct upkeep_job *)base;
    struct progress progress = {.report = report, .context = j};
    struct compact_result result = {0};
    base->status =
        engine_compact(base->http->options.engine, j->full, &progress, &result, &base->error);
    if (base->status < 0)
        return;
    add_count(&base->body, "merges", result.merges);
    add_count(&base->body, "segments_in", result.segments_in);
    add_count(&base->body, "segments_out", result.segments_out);
    add_count(&base->body, "bytes_in", result.bytes_in);
    add_count(&base->body, "bytes_out", result.bytes_out);
    buffer_add_text(&base->body, "}\n");
}

static void retain_run(struct http_job *base)
{
    struct upkeep_job *j = (struct upkeep_job *)base;
    struct progress progress = {.report = report, .context = j};
    struct retain_result result = {0};
    base->status = engine_retain(base->http->options.engine, j->project, &j->retention, j->dry_run,
                                 &progress, &result, &base->error);
    if (base->status < 0)
        return;
    add_count(&base->body, "segments", result.segments);
    add_count(&base->body, "rows", result.rows);
    add_count(&base->body, "bytes", result.bytes);
    add_count(&base->body, "packs", result.packs);
    add_count(&base->body, "messages", result.messages);
    add_count(&base->body, "text_bytes", result.text_bytes);
    buffer_printf(&base->body, ",\"dry_run\":%s}\n", j->dry_run ? "true" : "false");
}

static void add_finding(void *context, const struct finding *f)
{
    struct upkeep_job *j = context;
    struct buffer *to = &j->base.body;
    buffer_printf(to, "%s{\"path\":", j->findings++ == 0 ? "" : ",");
    buffer_add_json(to, slice_text(f->path));
    buffer_printf(to, ",\"offset\":%llu,\"text\":", (unsigned long long)f->offset);
    buffer_add_json(to, slice_text(f->text));
    buffer_add_text(to, "}");
}

static void verify_run(struct http_job *base)
{
    struct upkeep_job *j = (struct upkeep_job *)base;
    struct progress progress = {.report = report, .context = j};
    buffer_add_text(&base->body, "{\"findings\":[");
    base->status =
        engine_verify(base->http->options.engine, add_finding, j, &progress, &base->error);
    bool damaged = base->status == STATUS_CORRUPT;
    if (damaged)
        base->status = STATUS_OK;
    buffer_printf(&base->body, "],\"damaged\":%s}\n", damaged ? "true" : "false");
}

static void upkeep_destroy(struct http_job *base)
{
    mem_free((struct upkeep_job *)base);
}

static struct upkeep_job *upkeep_make(void (*run)(struct http_job *job))
{
    struct upkeep_job *j = MEM_NEW(struct upkeep_job);
    j->base.run = run;
    j->base.destroy = upkeep_destroy;
    j->base.content_type = "application/json";
    return j;
}

static void upkeep_start(struct request *r, struct upkeep_job *j)
{
    http_job_start(r, r->http->options.maintenance, &j->base);
}

/* These touch every project, so a key of one project does not do. */
static bool allowed_everywhere(struct request *r)
{
    if (strcmp(r->principal.project, "*") == 0)
        return true;
    struct error error;
    (void)error_set(
        &error, STATUS_DENIED,
        "key %s belongs to project '%s'; this concerns the whole store and needs an admin key of project '*'",
        r->principal.key_id, r->principal.project);
    reply_error(r->event, &error, SLICE_EMPTY);
    return false;
}

void route_seal(struct request *r)
{
    if (allowed_everywhere(r))
        upkeep_start(r, upkeep_make(seal_run));
}

void route_compact(struct request *r)
{
    if (!allowed_everywhere(r))
        return;
    struct upkeep_job *j = upkeep_make(compact_run);
    j->full = request_flag(r, "full");
    upkeep_start(r, j);
}

void route_verify(struct request *r)
{
    if (allowed_everywhere(r))
        upkeep_start(r, upkeep_make(verify_run));
}

/* age, text_age and bytes_max; false: replied with what is wrong. */
static bool retention_read(struct request *r, struct retention *ret)
{
    struct error error = {0};
    const char *names[] = {"age", "text_age"};
    int64_t *ages[] = {&ret->rows_age_ns, &ret->text_age_ns};
    for (size_t i = 0; i < 2; i++) {
        const char *value = request_parameter(r, names[i]);
        if (value == NULL || (duration_from_text(slice_text(value), ages[i]) && *ages[i] > 0))
            continue;
        (void)error_set(&error, STATUS_INVALID, "%s: '%s' is not a duration like 24h or 30d",
                        names[i], value);
        reply_error(r->event, &error, SLICE_EMPTY);
        return false;
    }
    const char *bytes = request_parameter(r, "bytes_max");
    if (bytes != NULL &&
        (!bytes_from_text(slice_text(bytes), &ret->bytes_max) || ret->bytes_max == 0)) {
        (void)error_set(&error, STATUS_INVALID, "bytes_max: '%s' is not a size like 10GiB", bytes);
        reply_error(r->event, &error, SLICE_EMPTY);
        return false;
    }
    if (ret->rows_age_ns != 0 || ret->text_age_ns != 0 || ret->bytes_max != 0)
        return true;
    (void)error_set(&error, STATUS_INVALID,
                    "say what leaves: age=30d, text_age=7d or bytes_max=10GiB");
    reply_error(r->event, &error, SLICE_EMPTY);
    return false;
}

void route_retain(struct request *r)
{
    struct retention retention = {0};
    uint32_t project = 0;
    bool one_project =
        request_parameter(r, "project") != NULL || strcmp(r->principal.project, "*") != 0;
    if (!retention_read(r, &retention) || (one_project && !request_project(r, &project)))
        return;
    struct upkeep_job *j = upkeep_make(retain_run);
    j->retention = retention;
    j->project = project;
    j->dry_run = request_flag(r, "dry_run");
    upkeep_start(r, j);
}
