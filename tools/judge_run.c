/*
 * judge_run.c - leases items, runs the command on each, sends back what it said.
 *
 * Place:     POST lease -> [here] -> tools/judge_exec.h -> POST complete or fail
 * Threads:   one a command that runs at the same time; each leases one item at a time, so none waits behind another.
 * Stopping:  the first SIGINT or SIGTERM takes no more items and lets the commands end; the second ends them too and gives their items
 *            back. What was judged is never thrown away: complete is repeated until it is acknowledged or the lease is lost.
 */
#include "tools/judge_run.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/json.h"
#include "engine/base/thread.h"
#include "server/judge/judge_body.h"
#include "tools/judge_exec.h"
#include "tools/terminal.h"

#define LEASE_TEXT    "60s"
#define RENEW_NS      (20 * NS_PER_S)
#define IDLE_LEAST_MS 250
#define IDLE_MOST_MS  5000
#define TELL_TRIES    60 /* a second apart */

struct worker_pool {
    const struct judge_run_options *options;
    const char *worker;
    struct mutex lock;
    uint64_t taken, judged, failed, lost;
    enum status end_status; /* why no more items are asked for; guarded by lock */
    struct error end;
    bool reached; /* the server has answered */
};

static atomic_int signals_seen;

static void on_signal(int signal_number)
{
    (void)signal_number;
    atomic_fetch_add(&signals_seen, 1);
}

static bool is_stopping(void)
{
    return atomic_load(&signals_seen) > 0;
}

static bool is_ending(void *context)
{
    (void)context;
    return atomic_load(&signals_seen) > 1;
}

static void rest_ms(int milliseconds)
{
    for (; milliseconds > 0 && !is_stopping(); milliseconds -= 50)
        (void)poll(NULL, 0, milliseconds < 50 ? milliseconds : 50);
}

void judge_path(const struct connect *c, const char *verb, struct buffer *to)
{
    buffer_printf(to, "/api/v1/judge%s%s?project=", verb[0] != 0 ? "/" : "", verb);
    url_encode(to, slice_text(c->project));
    buffer_add_byte(to, 0);
}

static enum status call(const struct connect *c, const char *verb, const struct buffer *body,
                        struct buffer *ret_answer, struct error *reterr)
{
    struct buffer path = {0};
    judge_path(c, verb, &path);
    struct http_request request = {.method = "POST",
                                   .path = (const char *)path.data,
                                   .body = buffer_slice(body),
                                   .content_type = "application/json"};
    enum status s = http_call(c, &request, ret_answer, NULL, reterr);
    buffer_deinit(&path);
    return s;
}

/* ---- an item ---- */

struct item {
    struct worker_pool *pool;
    struct slice text; /* all of it: what the command reads */
    int64_t id, token;
    struct slice rule, scorer, trace_id, span_id;
};

/* The members needed here; the others are the command's business. */
static bool item_read(struct slice text, struct arena *arena, struct item *ret)
{
    struct json j = json_over(text);
    bool has_id = false;
    bool has_token = false;
    ret->text = text;
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return false;
    while (json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        enum json_token t = json_next(&j);
        struct slice *const texts[] = {&ret->rule, &ret->scorer, &ret->trace_id, &ret->span_id};
        static const char *const names[] = {"rule", "scorer", "trace_id", "span_id"};
        for (int i = 0; i < 4 && t == JSON_STRING; i++) {
            if (slice_is(key, names[i]))
                *texts[i] = json_string(&j, arena);
        }
        if (slice_is(key, "id"))
            has_id = t == JSON_NUMBER && json_int(&j, &ret->id);
        else if (slice_is(key, "token"))
            has_token = t == JSON_NUMBER && json_int(&j, &ret->token);
        (void)json_skip(&j, t);
    }
    return has_id && has_token;
}

/* The first item of {"items":[...],"reason":"..."}; *ret_found false: there is none. */
static enum status answer_read(struct slice answer, struct arena *arena, struct item *ret,
                               bool *ret_found, struct slice *ret_reason, struct error *reterr)
{
    struct json j = json_over(answer);
    bool good = json_next(&j) == JSON_OBJECT_BEGIN;
    *ret_found = false;
    while (good && json_next(&j) == JSON_KEY) {
        struct slice key = json_string(&j, arena);
        enum json_token t = json_next(&j);
        if (slice_is(key, "reason") && t == JSON_STRING)
            *ret_reason = json_string(&j, arena);
        if (slice_is(key, "items") && t == JSON_ARRAY_BEGIN) {
            while ((t = json_next(&j)) == JSON_OBJECT_BEGIN) {
                *ret_found = good = item_read(json_skip(&j, t), arena, ret);
            }
        } else {
            (void)json_skip(&j, t);
        }
    }
    return good ? STATUS_OK
                : error_set(reterr, STATUS_INVALID, "the server's answer to a lease can't be read");
}

