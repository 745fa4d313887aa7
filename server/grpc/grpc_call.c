/*
 * grpc_call.c - one call: its metadata is judged before its message is kept, its message read by a worker, its answer sent
 * when what it brought is durable.
 *
 * Format:  metadata as HTTP/2 headers; the message behind 1 byte (compressed?) and 4 bytes of length, big-endian.
 * Bounds:  a message may be as long as message_bytes_max both as it comes and decoded; memory grows with what has arrived, not with
 *          what was announced. All messages under way share inflight_bytes_max; one alone is always taken.
 */
#include <strings.h>

#include "engine/base/check.h"
#include "server/grpc/grpc_internal.h"

#define PREFIX_BYTES 5u

struct grpc_call *grpc_call_create(struct grpc_connection *c, int32_t stream)
{
    struct grpc_call *call = MEM_NEW(struct grpc_call);
    call->grpc = c->grpc;
    call->connection = c;
    call->stream = stream;
    call->is_encoding_known = true;
    call->next = c->calls;
    if (c->calls != NULL)
        c->calls->previous = call;
    c->calls = call;
    return call;
}

static void call_message_drop(struct grpc_call *call)
{
    buffer_deinit(&call->body);
    call->grpc->inflight_bytes -= call->admitted_bytes;
    call->admitted_bytes = 0;
}

static void call_free(struct grpc_call *call)
{
    call_message_drop(call);
    buffer_deinit(&call->answer);
    mem_free(call->refusal_text);
    mem_free(call);
}

void grpc_call_leave(struct grpc_call *call)
{
    struct grpc_connection *c = call->connection;
    ASSERT(c != NULL);
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        c->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    call->connection = NULL;
    if (!grpc_call_is_working(call))
        call_free(call);
}

/* ---- metadata ---- */

static const struct {
    const char *path;
    enum grpc_method method;
} methods[] = {
    {"/opentelemetry.proto.collector.trace.v1.TraceService/Export", GRPC_TRACES},
    {"/opentelemetry.proto.collector.logs.v1.LogsService/Export", GRPC_LOGS},
    {"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", GRPC_METRICS},
};

static bool text_begins(struct slice text, const char *start)
{
    size_t size = strlen(start);
    return text.size >= size && memcmp(text.data, start, size) == 0;
}

/* A copy with a NUL; false when it is too long. */
static bool text_keep(struct slice text, char *to, size_t size)
{
    if (text.size >= size)
        return false;
    memcpy(to, text.data, text.size);
    to[text.size] = 0;
    return true;
}

static void key_keep(struct grpc_call *call, int rank, struct slice value)
{
    char buffer[KEY_HEADER_BYTES_MAX];
    if (rank > call->key_rank &&
        text_keep(key_header_read(value, buffer), call->key, sizeof call->key))
        call->key_rank = rank;
}

void grpc_call_metadata(struct grpc_call *call, struct slice name, struct slice value)
{
    char encoding[32];
    int rank = key_header_rank(name);
    if (rank > 0) {
        key_keep(call, rank, value);
    } else if (slice_is(name, ":method")) {
        call->is_post = slice_is(value, "POST");
    } else if (slice_is(name, ":path")) {
        for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
            if (slice_is(value, methods[i].path))
                call->method = methods[i].method;
        }
    } else if (slice_is(name, "content-type")) {
        call->is_grpc = slice_is(value, "application/grpc") ||
                        text_begins(value, "application/grpc+proto") ||
                        text_begins(value, "application/grpc;");
    } else if (slice_is(name, "grpc-encoding")) {
        call->is_encoding_known = text_keep(value, encoding, sizeof encoding) &&
                                  content_encoding_from_name(encoding, &call->encoding);
    } else if (slice_is(name, "x-driftline-project")) {
        call->has_project = true;
        if (!text_keep(value, call->project_name, sizeof call->project_name))
            call->project_name[0] = 0; /* no project has this name */
    }
}

