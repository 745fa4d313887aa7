/*
 * alert_notifier.c - the notifier thread: outbox to transfers and back.
 *
 * Clock:     due times are wall clock and stored; waiting is done by curl_multi_poll, woken when something is new.
 */
#include "server/alert/alert_notifier.h"

#include <stdio.h>

#include "engine/base/check.h"
#include "engine/base/thread.h"
#include "server/alert/alert_retry.h"
#include "server/alert/alert_transfer.h"

#define STOP_GRACE_NS   (2 * NS_PER_S)
#define IDLE_MS         60000
#define TRIM_EVERY_NS   (10 * 60 * NS_PER_S)
#define TROUBLE_WAIT_NS NS_PER_S /* after the control file could not be read or written */

struct alert_sender {
    struct alert_sender_options options;
    CURLM *multi;
    struct thread thread;
    atomic_bool stop;
    atomic_bool woken;
    /* The notifier thread's own from here. */
    struct transfer transfers[ALERT_TRANSFERS_MAX];
    uint32_t active;
    int64_t next_look_ns; /* wall clock; INT64_MAX: when woken */
    int64_t trimmed_ns;   /* monotonic */
    struct rng rng;
};

static void say(const struct alert_sender *s, const char *level, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void say(const struct alert_sender *s, const char *level, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    if (s->options.log == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->options.log(s->options.log_context, level, text);
}

/* The outbox could not be read or written: say so and look again a little later. */
static void trouble(struct alert_sender *s, const struct error *error)
{
    say(s, "error", "outbox: %s", error->text);
    s->next_look_ns = clock_wall_ns() + TROUBLE_WAIT_NS;
}

/* ---- starting ---- */

static bool is_active(const struct alert_sender *s, int64_t id)
{
    for (uint32_t i = 0; i < ALERT_TRANSFERS_MAX; i++) {
        if (s->transfers[i].easy != NULL && s->transfers[i].id == id)
            return true;
    }
    return false;
}

static uint32_t active_of(const struct alert_sender *s, struct slice notifier)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ALERT_TRANSFERS_MAX; i++)
        count += s->transfers[i].easy != NULL && slice_is(notifier, s->transfers[i].notifier);
    return count;
}

static struct transfer *free_slot(struct alert_sender *s)
{
    for (uint32_t i = 0; i < ALERT_TRANSFERS_MAX; i++) {
        if (s->transfers[i].easy == NULL)
            return &s->transfers[i];
    }
    return NULL;
}

/* Notifications copied out of the outbox: its statement holds a lock while it runs. */
struct due_list {
    struct alert_sender *sender;
    struct arena arena;
    struct slice notifiers[ALERT_NOTIFIERS_MAX];
    uint32_t notifier_count;
    struct notification due[2 * ALERT_TRANSFERS_PER_HOOK];
    uint32_t due_count;
};

static void note_notifier(void *context, struct slice name)
{
    struct due_list *l = context;
    if (l->notifier_count < ALERT_NOTIFIERS_MAX)
        l->notifiers[l->notifier_count++] = arena_copy(&l->arena, name);
}

static void note_due(void *context, const struct notification *n)
{
    struct due_list *l = context;
    if (l->due_count == sizeof l->due / sizeof *l->due || is_active(l->sender, n->id))
        return;
    struct notification *to = &l->due[l->due_count++];
    *to = *n;
    to->notifier = arena_copy(&l->arena, n->notifier);
    to->key = arena_copy(&l->arena, n->key);
    to->body = arena_copy(&l->arena, n->body);
}

struct begin {
    struct transfer *slot;
    const struct notification *notification;
    int64_t now_ns;
    enum status status;
    struct error error;
};

static void begin_visit(void *context, const struct alert_notifier *to)
{
    struct begin *b = context;
    b->status = transfer_begin(b->slot, b->notification, to, b->now_ns, &b->error);
}

/* What can't even be sent. */
static enum status give_up(struct alert_sender *s, int64_t id, const char *notifier,
                           const char *why, struct error *reterr)
{
    const struct outcome o = {.id = id, .kind = OUTCOME_FAILED, .no_try = true, .why = why};
    say(s, "error", "notifier '%s': notification %lld given up: %s", notifier, (long long)id, why);
    return alert_outbox_settle(s->options.control, &o, 1, clock_wall_ns(), reterr);
}

