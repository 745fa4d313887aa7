/*
 * http_info.c - probes and figures.
 */
#include <stdio.h>

#include "engine/base/clock.h"
#include "server/http/http_request.h"

void route_alive(struct request *r)
{
    struct buffer body = {0};
    buffer_add_text(&body, "ok\n");
    reply_text(r->event, HTTP_OK, "text/plain; charset=utf-8", &body);
    buffer_deinit(&body);
}

void route_ready(struct request *r)
{
    struct engine_health health = engine_health(r->http->options.engine);
    struct buffer body = {0};
    bool ready = health.writable && !r->http->draining;
    if (!health.writable)
        buffer_printf(&body, "not writable: %s\n", health.reason);
    if (r->http->draining)
        buffer_add_text(&body, "the server is shutting down\n");
    if (ready)
        buffer_add_text(&body, "ok\n");
    if (request_flag(r, "verbose"))
        buffer_printf(&body, "io: %s\ndisk free: %llu of %llu bytes\nrows in memory: %llu\n",
                      health.io, (unsigned long long)health.disk_free_bytes,
                      (unsigned long long)health.disk_total_bytes,
                      (unsigned long long)health.head_rows);
    reply_text(r->event, ready ? HTTP_OK : HTTP_SERVUNAVAIL, "text/plain; charset=utf-8", &body);
    buffer_deinit(&body);
}

static void add_masked(void *context, struct slice rule, uint64_t count)
{
    struct buffer *to = context;
    char name[300];
    (void)snprintf(name, sizeof name, "masked.%.*s", SLICE_ARG(rule));
    add_count(to, name, count);
}

/* What came in through OTLP, and what enrichment did to all that came in. */
static void add_ingest(struct ingest *in, struct buffer *to)
{
    struct ingest_stats stats = ingest_stats(in);
    struct shared_enricher *held = ingest_hold(in);
    add_count(to, "otlp_requests", stats.requests);
    add_count(to, "otlp_bytes", stats.bytes);
    add_count(to, "otlp_spans", stats.spans);
    add_count(to, "otlp_logs", stats.logs);
    add_count(to, "otlp_rejected", stats.rejected);
    add_count(to, "otlp_duplicates", stats.duplicates);
    add_count(to, "priced", stats.enriched.priced);
    add_count(to, "unpriced", stats.enriched.unpriced);
    add_count(to, "scored", stats.enriched.scored);
    add_count(to, "classified", stats.enriched.classified);
    add_count(to, "masked", stats.enriched.masked);
    enricher_masked(ingest_enricher(held), add_masked, to);
    buffer_printf(to, ",\"scorer_version\":\"%s\"", enricher_version(ingest_enricher(held)));
    ingest_release(in, held);
}

void route_health(struct request *r)
{
    struct engine_health health = engine_health(r->http->options.engine);
    struct buffer body = {0};
    buffer_printf(&body, "{\"version\":\"%s\",\"writable\":%s,\"reason\":", DRIFTLINE_VERSION,
                  health.writable ? "true" : "false");
    buffer_add_json(&body, slice_text(health.reason));
    buffer_printf(&body, ",\"io\":\"%s\",\"auth\":%s", health.io,
                  auth_is_disabled(r->http->options.auth) ? "false" : "true");
    add_count(&body, "uptime_s", (uint64_t)((clock_wall_ns() - r->http->started_ns) / NS_PER_S));
    add_count(&body, "rows_committed", engine_last_seq(r->http->options.engine));
    add_count(&body, "head_rows", health.head_rows);
    add_count(&body, "head_bytes", health.head_bytes);
    add_count(&body, "segments", health.segments);
    add_count(&body, "segment_bytes", health.segment_bytes);
    add_count(&body, "wal_files", health.wal_files);
    add_count(&body, "wal_bytes", health.wal_bytes);
    add_count(&body, "commits", health.commits);
    add_count(&body, "commit_failures", health.commit_failures);
    add_count(&body, "recovered_records", health.recovered_records);
    add_count(&body, "torn_bytes", health.torn_bytes);
    add_count(&body, "disk_free_bytes", health.disk_free_bytes);
    add_count(&body, "disk_total_bytes", health.disk_total_bytes);
    add_ingest(r->http->options.ingest, &body);
    buffer_add_text(&body, "}\n");
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}

