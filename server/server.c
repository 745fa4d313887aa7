/*
 * server.c - assembles the parts, runs the loop, drains.
 *
 * Place:     configuration -> [here] -> io, engine, policy, control, auth, ingest, query, alerts, judge, listeners
 * Order:     things are made from the bottom up and unmade in reverse; a part that was not made is NULL and its
 *            destroyer takes that.
 * Drain:     SIGTERM or SIGINT: no new work, native connections settle what they sent, statements are cancelled, then the
 *            loop ends; at most DRAIN_NS. A second signal ends the process at once.
 */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "query/query.h"
#include "server/alert/alert.h"
#include "server/auth/auth.h"
#include "server/grpc/grpc.h"
#include "server/http/http.h"
#include "server/ingest/ingest.h"
#include "server/judge/judge.h"
#include "server/log.h"
#include "server/native.h"
#include "server/net/net.h"
#include "server/pgwire/pgwire.h"
#include "server/policy/policy.h"

#define DRAIN_NS           (10 * NS_PER_S)
#define DRAIN_LOOK_US      20000
#define QUERY_QUEUE_MAX    256
#define UPKEEP_QUEUE_MAX   16
#define WRITER_QUEUE_MAX   1024
#define JUDGE_FILL_S       2
#define PUMP_RETRY_US      1000
#define RECONNECT_AFTER_MS 1000

/* Fills the judge queue, on the maintenance pool. */
struct fill_job {
    struct net_job job;
    struct server *server;
    bool under_way;
};

struct server {
    const struct server_config *config;
    struct io *io;
    struct engine *engine;
    struct control *control;
    struct auth *auth;
    struct query_db *db;
    struct policy policy;
    struct ingest *ingest;
    struct judge *judge;
    struct fill_job fill;
    struct alerts *alerts;
    struct net_loop *loop;
    struct net_pool *queries;
    struct net_pool *maintenance;
    struct net_pool *writers;
    struct native *native;
    struct http *http;
    struct grpc *grpc; /* NULL: off */
    struct pgwire *pgwire;
    struct event *pump_event;  /* the engine's eventfd */
    struct event *pump_soon;   /* once, after an append */
    struct event *term_event;
    struct event *int_event;
    struct event *hup_event;
    struct event *judge_event;
    struct event *drain_event;
    int64_t drain_until_ns; /* 0: not draining */
    uint64_t durable;
};

/* ---- commits become durable ---- */

static void pump(struct server *sv)
{
    uint64_t durable = engine_pump(sv->engine);
    native_pump(sv->native, durable);
    http_pump(sv->http, durable);
    grpc_pump(sv->grpc, durable);
    if (durable == sv->durable)
        return;
    sv->durable = durable;
    if (sv->alerts != NULL)
        alerts_wake(sv->alerts);
}

static void on_pump(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    pump(context);
}

/* Many appends of one turn of the loop are one pump at its end. */
static void on_appended(void *context)
{
    struct server *sv = context;
    event_active(sv->pump_soon, EV_TIMEOUT, 0);
}

static enum status on_append(void *context, const struct append *append, struct append_result *ret,
                             struct error *reterr)
{
    struct server *sv = context;
    return ingest_append(sv->ingest, append, ret, reterr);
}

/* The hooks share one context, so the component's name is not in it. */
static void on_native_log(void *context, const char *level, const char *text)
{
    (void)context;
    log_callback((void *)(uintptr_t)"native", level, text);
}

