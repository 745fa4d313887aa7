/*
 * http_judge.c - the judge queue over HTTP: lease, complete, renew, fail, release, retry, state.
 *
 * Place:     bodies -> server/judge/judge_body.h -> server/judge/judge.h, on worker threads
 * Projects:  a key sees the items of its own project; ?project= chooses one the key allows.
 */
#include "engine/base/clock.h"
#include "server/http/http_request.h"
#include "server/judge/judge_body.h"

/* Items with long texts are handed out until the answer is this large; the rest goes back to the queue. */
#define LEASE_BYTES_MAX (32u << 20)

struct judge_job {
    struct http_job base;
    uint32_t project;
    struct buffer text;
    unsigned allowed; /* members of the body */
    unsigned required;
    void (*answer)(struct judge_job *j, const struct judge_body *body, struct arena *arena);
};

static struct judge *judge_of(const struct judge_job *j)
{
    return j->base.http->options.judge;
}

static void judge_run(struct http_job *base)
{
    struct judge_job *j = (struct judge_job *)base;
    struct arena arena = {0};
    struct judge_body body = {0};
    if (j->allowed != 0)
        base->status = judge_body_read(buffer_slice(&j->text), j->allowed, j->required, &arena,
                                       &body, &base->error);
    if (base->status >= 0)
        j->answer(j, &body, &arena);
    arena_deinit(&arena);
}

static void judge_destroy(struct http_job *base)
{
    struct judge_job *j = (struct judge_job *)base;
    buffer_deinit(&j->text);
    mem_free(j);
}

static void judge_start(struct request *r, unsigned allowed, unsigned required,
                        void (*answer)(struct judge_job *j, const struct judge_body *body,
                                       struct arena *arena))
{
    uint32_t project;
    struct error error = {0};
    if (r->http->options.judge == NULL) {
        (void)error_set(&error, STATUS_UNAVAILABLE, "this server has no judge queue");
        reply_error(r->event, &error, SLICE_EMPTY);
        return;
    }
    if (!request_project(r, &project))
        return;
    struct judge_job *j = MEM_NEW(struct judge_job);
    buffer_add_slice(&j->text, request_body(r));
    j->base.run = judge_run;
    j->base.destroy = judge_destroy;
    j->base.content_type = "application/json";
    j->project = project;
    j->allowed = allowed;
    j->required = required;
    j->answer = answer;
    http_job_start(r, r->http->options.writers, &j->base);
}

/* ---- lease ---- */

/* False: it did not get into the answer, and is the queue's again. */
static bool item_add(struct judge_job *j, const struct judge_item *item, bool is_first)
{
    struct http_job *base = &j->base;
    struct error error = {0};
    size_t size = base->body.size;
    if (!is_first)
        buffer_add_byte(&base->body, ',');
    enum status s = size > LEASE_BYTES_MAX
                        ? STATUS_LIMIT
                        : judge_item_write(judge_of(j), item, &base->body, &error);
    if (s >= 0)
        return true;
    base->body.size = size;
    if (s == STATUS_NOT_FOUND)
        IGNORE_STATUS(judge_set_aside(judge_of(j), j->project, item->id, item->token,
                                      slice_text(error.text), NULL));
    else if (s == STATUS_LIMIT && error.text[0] == 0)
        IGNORE_STATUS(judge_release(judge_of(j), j->project, item->id, item->token, NULL));
    else
        IGNORE_STATUS(judge_fail(judge_of(j), j->project, item->id, item->token,
                                 slice_text(error.text), NULL));
    return false;
}

static void lease_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    struct http_job *base = &j->base;
    struct judge_item *items = NULL;
    uint32_t count = 0;
    uint32_t written = 0;
    const char *reason = "";
    int64_t max = (body->has & BODY_MAX) != 0 ? body->max : 1;
    base->status =
        max < 1 || max > JUDGE_LEASE_MAX
            ? error_set(&base->error, STATUS_INVALID, "max: from 1 to %u", JUDGE_LEASE_MAX)
            : judge_lease(judge_of(j), j->project, body->worker, (uint32_t)max, body->lease_ns,
                          arena, &items, &count, &reason, &base->error);
    if (base->status < 0)
        return;
    buffer_add_text(&base->body, "{\"items\":[");
    for (uint32_t i = 0; i < count; i++)
        written += item_add(j, &items[i], written == 0);
    buffer_add_text(&base->body, "],\"reason\":");
    buffer_add_json(&base->body, slice_text(reason));
    buffer_add_text(&base->body, "}\n");
}

void route_judge_lease(struct request *r)
{
    judge_start(r, BODY_WORKER | BODY_MAX | BODY_LEASE, BODY_WORKER, lease_answer);
}

/* ---- a worker's word ---- */

static void say_state(struct judge_job *j, const struct judge_body *body, const char *state)
{
    if (j->base.status >= 0)
        buffer_printf(&j->base.body, "{\"id\":%lld,\"%s\":true}\n", (long long)body->id, state);
}

static void complete_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    (void)arena;
    j->base.status = judge_complete(judge_of(j), j->project, body->id, body->token, &body->verdict,
                                    &j->base.error);
    say_state(j, body, "done");
}

void route_judge_complete(struct request *r)
{
    judge_start(r, BODY_ID | BODY_TOKEN | BODY_VERDICT, BODY_ID | BODY_TOKEN, complete_answer);
}

static void renew_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    int64_t until_ns = 0;
    char text[TIME_TEXT_BYTES];
    (void)arena;
    j->base.status = judge_renew(judge_of(j), j->project, body->id, body->token, body->lease_ns,
                                 &until_ns, &j->base.error);
    if (j->base.status < 0)
        return;
    time_to_text(until_ns, text);
    buffer_printf(&j->base.body, "{\"id\":%lld,\"lease_until\":\"%s\"}\n", (long long)body->id,
                  text);
}

void route_judge_renew(struct request *r)
{
    judge_start(r, BODY_ID | BODY_TOKEN | BODY_LEASE, BODY_ID | BODY_TOKEN, renew_answer);
}

static void fail_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    (void)arena;
    j->base.status =
        judge_fail(judge_of(j), j->project, body->id, body->token, body->reason, &j->base.error);
    say_state(j, body, "failed");
}

void route_judge_fail(struct request *r)
{
    judge_start(r, BODY_ID | BODY_TOKEN | BODY_REASON, BODY_ID | BODY_TOKEN | BODY_REASON,
                fail_answer);
}

static void release_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    (void)arena;
    j->base.status = judge_release(judge_of(j), j->project, body->id, body->token, &j->base.error);
    say_state(j, body, "released");
}

void route_judge_release(struct request *r)
{
    judge_start(r, BODY_ID | BODY_TOKEN, BODY_ID | BODY_TOKEN, release_answer);
}

/* ---- looking, trying again ---- */

static void state_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    (void)body;
    (void)arena;
    j->base.status = judge_status_write(judge_of(j), j->project, &j->base.body, &j->base.error);
}

void route_judge(struct request *r)
{
    judge_start(r, 0, 0, state_answer);
}

static void retry_answer(struct judge_job *j, const struct judge_body *body, struct arena *arena)
{
    int64_t count = 0;
    (void)body;
    (void)arena;
    j->base.status = judge_retry_poison(judge_of(j), j->project, &count, &j->base.error);
    if (j->base.status >= 0)
        buffer_printf(&j->base.body, "{\"retried\":%lld}\n", (long long)count);
}

void route_judge_retry(struct request *r)
{
    judge_start(r, 0, 0, retry_answer);
}
