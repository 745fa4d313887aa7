/*
 * http_otlp.c - OTLP/HTTP: POST .../v1/traces, .../v1/logs, .../v1/metrics.
 *
 * Place:    evhttp -> [here] -> a writer thread (content_decode, ingest_otlp) -> answer once the commit is durable
 * Format:   OTLP 1.x over HTTP: protobuf and JSON, answered in the request's type; failures are google.rpc.Status
 * Retry:    429 and 503 with Retry-After ask the client to come again; everything else it must drop, so what may pass is never
 *           answered so. A body with any good span is 200, if need be with partial_success.
 * Bounds:   one body decodes to at most otlp_bytes_max; bodies under way together to inflight_bytes_max.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "server/codec/inflate.h"
#include "server/codec/rpc_code.h"
#include "server/http/http_request.h"

#define INFLIGHT_BYTES_MAX (256ull << 20)

struct otlp_job {
    struct http_job base;
    struct ingest_request request;
    struct ingest_result result;
    enum content_encoding encoding;
    uint64_t admitted_bytes; /* counted in http.inflight_bytes */
    uint64_t bytes_max;
};

/* ---- answers ---- */

static enum otlp_encoding encoding_of(struct evhttp_request *event)
{
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(event), "Content-Type");
    struct evbuffer *in = evhttp_request_get_input_buffer(event);
    uint8_t first;
    struct slice body = SLICE_EMPTY;
    if (evbuffer_copyout(in, &first, 1) == 1)
        body = slice_of(&first, 1);
    return otlp_encoding_of(type, body);
}

/* Who you are is not known (401), or it is and does not suffice (403). */
static enum rpc_code code_of(const struct error *error)
{
    bool unknown = error->status == STATUS_DENIED && strstr(error->text, "key is") != NULL;
    return unknown ? RPC_UNAUTHENTICATED : rpc_code_of(error->status);
}

static int http_code_of(enum rpc_code code, enum status status)
{
    switch (code) {
    case RPC_INVALID_ARGUMENT:
        return 400;
    case RPC_UNAUTHENTICATED:
        return 401;
    case RPC_PERMISSION_DENIED:
        return 403;
    case RPC_RESOURCE_EXHAUSTED:
        return 413;
    case RPC_UNIMPLEMENTED:
        return 415;
    case RPC_UNAVAILABLE:
        return status == STATUS_BUSY ? 429 : 503;
    case RPC_INTERNAL:
        break;
    }
    return 500;
}

static void fail(struct evhttp_request *event, const struct error *error)
{
    enum rpc_code rpc = code_of(error);
    int code = http_code_of(rpc, error->status);
    enum otlp_encoding encoding = encoding_of(event);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(event);
    struct buffer body = {0};
    otlp_write_error(encoding, rpc, slice_text(error->text), &body);
    if (code == 401)
        (void)evhttp_add_header(headers, "WWW-Authenticate", "Bearer realm=\"driftline\"");
    if (code == 429 || code == 503)
        (void)evhttp_add_header(headers, "Retry-After", "1");
    reply_text(event, code, otlp_content_type(encoding), &body);
    buffer_deinit(&body);
}

void otlp_fail(struct request *r, const struct error *error)
{
    fail(r->event, error);
}

static void otlp_reply(struct http_job *base)
{
    struct otlp_job *j = (struct otlp_job *)base;
    if (base->status < 0) {
        fail(base->event, &base->error);
        return;
    }
    struct buffer body = {0};
    otlp_write_success(j->request.encoding, j->request.signal, j->result.rejected,
                       slice_text(j->result.message), &body);
    reply_text(base->event, HTTP_OK, otlp_content_type(j->request.encoding), &body);
    buffer_deinit(&body);
}

/* ---- work ---- */

/* The body in one piece; evhttp's copy is given back as it goes, so that the peak is one body and a little. */
static void body_take(struct evhttp_request *event, struct buffer *to)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(event);
    size_t size = evbuffer_get_length(in);
    uint8_t *at = buffer_reserve(to, size);
    while (size > 0) {
        int taken = evbuffer_remove(in, at, size);
        ASSERT(taken > 0);
        at += taken;
        size -= (size_t)taken;
        to->size += (size_t)taken;
    }
}

static void otlp_run(struct http_job *base)
{
    struct otlp_job *j = (struct otlp_job *)base;
    struct buffer received = {0};
    struct buffer decoded = {0};
    enum status s = STATUS_OK;
    body_take(base->event, &received);
    j->request.body = buffer_slice(&received);
    if (j->encoding != ENCODING_IDENTITY) {
        s = content_decode(j->encoding, buffer_slice(&received), j->bytes_max, &decoded,
                           &base->error);
        buffer_deinit(&received);
        j->request.body = buffer_slice(&decoded);
    } else if (received.size > j->bytes_max) {
        s = error_set(&base->error, STATUS_LIMIT, "a body of %zu bytes; at most %llu are taken",
                      received.size, (unsigned long long)j->bytes_max);
    }
    if (s >= 0)
        s = ingest_otlp(base->http->options.ingest, &j->request, &j->result, &base->error);
    base->status = s;
    base->ticket = s >= 0 ? j->result.ticket : 0;
    buffer_deinit(&received);
    buffer_deinit(&decoded);
}

static void otlp_destroy(struct http_job *base)
{
    struct otlp_job *j = (struct otlp_job *)base;
    base->http->inflight_bytes -= j->admitted_bytes;
    mem_free(j);
}

/* ---- which project ---- */