static enum status authenticate(void *context, struct slice key, struct slice project,
                                uint32_t *ret_project, unsigned *ret_scopes, struct error *reterr)
{
    struct server *sv = context;
    struct principal principal;
    enum status s;
    if ((s = auth_check(sv->auth, key, &principal, reterr)) < 0)
        return s;
    if (project.size == 0)
        project = slice_text(strcmp(principal.project, "*") == 0 ? "default" : principal.project);
    if ((principal.scopes & (SCOPE_REVIEW | SCOPE_ADMIN)) == 0 &&
        (s = auth_allow(&principal, SCOPE_INGEST, project, reterr)) < 0)
        return s;
    if ((principal.scopes & (SCOPE_REVIEW | SCOPE_ADMIN)) != 0 && strcmp(principal.project, "*") != 0 &&
        !slice_is(project, principal.project))
        return error_set(reterr, STATUS_DENIED, "key %s belongs to project '%s', not to '%.*s'", principal.key_id,
                         principal.project, SLICE_ARG(project));
    *ret_scopes = principal.scopes;
    return engine_project(sv->engine, project, true, ret_project, reterr);
}

/* ---- drain ---- */

static void on_drain_look(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct server *sv = context;
    pump(sv);
    bool idle = native_is_idle(sv->native) && http_requests(sv->http) == 0 &&
                grpc_requests(sv->grpc) == 0 && pgwire_sessions(sv->pgwire) == 0;
    if (idle || clock_monotonic_ns() > sv->drain_until_ns) {
        if (!idle)
            log_line(LOG_WARN, "server", "some connections did not finish in time and are closed");
        net_loop_stop(sv->loop);
        return;
    }
    struct timeval soon = {.tv_usec = DRAIN_LOOK_US};
    (void)event_add(sv->drain_event, &soon);
}

static void on_stop_signal(evutil_socket_t signal_number, short what, void *context)
{
    (void)what;
    struct server *sv = context;
    if (sv->drain_until_ns != 0) {
        log_line(LOG_WARN, "server", "second signal %d: ending at once", (int)signal_number);
        _exit(1);
    }
    log_line(LOG_INFO, "server", "signal %d: draining", (int)signal_number);
    sv->drain_until_ns = clock_monotonic_ns() + DRAIN_NS;
    native_drain(sv->native, RECONNECT_AFTER_MS);
    http_drain(sv->http);
    grpc_drain(sv->grpc);
    pgwire_drain(sv->pgwire);
    on_drain_look(-1, 0, sv);
}

/* Classes, scorers, rules, masks and prices are swapped; judges are read at the start only. */
static void policy_reload(struct server *sv)
{
    struct error error = {0};
    struct policy fresh;
    if (policy_load(sv->config->policy_file, sv->config->policy_prices, &fresh, &error) < 0) {
        log_line(LOG_ERROR, "policy", "%s; the old policy stays in force", error.text);
        return;
    }
    struct enrich_settings settings = policy_detach_settings(&fresh);
    ingest_reload(sv->ingest, &settings);
    policy_deinit(&sv->policy);
    sv->policy = fresh;
    log_line(LOG_INFO, "policy", "policy reloaded");
}

static void on_reload_signal(evutil_socket_t signal_number, short what, void *context)
{
    (void)signal_number;
    (void)what;
    struct server *sv = context;
    struct error error = {0};
    policy_reload(sv);
    if (sv->alerts == NULL)
        log_line(LOG_INFO, "alert", "no rules file is configured (alerts.rules)");
    else if (alerts_reload(sv->alerts, &error) < 0)
        log_line(LOG_ERROR, "alert", "%s; the old rules stay in force", error.text);
    else
        log_line(LOG_INFO, "alert", "rules reloaded");
}

/* ---- judge queue ---- */

static void judge_fill_run(struct net_job *job)
{
    const struct fill_job *fill = (struct fill_job *)job;
    struct error error = {0};
    uint64_t queued;
    if (judge_fill(fill->server->judge, &queued, &error) < 0)
        log_line(LOG_ERROR, "judge", "%s", error.text);
}

static void judge_fill_done(struct net_job *job)
{
    struct fill_job *fill = (struct fill_job *)job;
    fill->under_way = false;
}

static void on_judge_time(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct server *sv = context;
    struct fill_job *fill = &sv->fill;
    if (fill->under_way || sv->drain_until_ns != 0)
        return;
    *fill = (struct fill_job){.job = {.run = judge_fill_run, .done = judge_fill_done}, .server = sv};
    fill->under_way = net_pool_submit(sv->maintenance, &fill->job, NULL) >= 0;
}

