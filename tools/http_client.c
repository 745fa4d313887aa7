/*
 * http_client.c - one request to the server's HTTP port, through libcurl.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/json.h"
#include "tools/connect.h"

#define ERROR_BODY_MAX (1u << 20)

struct answer {
    CURL *curl;
    const struct http_request *request;
    struct buffer *body;
    struct buffer error_body;
    bool stopped;
};

static size_t on_bytes(char *data, size_t size, size_t count, void *context)
{
    struct answer *a = context;
    size_t bytes = size * count;
    long code = 0;
    (void)curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 400) {
        if (a->error_body.size + bytes <= ERROR_BODY_MAX)
            buffer_add(&a->error_body, data, bytes);
        return bytes;
    }
    if (a->request->chunk == NULL) {
        buffer_add(a->body, data, bytes);
        return bytes;
    }
    if (a->request->chunk(a->request->context, slice_of(data, bytes)))
        return bytes;
    a->stopped = true;
    return 0;
}

static enum status status_from_name(struct slice name, enum status otherwise)
{
#define STATUS(value, symbol, sentence)                                                            \
    if (slice_is(name, #symbol))                                                                   \
        return STATUS_##symbol;
#include "engine/base/status.def"
#undef STATUS
    return otherwise;
}

static enum status status_from_code(long code)
{
    switch (code) {
    case 401:
    case 403:
        return STATUS_DENIED;
    case 404:
        return STATUS_NOT_FOUND;
    case 413:
        return STATUS_LIMIT;
    case 429:
    case 503:
        return STATUS_BUSY;
    case 408:
    case 504:
        return STATUS_TIMEOUT;
    default:
        return code >= 500 ? STATUS_IO : STATUS_INVALID;
    }
}

/* {"error":{"status":"INVALID","message":"...","position":7,"caret":"..."}} */
static enum status answer_error(const struct answer *a, long code, struct buffer *ret_caret,
                                struct error *reterr)
{
    enum status status = status_from_code(code);
    struct arena arena = {0};
    struct json j = json_over(buffer_slice(&a->error_body));
    struct slice message = SLICE_EMPTY;
    struct slice key = SLICE_EMPTY;
    int64_t position = -1;
    for (enum json_token t = json_next(&j); t > JSON_END; t = json_next(&j)) {
        if (t == JSON_KEY) {
            key = json_string(&j, &arena);
        } else if (t == JSON_STRING) {
            struct slice value = json_string(&j, &arena);
            if (slice_is(key, "message"))
                message = value;
            else if (slice_is(key, "status"))
                status = status_from_name(value, status);
            else if (slice_is(key, "caret") && ret_caret != NULL)
                buffer_add_slice(ret_caret, value);
        } else if (t == JSON_NUMBER && slice_is(key, "position")) {
            IGNORE_STATUS(json_int(&j, &position) ? STATUS_OK : STATUS_INVALID);
        }
    }
    if (message.size != 0)
        (void)error_set_at(reterr, status, position, "%.*s", SLICE_ARG(message));
    else
        (void)error_set(reterr, status, "the server answered %ld", code);
    arena_deinit(&arena);
    return status;
}

static struct curl_slist *headers_make(const struct connect *c, const struct http_request *request)
{
    char line[512];
    struct curl_slist *headers = NULL;
    (void)snprintf(line, sizeof line, "Content-Type: %s",
                   request->content_type != NULL ? request->content_type : "text/plain");
    headers = curl_slist_append(headers, line);
    headers = curl_slist_append(headers, "Expect:");
    if (c->key != NULL) {
        (void)snprintf(line, sizeof line, "Authorization: Bearer %s", c->key);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

enum status http_call(const struct connect *c, const struct http_request *request,
                      struct buffer *ret_body, struct buffer *ret_caret, struct error *reterr)
{
    struct answer a = {.request = request, .body = ret_body, .curl = curl_easy_init()};
    if (a.curl == NULL)
        return error_set(reterr, STATUS_IO, "libcurl can't start");
    bool v6 = strchr(c->http_host, ':') != NULL;
    struct buffer url = {0};
    buffer_printf(&url, "http://%s%s%s:%u%s", v6 ? "[" : "", c->http_host, v6 ? "]" : "",
                  c->http_port, request->path);
    buffer_add_byte(&url, 0);
    struct curl_slist *headers = headers_make(c, request);
    char reason[CURL_ERROR_SIZE] = "";
    (void)curl_easy_setopt(a.curl, CURLOPT_URL, (char *)url.data);
    (void)curl_easy_setopt(a.curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(a.curl, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(a.curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(a.curl, CURLOPT_WRITEDATA, &a);
    (void)curl_easy_setopt(a.curl, CURLOPT_ERRORBUFFER, reason);
    (void)curl_easy_setopt(a.curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(a.curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(a.curl, CURLOPT_CONNECTTIMEOUT, 10L);
    if (strcmp(request->method, "POST") == 0) {
        (void)curl_easy_setopt(a.curl, CURLOPT_POSTFIELDS, (const char *)request->body.data);
        (void)curl_easy_setopt(a.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    }
    CURLcode result = curl_easy_perform(a.curl);
    long code = 0;
    (void)curl_easy_getinfo(a.curl, CURLINFO_RESPONSE_CODE, &code);
    enum status s = STATUS_OK;
    if (a.stopped)
        s = error_set(reterr, STATUS_CANCELLED, "cancelled");
    else if (result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_HOST)
        s = error_set(
            reterr, STATUS_UNREACHABLE,
            "no server at %s:%u (%s); start one with `driftline serve --data DIR`, or name "
            "it with --server and --http",
            c->http_host, c->http_port, reason);
    else if (result != CURLE_OK)
        s = error_set(reterr, STATUS_UNREACHABLE, "talking to %s:%u: %s", c->http_host,
                      c->http_port, reason[0] != 0 ? reason : curl_easy_strerror(result));
    else if (code >= 400)
        s = answer_error(&a, code, ret_caret, reterr);
    curl_slist_free_all(headers);
    curl_easy_cleanup(a.curl);
    buffer_deinit(&url);
    buffer_deinit(&a.error_body);
    return s;
}

void url_encode(struct buffer *to, struct slice text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != 0 && strchr(safe, text.data[i]) != NULL)
            buffer_add_byte(to, text.data[i]);
        else
            buffer_printf(to, "%%%02X", text.data[i]);
    }
}