static enum status item_lease(struct worker_pool *p, struct arena *arena, struct buffer *answer,
                              struct item *ret, bool *ret_found, struct slice *ret_reason,
                              struct error *reterr)
{
    struct buffer body = {0};
    buffer_add_text(&body, "{\"max\":1,\"lease\":\"" LEASE_TEXT "\",\"worker\":");
    buffer_add_json(&body, slice_text(p->worker));
    buffer_add_text(&body, "}");
    enum status s = call(p->options->connect, "lease", &body, answer, reterr);
    buffer_deinit(&body);
    return s < 0 ? s : answer_read(buffer_slice(answer), arena, ret, ret_found, ret_reason, reterr);
}

/* ---- what became of it ---- */

static void token_write(const struct item *i, struct buffer *to)
{
    buffer_printf(to, "{\"id\":%lld,\"token\":%lld", (long long)i->id, (long long)i->token);
}

static void text_write(const char *name, struct slice text, struct buffer *to)
{
    if (text.size == 0)
        return;
    buffer_printf(to, ",\"%s\":", name);
    buffer_add_json(to, text);
}

/* Is it worth saying again? The server may be restarting. */
static bool is_passing(enum status s)
{
    return s == STATUS_UNREACHABLE || s == STATUS_BUSY || s == STATUS_TIMEOUT ||
           s == STATUS_READ_ONLY || s == STATUS_FULL || s == STATUS_CANCELLED;
}

static enum status tell(const struct item *i, const char *verb, const struct buffer *body,
                        struct error *reterr)
{
    enum status s;
    for (int attempt = 1;; attempt++) {
        struct buffer answer = {0};
        s = call(i->pool->options->connect, verb, body, &answer, reterr);
        buffer_deinit(&answer);
        if (s >= 0 || !is_passing(s) || attempt == TELL_TRIES || is_ending(NULL))
            return s;
        (void)poll(NULL, 0, 1000);
    }
}

static bool item_renew(void *context)
{
    struct item *i = context;
    struct buffer body = {0};
    struct buffer answer = {0};
    struct error error = {0};
    token_write(i, &body);
    buffer_add_text(&body, ",\"lease\":\"" LEASE_TEXT "\"}");
    enum status s = call(i->pool->options->connect, "renew", &body, &answer, &error);
    buffer_deinit(&body);
    buffer_deinit(&answer);
    return s >= 0 || is_passing(s);
}

static enum status verdict_tell(const struct item *i, const struct judge_verdict *v,
                                struct error *reterr)
{
    struct buffer body = {0};
    token_write(i, &body);
    if (!isnan(v->value))
        buffer_printf(&body, ",\"value\":%.17g", v->value);
    text_write("label", v->label, &body);
    text_write("explanation", v->explanation, &body);
    text_write("judge_model", v->judge_model, &body);
    buffer_printf(&body, ",\"cost_usd\":%lld.%09lld}", (long long)(v->cost_nusd / 1000000000),
                  (long long)(v->cost_nusd % 1000000000));
    enum status s = tell(i, "complete", &body, reterr);
    buffer_deinit(&body);
    return s;
}

static enum status failure_tell(const struct item *i, const char *reason, struct error *reterr)
{
    struct buffer body = {0};
    token_write(i, &body);
    text_write("reason", slice_text(reason), &body);
    buffer_add_text(&body, "}");
    enum status s = tell(i, "fail", &body, reterr);
    buffer_deinit(&body);
    return s;
}

static void release_tell(const struct item *i)
{
    struct buffer body = {0};
    struct error error = {0};
    token_write(i, &body);
    buffer_add_text(&body, "}");
    IGNORE_STATUS(tell(i, "release", &body, &error));
    buffer_deinit(&body);
}

/* One line an item: good ones on standard output, others on standard error. */
static void item_print(const struct item *i, const struct judge_verdict *v, const char *trouble)
{
    struct buffer line = {0};
    (void)terminal_add_clipped(&line, i->trace_id, 32);
    buffer_add_text(&line, " ");
    (void)terminal_add_clipped(&line, i->span_id, 16);
    buffer_add_text(&line, " ");
    (void)terminal_add_clipped(&line, i->rule, 40);
    buffer_add_text(&line, "  ");
    if (trouble != NULL) {
        (void)terminal_add_clipped(&line, slice_text(trouble), 400);
    } else {
        (void)terminal_add_clipped(&line, i->scorer, 40);
        if (!isnan(v->value))
            buffer_printf(&line, " = %.6g", v->value);
        buffer_add_text(&line, v->label.size != 0 ? " " : "");
        (void)terminal_add_clipped(&line, v->label, 60);
    }
    (void)fprintf(trouble != NULL ? stderr : stdout, "%.*s\n", SLICE_ARG(buffer_slice(&line)));
    (void)fflush(trouble != NULL ? stderr : stdout);
    buffer_deinit(&line);
}

/* ---- one item from lease to end ---- */

static enum status output_read(struct slice output, struct arena *arena, struct judge_verdict *ret,
                               struct error *reterr)
{
    struct judge_body body;
    enum status s = judge_body_read(output, BODY_VERDICT, 0, arena, &body, reterr);
    if (s >= 0 && (body.has & (BODY_VALUE | BODY_SCORE | BODY_LABEL)) == 0)
        s = error_set(reterr, STATUS_INVALID, "neither a score nor a label");
    if (s < 0) {
        error_prefix(reterr, "standard output");
        return s;
    }
    *ret = body.verdict;
    return STATUS_OK;
}