/* ---- start ---- */

static enum status data_directory(const char *path, struct error *reterr)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return STATUS_OK;
    return error_set(reterr, STATUS_IO, "data directory %s: %s", path, strerror(errno));
}

static enum status store_open(struct server *sv, struct error *reterr)
{
    const struct server_config *c = sv->config;
    char reason[128] = "";
    const char *prefer = strcmp(c->io, "auto") == 0 ? NULL : c->io;
    enum status s;
    if ((s = data_directory(c->data_dir, reterr)) < 0)
        return s;
    if ((s = io_create(c->data_dir, prefer, &sv->io, reason, reterr)) < 0)
        return s;
    if (reason[0] != 0)
        log_line(LOG_WARN, "io", "io_uring is not available (%s); using plain system calls", reason);
    struct engine_options options = {
        .head_rows_max = c->seal_rows,
        .head_bytes_max = c->head_bytes,
        .head_age_ns_max = c->seal_age_ns,
        .compact_every_ns = c->compact_every_ns,
        .retain_every_ns = c->retain_every_ns,
        .compact_bytes_per_second = c->compact_rate,
        .retention = {.rows_age_ns = c->retention_rows_age_ns,
                      .text_age_ns = c->retention_text_age_ns,
                      .bytes_max = c->retention_bytes_max},
        .log = log_callback,
        .log_context = (void *)(uintptr_t)"engine",
    };
    if ((s = engine_open(sv->io, &options, &sv->engine, reterr)) < 0) {
        error_prefix(reterr, "%s", c->data_dir);
        return s;
    }
    uint32_t ignored;
    return engine_project(sv->engine, slice_text("default"), true, &ignored, reterr);
}

static enum status ingest_start(struct server *sv, struct error *reterr)
{
    enum status s =
        policy_load(sv->config->policy_file, sv->config->policy_prices, &sv->policy, reterr);
    if (s < 0)
        return s;
    struct enrich_settings settings = policy_detach_settings(&sv->policy);
    sv->ingest = ingest_create(sv->engine, &settings);
    return STATUS_OK;
}

/* The first start makes the key that makes all others; it is shown once. */
static enum status first_key(struct server *sv, struct error *reterr)
{
    char key[AUTH_KEY_BYTES];
    if (sv->config->no_auth || !auth_is_empty(sv->auth))
        return STATUS_OK;
    enum status s = auth_key_create(sv->auth, slice_text("*"), SCOPE_ALL, slice_text("first start"), key, reterr);
    if (s < 0)
        return s;
    (void)fprintf(stderr,
                  "\n  This is the admin key. It is shown once; only a hash of it is stored:\n\n"
                  "    export DRIFTLINE_KEY=%s\n\n",
                  key);
    return STATUS_OK;
}

static enum status control_start(struct server *sv, struct error *reterr)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/control.db", sv->config->data_dir) >= (int)sizeof path)
        return error_set(reterr, STATUS_INVALID, "the data directory's path is too long");
    enum status s;
    if ((s = control_open(path, &sv->control, reterr)) < 0)
        return s;
    if ((s = auth_open(sv->control, sv->config->no_auth, &sv->auth, reterr)) < 0)
        return s;
    if ((s = first_key(sv, reterr)) < 0)
        return s;
    sv->db = query_db_create(sv->engine);
    if ((s = alert_tables_add(sv->db, sv->control, reterr)) < 0)
        return s;
    if ((s = judge_open(sv->engine, sv->db, sv->control, sv->policy.judges, sv->policy.judge_count,
                        &sv->judge, reterr)) < 0)
        return s;
    if ((s = judge_tables_add(sv->db, sv->control, reterr)) < 0)
        return s;
    if (sv->config->alert_rules[0] == 0)
        return STATUS_OK;
    struct alert_options options = {
        .engine = sv->engine,
        .db = sv->db,
        .control = sv->control,
        .rules_path = sv->config->alert_rules,
        .log = log_callback,
        .log_context = (void *)(uintptr_t)"alert",
    };
    return alerts_start(&options, &sv->alerts, reterr);
}