/* Clients that get the answer while they still send may lose it, or wait for ever for leave to send on. */
static void call_refuse(struct grpc_call *call, enum rpc_code code, const char *message)
{
    call_message_drop(call);
    call->grpc->stats.refused++;
    if (call->has_ended) {
        grpc_session_refuse(call, code, message);
        return;
    }
    call->state = CALL_REFUSED;
    call->refusal = code;
    call->refusal_text = mem_strdup(message);
}

void grpc_call_tell(struct grpc_call *call)
{
    ASSERT(call->state == CALL_REFUSED);
    grpc_session_refuse(call, call->refusal, call->refusal_text);
}

/* The key, and the project it may write to. */
static bool call_authenticate(struct grpc_call *call)
{
    const struct grpc_options *o = &call->grpc->options;
    struct principal principal;
    struct error error = {0};
    if (auth_check(o->auth, slice_text(call->key), &principal, &error) < 0) {
        call_refuse(call, RPC_UNAUTHENTICATED, error.text);
        return false;
    }
    const char *project = strcmp(principal.project, "*") == 0 ? "default" : principal.project;
    if (call->has_project)
        project = call->project_name;
    if (auth_allow(&principal, SCOPE_INGEST, slice_text(project), &error) < 0 ||
        engine_project(o->engine, slice_text(project), true, &call->project, &error) < 0) {
        call_refuse(call, rpc_code_of(error.status), error.text);
        return false;
    }
    return true;
}

void grpc_call_begin(struct grpc_call *call)
{
    const struct grpc *g = call->grpc;
    if (g->is_draining)
        call_refuse(call, RPC_UNAVAILABLE, "the server is shutting down");
    else if (!call->is_post || !call->is_grpc)
        call_refuse(call, RPC_INTERNAL,
                    "this is the gRPC port: POST with content-type application/grpc");
    else if (call->method == GRPC_METHOD_UNKNOWN)
        call_refuse(call, RPC_UNIMPLEMENTED,
                    "only Export of TraceService, LogsService and MetricsService is served");
    else if (!call->is_encoding_known)
        call_refuse(call, RPC_UNIMPLEMENTED,
                    "grpc-encoding: identity, gzip, deflate and zstd are known");
    else
        (void)call_authenticate(call);
}

/* ---- the message ---- */

