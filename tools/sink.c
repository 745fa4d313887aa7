/*
 * sink.c - batches to the native client, and a ledger of what is on its way.
 */
#include "tools/sink.h"

#include <stdio.h>

#define STEP_NS       (100 * NS_PER_MS)
#define PATIENCE_NS   (60 * NS_PER_S) /* without a word from the server */
#define FIRST_TIMEOUT (5 * NS_PER_S)

struct sink_batch {
    struct sink_batch *next;
    uint64_t batch_seq;
    uint64_t rows;
    struct sink_origin origin;
};

void sink_begin(struct sink *s, const char *what, const char *unit, bool quiet)
{
    *s = (struct sink){.fraction = -1, .next_seq = 1};
    progress_begin(&s->progress, what, unit, quiet);
}

static void batch_pop(struct sink *s)
{
    struct sink_batch *b = s->first;
    s->first = b->next;
    if (s->first == NULL)
        s->last = NULL;
    mem_free(b);
}

static void on_ack(void *context, const struct wire_client_ack *ack)
{
    struct sink *s = context;
    s->moved_ns = clock_monotonic_ns();
    s->duplicates += ack->duplicates;
    while (s->first != NULL && s->first->batch_seq <= ack->batch_seq) {
        s->settled += s->first->rows;
        batch_pop(s);
    }
}

static void reject_report(struct sink *s, const struct sink_batch *b,
                          const struct wire_client_reject *r)
{
    progress_end(&s->progress);
    (void)fprintf(stderr, "driftline: ");
    if (b != NULL && b->origin.file[0] != 0)
        (void)fprintf(stderr, "%s:%llu-%llu: ", b->origin.file,
                      (unsigned long long)b->origin.line_first,
                      (unsigned long long)b->origin.line_last);
    (void)fprintf(stderr, "the server refused this batch of %llu: %.*s\n",
                  (unsigned long long)(b != NULL ? b->rows : 0), SLICE_ARG(r->text));
}

/* Rejections come in the order of the batches, each before an ack that passes it. */
static void on_reject(void *context, const struct wire_client_reject *reject)
{
    struct sink *s = context;
    s->moved_ns = clock_monotonic_ns();
    struct sink_batch **link = &s->first;
    while (*link != NULL && (*link)->batch_seq != reject->batch_seq)
        link = &(*link)->next;
    struct sink_batch *b = *link;
    reject_report(s, b, reject);
    if (b == NULL)
        return;
    s->rejected += b->rows;
    b->rows = 0; /* stays until an ack passes it, and counts for nothing */
}

enum status sink_connect(struct sink *s, const struct connect *connect, struct error *reterr)
{
    struct wire_client_options options = {
        .host = connect->native_host,
        .port = connect->native_port,
        .key = connect->key != NULL ? slice_text(connect->key) : SLICE_EMPTY,
        .project = slice_text(connect->project),
        .name = slice_text("driftline " DRIFTLINE_VERSION),
        .connect_timeout_ns = FIRST_TIMEOUT,
        .on_ack = on_ack,
        .on_reject = on_reject,
        .context = s,
    };
    enum status status = wire_client_open(&options, &s->client, reterr);
    if (status == STATUS_UNREACHABLE && reterr != NULL) {
        struct error cause = *reterr;
        (void)error_set(reterr, STATUS_UNREACHABLE,
                        "%.700s; start a server with `driftline serve --data DIR`, or name it with "
                        "--server and --native",
                        cause.text);
    }
    s->moved_ns = clock_monotonic_ns();
    return status;
}

static void show_progress(struct sink *s)
{
    double fraction = s->input != NULL ? input_fraction(s->input) : s->fraction;
    progress_update(&s->progress, s->client != NULL ? s->settled : s->rows, fraction);
}

static enum status patience_check(const struct sink *s, struct error *reterr)
{
    if (clock_monotonic_ns() - s->moved_ns < PATIENCE_NS)
        return STATUS_OK;
    return error_set(reterr, STATUS_UNREACHABLE,
                     "no answer from the server for %lld s; %llu spans were stored before",
                     PATIENCE_NS / NS_PER_S, (unsigned long long)sink_stored(s));
}

static void ledger_add(struct sink *s, uint64_t rows, const struct sink_origin *origin)
{
    struct sink_batch *b = MEM_NEW(struct sink_batch);
    b->rows = rows;
    b->batch_seq = s->next_seq;
    b->origin = *origin;
    if (s->last != NULL)
        s->last->next = b;
    else
        s->first = b;
    s->last = b;
}

/* The batch added last was not taken. */
static void ledger_take_back(struct sink *s)
{
    if (s->last == NULL)
        return;
    struct sink_batch **link = &s->first;
    struct sink_batch *before = NULL;
    while (*link != s->last) {
        before = *link;
        link = &before->next;
    }
    mem_free(s->last);
    *link = NULL;
    s->last = before;
}

static enum status batch_send(struct sink *s, const struct wire_input *in, struct error *reterr)
{
    for (;;) {
        uint64_t batch_seq = 0;
        enum status status = wire_client_send(s->client, in, STEP_NS, &batch_seq, reterr);
        if (batch_seq != 0) {
            if (s->last != NULL && s->last->batch_seq == s->next_seq)
                s->last->batch_seq = batch_seq;
            s->next_seq = batch_seq + 1;
            return status;
        }
        show_progress(s);
        if (status == STATUS_BUSY)
            status = patience_check(s, reterr);
        if (status < 0) {
            ledger_take_back(s);
            return status;
        }
    }
}

enum status sink_send(struct sink *s, const struct wire_input *in, const struct sink_origin *origin,
                      struct error *reterr)
{
    const struct batch *const tables[] = {in->spans, in->scores, in->tags};
    uint64_t rows = 0;
    for (size_t i = 0; i < 3 && rows == 0; i++)
        rows = tables[i] != NULL ? tables[i]->rows : 0;
    s->rows += rows;
    show_progress(s);
    if (s->tap != NULL)
        s->tap(s->tap_context, in);
    if (s->client == NULL)
        return STATUS_OK;
    if (s->first == NULL)
        s->moved_ns = clock_monotonic_ns();
    /* Before the client takes it: the answer may come from within the call. */
    ledger_add(s, rows, origin);
    return batch_send(s, in, reterr);
}

enum status sink_finish(struct sink *s, struct error *reterr)
{
    enum status status = STATUS_OK;
    while (s->client != NULL) {
        status = wire_client_flush(s->client, STEP_NS, reterr);
        if (status != STATUS_TIMEOUT)
            break;
        show_progress(s);
        if ((status = patience_check(s, reterr)) < 0)
            break;
    }
    progress_end(&s->progress);
    return status;
}

uint64_t sink_stored(const struct sink *s)
{
    return s->settled - s->duplicates;
}

void sink_end(struct sink *s)
{
    progress_end(&s->progress);
    wire_client_close(s->client);
    while (s->first != NULL)
        batch_pop(s);
    s->client = NULL;
}