static enum status grpc_listen(struct server *sv, struct grpc_options *options, struct error *reterr)
{
    const struct server_config *c = sv->config;
    *options = (struct grpc_options){.loop = sv->loop,
                                     .writers = sv->writers,
                                     .auth = sv->auth,
                                     .engine = sv->engine,
                                     .ingest = sv->ingest,
                                     .appended = on_appended,
                                     .context = sv,
                                     .tls_cert = c->tls_cert,
                                     .tls_key = c->tls_key,
                                     .message_bytes_max = c->ingest_body_bytes,
                                     .inflight_bytes_max = c->ingest_memory_bytes};
    enum status s = net_address_parse(slice_text(c->listen_grpc), 0, &options->address, reterr);
    return s < 0 ? s : grpc_start(options, &sv->grpc, reterr);
}

static enum status listeners_start(struct server *sv, struct error *reterr)
{
    const struct server_config *c = sv->config;
    struct query_options limits = {.timeout_ns = c->query_timeout_ns,
                                   .memory_bytes_max = c->query_memory_bytes,
                                   .threads = (uint32_t)c->query_threads};
    struct native_hooks hooks = {.authenticate = authenticate,
                                 .append = on_append,
                                 .appended = on_appended,
                                 .log = on_native_log,
                                 .context = sv};
    struct native_options native = {0};
    struct http_options http = {.loop = sv->loop,
                                .queries = sv->queries,
                                .maintenance = sv->maintenance,
                                .writers = sv->writers,
                                .ingest = sv->ingest,
                                .judge = sv->judge,
                                .appended = on_appended,
                                .context = sv,
                                .otlp_bytes_max = c->ingest_body_bytes,
                                .inflight_bytes_max = c->ingest_memory_bytes,
                                .auth = sv->auth,
                                .engine = sv->engine,
                                .db = sv->db,
                                .alerts = sv->alerts,
                                .limits = limits};
    struct grpc_options grpc;
    struct pgwire_options pg = {.loop = sv->loop,
                                .queries = sv->queries,
                                .auth = sv->auth,
                                .engine = sv->engine,
                                .db = sv->db,
                                .limits = limits};
    enum status s;
    if ((s = net_address_parse(slice_text(c->listen_native), 0, &native.address, reterr)) < 0 ||
        (s = net_address_parse(slice_text(c->listen_http), 0, &http.address, reterr)) < 0 ||
        (s = net_address_parse(slice_text(c->listen_pg), 0, &pg.address, reterr)) < 0)
        return s;
    if ((s = native_create(sv->loop, sv->engine, &native, &hooks, &sv->native, reterr)) < 0)
        return s;
    if ((s = http_start(&http, &sv->http, reterr)) < 0)
        return s;
    if ((s = pgwire_start(&pg, &sv->pgwire, reterr)) < 0)
        return s;
    if (strcmp(c->listen_grpc, "off") != 0 && (s = grpc_listen(sv, &grpc, reterr)) < 0)
        return s;
    (void)printf("ready http=%s:%u native=%s:%u ", http.address.host, http_port(sv->http), native.address.host,
                 native_port(sv->native));
    if (sv->grpc != NULL)
        (void)printf("grpc=%s:%u ", grpc.address.host, grpc_port(sv->grpc));
    (void)printf("pg=%s:%u\n", pg.address.host, pgwire_port(sv->pgwire));
    (void)fflush(stdout);
    return STATUS_OK;
}

static struct event *event_make(struct server *sv, int fd, short what, event_callback_fn run)
{
    struct event *event = event_new(net_loop_base(sv->loop), fd, what, run, sv);
    ASSERT(event != NULL);
    return event;
}