/* As announced; 0 while its prefix has not arrived. */
static uint64_t message_bytes(const struct grpc_call *call)
{
    const uint8_t *at = call->body.data;
    if (call->body.size < PREFIX_BYTES)
        return 0;
    return (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
}

/* False: refused. */
static bool call_admit(struct grpc_call *call, size_t more)
{
    struct grpc *g = call->grpc;
    bool alone = g->inflight_bytes == call->admitted_bytes;
    if (!alone && g->inflight_bytes + more > g->options.inflight_bytes_max) {
        call_refuse(call, RPC_UNAVAILABLE, "too many bytes of messages are being worked on");
        return false;
    }
    g->inflight_bytes += more;
    call->admitted_bytes += more;
    return true;
}

void grpc_call_data(struct grpc_call *call, struct slice bytes)
{
    struct error error;
    uint64_t most = call->grpc->options.message_bytes_max;
    if (call->state != CALL_RECEIVING || call->method == GRPC_METRICS ||
        !call_admit(call, bytes.size))
        return; /* refused already, or nothing to keep */
    buffer_add_slice(&call->body, bytes);
    call->grpc->stats.bytes += bytes.size;
    if (message_bytes(call) > most) {
        (void)error_set(&error, STATUS_LIMIT, "a message of %llu bytes; at most %llu are taken",
                        (unsigned long long)message_bytes(call), (unsigned long long)most);
        call_refuse(call, RPC_RESOURCE_EXHAUSTED, error.text);
    } else if (call->body.size >= PREFIX_BYTES &&
               call->body.size - PREFIX_BYTES > message_bytes(call)) {
        call_refuse(call, RPC_INVALID_ARGUMENT, "more than one message in a unary call");
    }
}

/* On a worker. */
static enum status message_read(struct grpc_call *call, struct buffer *decoded,
                                struct error *reterr)
{
    struct slice message = slice_of(call->body.data + PREFIX_BYTES, call->body.size - PREFIX_BYTES);
    struct ingest_request request = {.project = call->project,
                                     .signal = call->method == GRPC_LOGS ? OTLP_LOGS : OTLP_TRACES,
                                     .encoding = OTLP_PROTOBUF,
                                     .body = message};
    enum status s;
    if (call->body.data[0] != 0) {
        if ((s = content_decode(call->encoding, message, call->grpc->options.message_bytes_max,
                                decoded, reterr)) < 0)
            return s;
        buffer_deinit(&call->body);
        request.body = buffer_slice(decoded);
    }
    return ingest_otlp(call->grpc->options.ingest, &request, &call->result, reterr);
}

static void call_run(struct net_job *job)
{
    struct grpc_call *call = (struct grpc_call *)job;
    struct buffer decoded = {0};
    call->status = message_read(call, &decoded, &call->error);
    buffer_deinit(&decoded);
}

static void call_settle(struct grpc_call *call)
{
    struct grpc_connection *c = call->connection;
    ASSERT(call->grpc->requests > 0);
    call->grpc->requests--;
    call->state = CALL_ANSWERED;
    if (c == NULL) {
        call_free(call);
        return;
    }
    if (call->status < 0) {
        call_refuse(call, rpc_code_of(call->error.status), call->error.text);
    } else {
        otlp_write_success(OTLP_PROTOBUF, OTLP_TRACES, call->result.rejected,
                           slice_text(call->result.message), &call->answer);
        grpc_session_answer(call);
    }
    grpc_connection_flush(c);
}

static void call_done(struct net_job *job)
{
    struct grpc_call *call = (struct grpc_call *)job;
    struct grpc *g = call->grpc;
    if (job->run == NULL)
        call->status = error_set(&call->error, STATUS_CANCELLED, "the server is shutting down");
    call_message_drop(call);
    if (call->status < 0 || call->result.ticket <= g->durable) {
        call_settle(call);
        return;
    }
    call->state = CALL_WAITING;
    call->next_waiting = g->waiting;
    g->waiting = call;
    g->options.appended(g->options.context);
}

void grpc_pump(struct grpc *g, uint64_t durable)
{
    if (g == NULL || durable <= g->durable)
        return;
    g->durable = durable;
    struct grpc_call *waiting = g->waiting;
    g->waiting = NULL;
    while (waiting != NULL) {
        struct grpc_call *call = waiting;
        waiting = call->next_waiting;
        if (call->result.ticket <= durable) {
            call_settle(call);
        } else {
            call->next_waiting = g->waiting;
            g->waiting = call;
        }
    }
}

bool grpc_call_is_working(const struct grpc_call *call)
{
    return call->state == CALL_WORKING || call->state == CALL_WAITING;
}

void grpc_calls_abandon(struct grpc *g)
{
    while (g->waiting != NULL) {
        struct grpc_call *call = g->waiting;
        g->waiting = call->next_waiting;
        ASSERT(call->connection == NULL);
        call_settle(call);
    }
}

void grpc_call_end(struct grpc_call *call)
{
    struct grpc *g = call->grpc;
    call->has_ended = true;
    if (call->state == CALL_REFUSED)
        grpc_call_tell(call);
    if (call->state != CALL_RECEIVING)
        return;
    if (call->method == GRPC_METRICS) {
        call->state = CALL_ANSWERED;
        grpc_session_answer(call); /* taken and dropped: SDKs send metrics unasked */
        return;
    }
    if (call->body.size < PREFIX_BYTES || call->body.size - PREFIX_BYTES != message_bytes(call)) {
        call_refuse(call, RPC_INVALID_ARGUMENT, "the message is cut short");
        return;
    }
    if (call->body.data[0] > 1 ||
        (call->body.data[0] == 1 && call->encoding == ENCODING_IDENTITY)) {
        call_refuse(call, RPC_INTERNAL, "a compressed message without grpc-encoding");
        return;
    }
    call->job.run = call_run;
    call->job.done = call_done;
    struct error error = {0};
    if (net_pool_submit(g->options.writers, &call->job, &error) < 0) {
        call_refuse(call, RPC_UNAVAILABLE, error.text);
        return;
    }
    call->state = CALL_WORKING;
    g->requests++;
    g->stats.calls++;
}