static enum status begin_one(struct alert_sender *s, const struct notification *n, int64_t now_ns,
                             struct error *reterr)
{
    struct begin b = {.slot = free_slot(s), .notification = n, .now_ns = now_ns};
    if (b.slot == NULL)
        return STATUS_OK;
    char name[ALERT_NAME_TEXT_BYTES];
    (void)snprintf(name, sizeof name, "%.*s", SLICE_ARG(n->notifier));
    if (!s->options.find(s->options.context, n->notifier, begin_visit, &b))
        return give_up(s, n->id, name, "there is no such notifier any more", reterr);
    if (b.status < 0)
        return give_up(s, n->id, name, b.error.text, reterr);
    if (curl_multi_add_handle(s->multi, b.slot->easy) != CURLM_OK) {
        transfer_end(b.slot);
        return error_set(reterr, STATUS_UNAVAILABLE, "curl takes no more transfers");
    }
    s->active++;
    return STATUS_OK;
}

static void look(struct alert_sender *s)
{
    struct error error = {0};
    struct due_list list = {.sender = s};
    int64_t now_ns = clock_wall_ns();
    int64_t next_ns;
    enum status status =
        alert_outbox_notifiers(s->options.control, now_ns, note_notifier, &list, &next_ns, &error);
    if (status >= 0)
        s->next_look_ns = next_ns;
    for (uint32_t i = 0; i < list.notifier_count && status >= 0; i++) {
        uint32_t active = active_of(s, list.notifiers[i]);
        if (active >= ALERT_TRANSFERS_PER_HOOK || s->active == ALERT_TRANSFERS_MAX)
            continue;
        list.due_count = 0;
        /* Those under way are due as well: twice as many as may run, then, find all that can start. */
        status = alert_outbox_due(s->options.control, list.notifiers[i], now_ns,
                                  2 * ALERT_TRANSFERS_PER_HOOK, note_due, &list, &error);
        for (uint32_t k = 0;
             k < list.due_count && status >= 0 && active + k < ALERT_TRANSFERS_PER_HOOK; k++)
            status = begin_one(s, &list.due[k], now_ns, &error);
    }
    if (status < 0)
        trouble(s, &error);
    arena_deinit(&list.arena);
}

/* ---- finishing ---- */

struct finished {
    struct outcome outcome;
    char why[TRANSFER_WHY_BYTES + 32];
};

static void finish_retry(struct alert_sender *s, const struct transfer *t,
                         const struct transfer_result *r, struct finished *f)
{
    if (t->attempt > t->retries) {
        f->outcome.kind = OUTCOME_FAILED;
        (void)snprintf(f->why, sizeof f->why, "%s (after %u tries)", r->why, t->attempt);
        return;
    }
    f->outcome.kind = OUTCOME_RETRY;
    f->outcome.next_ns = clock_wall_ns() + retry_delay_ns(t->attempt, r->retry_after_ns, &s->rng);
}

static void finish_say(const struct alert_sender *s, const struct transfer *t,
                       const struct finished *f)
{
    switch (f->outcome.kind) {
    case OUTCOME_SENT:
        if (t->attempt > 1)
            say(s, "info", "notifier '%s': notification %lld delivered at try %u", t->notifier,
                (long long)t->id, t->attempt);
        return;
    case OUTCOME_RETRY:
        if (t->attempt == 1)
            say(s, "warn", "notifier '%s': notification %lld will be tried again: %s", t->notifier,
                (long long)t->id, f->why);
        return;
    case OUTCOME_FAILED:
        say(s, "error", "notifier '%s': notification %lld given up: %s", t->notifier,
            (long long)t->id, f->why);
        return;
    }
}

static void finish(struct alert_sender *s, struct transfer *t, CURLcode code, struct finished *f)
{
    struct transfer_result result;
    transfer_judge(t, code, &result);
    *f = (struct finished){.outcome = {.id = t->id, .http_status = result.http_status}};
    (void)snprintf(f->why, sizeof f->why, "%s", result.why);
    switch (result.verdict) {
    case TRANSFER_SENT:
        f->outcome.kind = OUTCOME_SENT;
        break;
    case TRANSFER_RETRY:
        finish_retry(s, t, &result, f);
        break;
    case TRANSFER_GIVE_UP:
        f->outcome.kind = OUTCOME_FAILED;
        break;
    }
    finish_say(s, t, f);
    (void)curl_multi_remove_handle(s->multi, t->easy);
    transfer_end(t);
    s->active--;
}