/* May the key see this project? */
static bool sees(const struct request *r, const char *project)
{
    return auth_allow(&r->principal, SCOPE_READ, slice_text(project), NULL) >= 0;
}

void route_projects(struct request *r)
{
    struct buffer body = {0};
    const char *comma = "";
    buffer_add_text(&body, "{\"projects\":[");
    for (uint32_t i = 1; engine_project_name(r->http->options.engine, i) != NULL; i++) {
        const char *name = engine_project_name(r->http->options.engine, i);
        if (!sees(r, name))
            continue;
        buffer_add_text(&body, comma);
        buffer_add_json(&body, slice_text(name));
        comma = ",";
    }
    buffer_add_text(&body, "]}\n");
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}

void route_text(struct request *r)
{
    struct buffer body = {0};
    const char *comma = "";
    buffer_add_text(&body, "{\"text\":[");
    for (uint32_t i = 1; engine_project_name(r->http->options.engine, i) != NULL; i++) {
        const char *name = engine_project_name(r->http->options.engine, i);
        if (!sees(r, name))
            continue;
        struct text_info t = engine_text_info(r->http->options.engine, i);
        buffer_printf(&body, "%s{\"project\":", comma);
        buffer_add_json(&body, slice_text(name));
        add_count(&body, "messages", t.messages);
        add_count(&body, "bytes", t.bytes);
        add_count(&body, "stored_bytes", t.stored_bytes);
        add_count(&body, "packs", t.packs);
        buffer_add_text(&body, "}");
        comma = ",";
    }
    buffer_add_text(&body, "]}\n");
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}

struct segment_list {
    struct request *request;
    struct buffer body;
    const char *comma;
};

static void add_segment(void *context, const struct segment_info *s)
{
    struct segment_list *list = context;
    struct buffer *to = &list->body;
    const char *project = engine_project_name(list->request->http->options.engine, s->project);
    if (!sees(list->request, project))
        return;
    buffer_printf(to, "%s{\"project\":", list->comma);
    buffer_add_json(to, slice_text(project));
    buffer_printf(to, ",\"table\":\"%s\",\"path\":\"%s\",\"tier\":\"%s\"", table_name(s->table),
                  s->path, s->tier);
    add_count(to, "rows", s->rows);
    add_count(to, "bytes", s->bytes);
    add_count(to, "seq_min", s->seq_min);
    add_count(to, "seq_max", s->seq_max);
    add_count(to, "patches", s->patches);
    add_time(to, "time_min", s->time_min_ns);
    add_time(to, "time_max", s->time_max_ns);
    if (s->column_count != 0)
        buffer_add_text(to, ",\"columns\":[");
    for (uint32_t i = 0; i < s->column_count; i++) {
        buffer_printf(to, "%s{\"name\":", i == 0 ? "" : ",");
        buffer_add_json(to, slice_text(s->columns[i].name));
        buffer_printf(to, ",\"encoding\":\"%s\",\"bytes\":%llu}", s->columns[i].encoding,
                      (unsigned long long)s->columns[i].bytes);
    }
    buffer_add_text(to, s->column_count != 0 ? "]}" : "}");
    list->comma = ",";
}

void route_segments(struct request *r)
{
    struct segment_list list = {.request = r, .comma = ""};
    struct error error = {0};
    buffer_add_text(&list.body, "{\"segments\":[");
    if (engine_segments(r->http->options.engine, request_flag(r, "columns"), add_segment, &list,
                        &error) < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
    } else {
        buffer_add_text(&list.body, "]}\n");
        reply_json(r->event, HTTP_OK, &list.body);
    }
    buffer_deinit(&list.body);
}