static enum status loop_start(struct server *sv, struct error *reterr)
{
    enum status s;
    if ((s = net_loop_create(&sv->loop, reterr)) < 0)
        return s;
    sv->queries = net_pool_create(sv->loop, "query", (uint32_t)sv->config->query_concurrent, QUERY_QUEUE_MAX);
    sv->maintenance = net_pool_create(sv->loop, "upkeep", 1, UPKEEP_QUEUE_MAX);
    sv->writers = net_pool_create(sv->loop, "ingest", (uint32_t)sv->config->ingest_threads, WRITER_QUEUE_MAX);
    sv->judge_event = event_make(sv, -1, EV_PERSIST, on_judge_time);
    if (sv->policy.judge_count > 0)
        (void)event_add(sv->judge_event, &(struct timeval){.tv_sec = JUDGE_FILL_S});
    sv->pump_event = event_make(sv, engine_event_fd(sv->engine), EV_READ | EV_PERSIST, on_pump);
    sv->pump_soon = event_make(sv, -1, 0, on_pump);
    sv->drain_event = event_make(sv, -1, 0, on_drain_look);
    sv->term_event = event_make(sv, SIGTERM, EV_SIGNAL | EV_PERSIST, on_stop_signal);
    sv->int_event = event_make(sv, SIGINT, EV_SIGNAL | EV_PERSIST, on_stop_signal);
    sv->hup_event = event_make(sv, SIGHUP, EV_SIGNAL | EV_PERSIST, on_reload_signal);
    (void)event_add(sv->pump_event, NULL);
    (void)event_add(sv->term_event, NULL);
    (void)event_add(sv->int_event, NULL);
    (void)event_add(sv->hup_event, NULL);
    return STATUS_OK;
}

static void event_drop(struct event *event)
{
    if (event != NULL)
        event_free(event);
}

static void server_unmake(struct server *sv)
{
    alerts_stop(sv->alerts);
    /* Pools first: their jobs belong to requests and sessions, which take them back before they go. */
    net_pool_destroy(sv->queries);
    net_pool_destroy(sv->maintenance);
    net_pool_destroy(sv->writers);
    native_destroy(sv->native);
    http_stop(sv->http);
    grpc_stop(sv->grpc);
    pgwire_stop(sv->pgwire);
    event_drop(sv->pump_event);
    event_drop(sv->pump_soon);
    event_drop(sv->drain_event);
    event_drop(sv->term_event);
    event_drop(sv->int_event);
    event_drop(sv->hup_event);
    event_drop(sv->judge_event);
    net_loop_destroy(sv->loop);
    query_db_destroy(sv->db);
    judge_close(sv->judge);
    ingest_destroy(sv->ingest);
    policy_deinit(&sv->policy);
    auth_close(sv->auth);
    control_close(sv->control);
    engine_close(sv->engine);
    io_destroy(sv->io);
}

/* The soft limit is often 1024, which a few hundred connections and segments use up. */
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

enum status server_run(const struct server_config *c, struct error *reterr)
{
    struct server sv = {.config = c};
    log_setup(c->log_level, c->log_format);
    enum status s;
    if ((s = server_config_check(c, reterr)) < 0)
        return s;
    descriptors_raise();
    if ((s = store_open(&sv, reterr)) < 0)
        goto out;
    if ((s = ingest_start(&sv, reterr)) < 0)
        goto out;
    if ((s = control_start(&sv, reterr)) < 0)
        goto out;
    if ((s = loop_start(&sv, reterr)) < 0)
        goto out;
    if ((s = listeners_start(&sv, reterr)) < 0)
        goto out;
    log_line(LOG_INFO, "server", "version %s, data in %s, io %s%s", DRIFTLINE_VERSION, c->data_dir, io_name(sv.io),
             c->no_auth ? ", no keys needed (--no-auth)" : "");
    net_loop_run(sv.loop);
    log_line(LOG_INFO, "server", "stopped");
out:
    server_unmake(&sv);
    return s;
}