/* Headers by which SDKs of other products name a project; the value may be "project_name:NAME". */
static const char *const project_headers[] = {
    "x-driftline-project", "X-Latitude-Project", "x-bt-parent",
    "Langsmith-Project",   "x-project-name",     "x-langwatch-project",
};

/* "Support Bot" -> "support-bot": what a project may be called. False: nothing is left. */
static bool project_name(struct slice text, char to[PROJECT_NAME_MAX + 1])
{
    size_t size = 0;
    const uint8_t *colon = memchr(text.data, ':', text.size);
    if (colon != NULL)
        text = slice_of(colon + 1, text.size - (size_t)(colon + 1 - text.data));
    for (size_t i = 0; i < text.size && size < PROJECT_NAME_MAX; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (plain || size > 0)
            to[size++] = (char)(plain ? c : '-');
    }
    while (size > 0 && to[size - 1] == '-')
        size--;
    to[size] = 0;
    return size > 0;
}

/* The parameter decides and may be refused; a vendor's header is a wish that counts where the key allows it. */
static enum status project_of(struct request *r, uint32_t *ret, struct error *reterr)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(r->event);
    const char *own = strcmp(r->principal.project, "*") == 0 ? "default" : r->principal.project;
    const char *asked = request_parameter(r, "project");
    char name[PROJECT_NAME_MAX + 1];
    enum status s;
    if (asked != NULL && asked[0] != 0) {
        if ((s = auth_allow(&r->principal, r->scope, slice_text(asked), reterr)) < 0)
            return s;
        own = asked;
    }
    for (size_t i = 0; asked == NULL && i < sizeof project_headers / sizeof project_headers[0];
         i++) {
        const char *value = evhttp_find_header(headers, project_headers[i]);
        if (value == NULL || !project_name(slice_text(value), name) ||
            auth_allow(&r->principal, r->scope, slice_text(name), NULL) < 0)
            continue;
        own = name;
        break;
    }
    return engine_project(r->http->options.engine, slice_text(own), true, ret, reterr);
}

/* ---- routes ---- */

static enum status admit(struct request *r, size_t bytes, struct error *reterr)
{
    const struct http *h = r->http;
    uint64_t most =
        h->options.inflight_bytes_max != 0 ? h->options.inflight_bytes_max : INFLIGHT_BYTES_MAX;
    if (h->draining)
        return error_set(reterr, STATUS_CANCELLED, "the server is shutting down");
    if (h->inflight_bytes != 0 && h->inflight_bytes + bytes > most)
        return error_set(reterr, STATUS_BUSY, "%llu bytes of requests are being worked on",
                         (unsigned long long)h->inflight_bytes);
    return STATUS_OK;
}

static enum status job_prepare(struct request *r, enum otlp_signal signal, struct otlp_job *j,
                               struct error *reterr)
{
    const char *name =
        evhttp_find_header(evhttp_request_get_input_headers(r->event), "Content-Encoding");
    size_t bytes = evbuffer_get_length(evhttp_request_get_input_buffer(r->event));
    enum status s;
    j->request.signal = signal;
    j->request.encoding = encoding_of(r->event);
    j->bytes_max = r->http->options.otlp_bytes_max != 0 ? r->http->options.otlp_bytes_max
                                                        : OTLP_BODY_BYTES_MAX;
    if (!content_encoding_from_name(name, &j->encoding))
        return error_set(reterr, STATUS_UNAVAILABLE,
                         "Content-Encoding %s is not known; gzip, zstd, deflate and identity are",
                         name);
    if ((s = project_of(r, &j->request.project, reterr)) < 0)
        return s;
    if ((s = admit(r, bytes, reterr)) < 0)
        return s;
    j->admitted_bytes = bytes;
    return STATUS_OK;
}

static void otlp_start(struct request *r, enum otlp_signal signal)
{
    struct error error = {0};
    struct otlp_job *j = MEM_NEW(struct otlp_job);
    j->base.run = otlp_run;
    j->base.reply = otlp_reply;
    j->base.destroy = otlp_destroy;
    if (job_prepare(r, signal, j, &error) < 0) {
        otlp_fail(r, &error);
        mem_free(j);
        return;
    }
    r->http->inflight_bytes += j->admitted_bytes;
    http_job_start(r, r->http->options.writers, &j->base);
}

void route_otlp_traces(struct request *r)
{
    otlp_start(r, OTLP_TRACES);
}

void route_otlp_logs(struct request *r)
{
    otlp_start(r, OTLP_LOGS);
}

void route_otlp_metrics(struct request *r)
{
    enum otlp_encoding encoding = encoding_of(r->event);
    struct buffer body = {0};
    otlp_write_success(encoding, OTLP_TRACES, 0, SLICE_EMPTY, &body);
    reply_text(r->event, HTTP_OK, otlp_content_type(encoding), &body);
    buffer_deinit(&body);
}

/* What SDKs look for: LangSmith reads version and batch limits, Langfuse status and version. */
void route_info(struct request *r)
{
    struct buffer body = {0};
    buffer_printf(
        &body,
        "{\"status\":\"OK\",\"product\":\"driftline\",\"version\":\"%s\",\"batch_ingest_config\":"
        "{\"use_multipart_endpoint\":false,\"size_limit\":100,\"size_limit_bytes\":20971520},"
        "\"instance_flags\":{}}\n",
        DRIFTLINE_VERSION);
    reply_json(r->event, HTTP_OK, &body);
    buffer_deinit(&body);
}
