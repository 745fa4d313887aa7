/*
 * http_history.c - jobs over history on request: reprice, rescore, remap.
 *
 * Place:    POST /api/v1/admin/... -> the maintenance pool -> server/history -> JSON (history_report.h)
 * Limits:   one project a call; the engine does one rewrite at a time (STATUS_BUSY otherwise).
 * Cancel:   a client that leaves ends the job; what is done stays done, and the call may be repeated.
 */
#include "engine/base/clock.h"
#include "server/history/history_report.h"
#include "server/http/http_request.h"

struct history_job {
    struct http_job base;
    uint32_t project;
    int64_t from_ns, until_ns;
    bool dry_run;
    bool all;
    char *scorer;               /* NULL: all */
    struct price_table *prices; /* reprice */
};

static bool report(void *context, double fraction, const char *what)
{
    struct history_job *j = context;
    (void)fraction;
    (void)what;
    return !atomic_load(&j->base.cancel);
}

static void reprice_run(struct http_job *base)
{
    struct history_job *j = (struct history_job *)base;
    const struct progress progress = {.report = report, .context = j};
    const struct reprice_options options = {.project = j->project,
                                            .from_ns = j->from_ns,
                                            .until_ns = j->until_ns,
                                            .table = j->prices,
                                            .dry_run = j->dry_run,
                                            .all = j->all};
    struct reprice_result result;
    base->status =
        history_reprice(base->http->options.engine, &options, &progress, &result, &base->error);
    if (base->status >= 0)
        reprice_report(&result, price_table_version(j->prices), j->dry_run, &base->body);
}

static void rescore_run(struct http_job *base)
{
    struct history_job *j = (struct history_job *)base;
    struct ingest *ingest = base->http->options.ingest;
    struct shared_enricher *held = ingest_hold(ingest);
    const struct progress progress = {.report = report, .context = j};
    const struct rescore_options options = {.project = j->project,
                                            .from_ns = j->from_ns,
                                            .until_ns = j->until_ns,
                                            .scorer = j->scorer,
                                            .enricher = ingest_enricher(held),
                                            .dry_run = j->dry_run};
    struct rescore_result *result = MEM_NEW(struct rescore_result);
    base->status =
        history_rescore(base->http->options.engine, &options, &progress, result, &base->error);
    if (base->status >= 0)
        rescore_report(result, enricher_version(options.enricher), j->dry_run, &base->body);
    mem_free(result);
    ingest_release(ingest, held);
}

static void remap_run(struct http_job *base)
{
    struct history_job *j = (struct history_job *)base;
    const struct progress progress = {.report = report, .context = j};
    const struct remap_options options = {.project = j->project,
                                          .from_ns = j->from_ns,
                                          .until_ns = j->until_ns,
                                          .dry_run = j->dry_run};
    struct remap_result result;
    base->status =
        history_remap(base->http->options.engine, &options, &progress, &result, &base->error);
    if (base->status >= 0)
        remap_report(&result, j->dry_run, &base->body);
}

/* ---- requests ---- */

static void job_destroy(struct http_job *base)
{
    struct history_job *j = (struct history_job *)base;
    price_table_destroy(j->prices);
    mem_free(j->scorer);
    mem_free(j);
}

/* Project, range and dry_run; NULL: replied with what is wrong. */
static struct history_job *job_make(struct request *r, void (*run)(struct http_job *job))
{
    struct error error = {0};
    uint32_t project;
    int64_t from_ns;
    int64_t until_ns;
    if (!request_project(r, &project))
        return NULL;
    if (history_range(request_parameter(r, "since"), request_parameter(r, "until"), clock_wall_ns(),
                      &from_ns, &until_ns, &error) < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
        return NULL;
    }
    struct history_job *j = MEM_NEW(struct history_job);
    j->base.run = run;
    j->base.destroy = job_destroy;
    j->base.content_type = "application/json";
    j->project = project;
    j->from_ns = from_ns;
    j->until_ns = until_ns;
    j->dry_run = request_flag(r, "dry_run");
    return j;
}

void route_reprice(struct request *r)
{
    struct error error = {0};
    struct price_table *prices;
    if (policy_prices_parse("the price table", request_body(r), &prices, &error) < 0) {
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    struct history_job *j = job_make(r, reprice_run);
    if (j == NULL) {
        price_table_destroy(prices);
        return;
    }
    j->prices = prices;
    j->all = request_flag(r, "all");
    http_job_start(r, r->http->options.maintenance, &j->base);
}

void route_rescore(struct request *r)
{
    const char *scorer = request_parameter(r, "scorer");
    struct history_job *j = job_make(r, rescore_run);
    if (j == NULL)
        return;
    j->scorer = scorer == NULL ? NULL : mem_strdup(scorer);
    http_job_start(r, r->http->options.maintenance, &j->base);
}

void route_remap(struct request *r)
{
    struct history_job *j = job_make(r, remap_run);
    if (j != NULL)
        http_job_start(r, r->http->options.maintenance, &j->base);
}