static void counts_add(struct worker_pool *p, uint64_t judged, uint64_t failed, uint64_t lost)
{
    mutex_lock(&p->lock);
    p->judged += judged;
    p->failed += failed;
    p->lost += lost;
    mutex_unlock(&p->lock);
}

static void item_judge(struct item *i, struct arena *arena)
{
    struct worker_pool *p = i->pool;
    struct error error = {0};
    struct error telling = {0};
    struct buffer output = {0};
    struct judge_verdict verdict = {.value = (double)NAN};
    const struct judge_exec exec = {.command = p->options->command,
                                    .input = i->text,
                                    .timeout_ns = p->options->timeout_ns,
                                    .renew_every_ns = RENEW_NS,
                                    .renew = item_renew,
                                    .stop = is_ending,
                                    .context = i};
    enum status s = judge_exec(&exec, &output, &error);
    if (s >= 0)
        s = output_read(buffer_slice(&output), arena, &verdict, &error);
    if (s >= 0 && verdict_tell(i, &verdict, &telling) >= 0) {
        item_print(i, &verdict, NULL);
        counts_add(p, 1, 0, 0);
    } else if (s >= 0) {
        item_print(i, NULL, telling.text);
        counts_add(p, 0, 0, 1);
    } else if (s == STATUS_CANCELLED) {
        release_tell(i);
        item_print(i, NULL, error.text);
        counts_add(p, 0, 0, 1);
    } else {
        item_print(i, NULL, failure_tell(i, error.text, &telling) >= 0 ? error.text : telling.text);
        counts_add(p, 0, 1, 0);
    }
    buffer_deinit(&output);
}

/* ---- the threads ---- */

/* One more item may be asked for; it counts until it turns out that there is none. */
static bool take_begin(struct worker_pool *p)
{
    mutex_lock(&p->lock);
    bool may = !is_stopping() && p->end_status >= 0 &&
               (p->options->max == 0 || p->taken < p->options->max);
    p->taken += may;
    mutex_unlock(&p->lock);
    return may;
}

static void take_end(struct worker_pool *p, enum status s, bool found, const struct error *error)
{
    mutex_lock(&p->lock);
    p->taken -= !found;
    p->reached |= s >= 0;
    bool hopeless = s < 0 && (!is_passing(s) || !p->reached);
    if (hopeless && p->end_status >= 0) {
        p->end_status = s;
        p->end = *error;
    }
    mutex_unlock(&p->lock);
}

static void pool_thread(void *context)
{
    struct worker_pool *p = context;
    struct arena arena = {0};
    int idle_ms = IDLE_LEAST_MS;
    bool goes_on = true;
    while (goes_on && take_begin(p)) {
        struct error error = {0};
        struct buffer answer = {0};
        struct item item = {.pool = p,
                            .rule = SLICE_EMPTY,
                            .scorer = SLICE_EMPTY,
                            .trace_id = SLICE_EMPTY,
                            .span_id = SLICE_EMPTY};
        struct slice reason = SLICE_EMPTY;
        bool found = false;
        enum status s = item_lease(p, &arena, &answer, &item, &found, &reason, &error);
        take_end(p, s, found, &error);
        if (found) {
            item_judge(&item, &arena);
            idle_ms = IDLE_LEAST_MS;
        } else if (s >= 0 && p->options->once) {
            if (reason.size != 0)
                (void)fprintf(stderr, "driftline: %.*s\n", SLICE_ARG(reason));
            goes_on = false;
        } else {
            rest_ms(idle_ms);
            idle_ms = idle_ms * 2 < IDLE_MOST_MS ? idle_ms * 2 : IDLE_MOST_MS;
        }
        buffer_deinit(&answer);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

static void signals_take(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static const char *worker_name(const struct judge_run_options *o, char to[JUDGE_WORKER_BYTES_MAX])
{
    char host[64] = "";
    if (o->worker != NULL)
        return o->worker;
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(to, JUDGE_WORKER_BYTES_MAX, "%s-%d", host, (int)getpid());
    return to;
}

int judge_run(const struct judge_run_options *o)
{
    char name[JUDGE_WORKER_BYTES_MAX];
    struct worker_pool p = {.options = o, .worker = worker_name(o, name)};
    struct thread *threads = mem_zero(o->concurrency, sizeof *threads);
    mutex_init(&p.lock);
    signals_take();
    for (uint32_t i = 1; i < o->concurrency; i++)
        thread_start(&threads[i], "judge", pool_thread, &p);
    pool_thread(&p); /* this thread is one of them, and the one that signals reach */
    for (uint32_t i = 1; i < o->concurrency; i++)
        thread_join(&threads[i]);
    mutex_deinit(&p.lock);
    mem_free(threads);
    (void)fprintf(stderr, "judged %llu, failed %llu, given back or lost %llu\n",
                  (unsigned long long)p.judged, (unsigned long long)p.failed,
                  (unsigned long long)p.lost);
    if (p.end_status < 0)
        return command_fail(&p.end);
    return p.failed > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}