/* All that ended since the last time is noted in one transaction. */
static void collect(struct alert_sender *s)
{
    struct finished finished[ALERT_TRANSFERS_MAX];
    struct outcome outcomes[ALERT_TRANSFERS_MAX];
    struct error error = {0};
    uint32_t count = 0;
    CURLMsg *message;
    int left;
    while (count < ALERT_TRANSFERS_MAX &&
           (message = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        ASSERT(t != NULL);
        finish(s, t, code, &finished[count]);
        outcomes[count] = finished[count].outcome;
        outcomes[count].why = finished[count].why;
        count++;
    }
    if (count == 0)
        return;
    s->next_look_ns = 0;
    if (alert_outbox_settle(s->options.control, outcomes, count, clock_wall_ns(), &error) < 0)
        trouble(s, &error);
}

/* ---- the thread ---- */

static int wait_ms(const struct alert_sender *s)
{
    int64_t wait_ns = s->next_look_ns == INT64_MAX ? INT64_MAX : s->next_look_ns - clock_wall_ns();
    if (wait_ns <= 0)
        return 0;
    return wait_ns > IDLE_MS * NS_PER_MS ? IDLE_MS : (int)(wait_ns / NS_PER_MS) + 1;
}

static void trim(struct alert_sender *s)
{
    struct error error = {0};
    int64_t now_ns = clock_monotonic_ns();
    if (s->trimmed_ns != 0 && now_ns - s->trimmed_ns < TRIM_EVERY_NS)
        return;
    s->trimmed_ns = now_ns;
    if (alert_store_trim(s->options.control, &error) < 0)
        trouble(s, &error);
}

static void sender_run(void *context)
{
    struct alert_sender *s = context;
    int running;
    trim(s);
    while (!atomic_load(&s->stop)) {
        if (atomic_exchange(&s->woken, false) || clock_wall_ns() >= s->next_look_ns) {
            look(s);
            trim(s);
        }
        (void)curl_multi_perform(s->multi, &running);
        collect(s);
        int ms = wait_ms(s);
        if (ms > 0 && !atomic_load(&s->woken))
            (void)curl_multi_poll(s->multi, NULL, 0, ms, NULL);
    }
    int64_t until_ns = clock_monotonic_ns() + STOP_GRACE_NS;
    while (s->active > 0 && clock_monotonic_ns() < until_ns) {
        (void)curl_multi_poll(s->multi, NULL, 0, 50, NULL);
        (void)curl_multi_perform(s->multi, &running);
        collect(s);
    }
    for (uint32_t i = 0; i < ALERT_TRANSFERS_MAX; i++) {
        if (s->transfers[i].easy == NULL)
            continue;
        (void)curl_multi_remove_handle(s->multi, s->transfers[i].easy);
        transfer_end(&s->transfers[i]);
    }
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_started;
static void curl_start(void)
{
    curl_started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum status alert_sender_start(const struct alert_sender_options *options,
                               struct alert_sender **ret, struct error *reterr)
{
    ASSERT(pthread_once(&curl_once, curl_start) == 0);
    if (curl_started != CURLE_OK)
        return error_set(reterr, STATUS_UNAVAILABLE, "curl: %s", curl_easy_strerror(curl_started));
    struct alert_sender *s = MEM_NEW(struct alert_sender);
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    rng_init(&s->rng, seed);
    s->options = *options;
    s->multi = curl_multi_init();
    if (s->multi == NULL) {
        mem_free(s);
        return error_set(reterr, STATUS_UNAVAILABLE, "curl can't start");
    }
    thread_start(&s->thread, "alert-notify", sender_run, s);
    *ret = s;
    return STATUS_OK;
}

void alert_sender_stop(struct alert_sender *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    (void)curl_multi_wakeup(s->multi);
    thread_join(&s->thread);
    (void)curl_multi_cleanup(s->multi);
    mem_free(s);
}

void alert_sender_wake(struct alert_sender *s)
{
    if (!atomic_exchange(&s->woken, true))
        (void)curl_multi_wakeup(s->multi);
}
