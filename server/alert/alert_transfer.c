/*
 * alert_transfer.c - sets up a request and judges its end.
 *
 * Invariant: a socket is opened only to an address that address_not_public() passes, or with allow_private. The check sits
 *            in the open-socket callback, after resolving, so a name can't change under it.
 */
#include "server/alert/alert_transfer.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "server/alert/alert_address.h"
#include "server/alert/alert_retry.h"
#include "server/alert/alert_signature.h"

#define CONNECT_TIMEOUT_MS 5000L

/* ---- callbacks ---- */

static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = context;
    (void)purpose;
    const char *why = t->allow_private ? NULL : address_not_public(&address->addr);
    if (why != NULL) {
        char text[ADDRESS_TEXT_BYTES];
        address_to_text(&address->addr, text);
        (void)snprintf(t->refused, sizeof t->refused, "%s is %s", text, why);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Keeps the start of the answer for the log; stops reading past the limit. */
static size_t on_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t got = size * count;
    for (size_t i = 0; i < got && t->answer_bytes + i < sizeof t->answer - 1; i++)
        t->answer[t->answer_bytes + i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : ' ';
    t->answer_bytes += got;
    return t->answer_bytes > ALERT_RESPONSE_BYTES_MAX ? 0 : got;
}

/* ---- begin ---- */

static bool header_add(struct transfer *t, const char *name, const char *value)
{
    struct buffer line = {0};
    /* "Name:" is curl's way of leaving one of its own headers out. */
    buffer_printf(&line, "%s:%s%s", name, value[0] != 0 ? " " : "", value);
    buffer_add_byte(&line, 0);
    struct curl_slist *longer = curl_slist_append(t->headers, (const char *)line.data);
    buffer_deinit(&line);
    if (longer == NULL)
        return false;
    t->headers = longer;
    return true;
}

static bool headers_make(struct transfer *t, const struct notification *n,
                         const struct alert_notifier *to, int64_t now_ns)
{
    char text[ALERT_SIGNATURE_BYTES];
    bool good = header_add(t, "Content-Type", "application/json") && header_add(t, "Expect", "");
    (void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(n->key));
    good = good && header_add(t, "Idempotency-Key", text);
    (void)snprintf(text, sizeof text, "%u", t->attempt);
    good = good && header_add(t, "X-Driftline-Attempt", text);
    if (to->secret.size > 0) {
        alert_signature(to->secret, now_ns / NS_PER_S, buffer_slice(&t->body), text);
        good = good && header_add(t, "X-Driftline-Signature", text);
    }
    for (uint32_t i = 0; i < to->header_count && good; i++)
        good = header_add(t, to->headers[i].name, to->headers[i].value);
    return good;
}

static CURLcode options_set(struct transfer *t, const struct alert_notifier *to)
{
    CURL *e = t->easy;
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(e, option, value);                                             \
    } while (0)
    SET(CURLOPT_URL, to->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, (const char *)t->body.data);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.size);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_USERAGENT, "driftline/" DRIFTLINE_VERSION);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* a proxy of the environment would hide the address from the check */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_TIMEOUT_MS, (long)(to->timeout_ns / NS_PER_MS));
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* never wait for a name server that does not answer */
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_answer);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->curl_error);
    SET(CURLOPT_PRIVATE, t);
    /* A kept connection would skip the address check of the next notifier; webhooks are rare enough. */
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    if (to->ca_file != NULL)
        SET(CURLOPT_CAINFO, to->ca_file);
#undef SET
    return code;
}

enum status transfer_begin(struct transfer *t, const struct notification *n,
                           const struct alert_notifier *to, int64_t now_ns, struct error *reterr)
{
    *t = (struct transfer){.id = n->id,
                           .attempt = n->attempts + 1,
                           .retries = to->retries,
                           .allow_private = to->allow_private};
    (void)snprintf(t->notifier, sizeof t->notifier, "%s", to->name);
    buffer_add_slice(&t->body, n->body);
    buffer_add_byte(&t->body, 0);
    t->body.size--;
    t->easy = curl_easy_init();
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (t->easy != NULL && headers_make(t, n, to, now_ns))
        code = options_set(t, to);
    if (code == CURLE_OK)
        return STATUS_OK;
    transfer_end(t);
    return error_set(reterr, STATUS_INVALID, "notifier '%s': %s", to->name,
                     curl_easy_strerror(code));
}

void transfer_end(struct transfer *t)
{
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    buffer_deinit(&t->body);
    *t = (struct transfer){0};
}

/* ---- judge ---- */

static enum transfer_verdict verdict_of(enum delivery delivery)
{
    switch (delivery) {
    case DELIVERY_DONE:
        return TRANSFER_SENT;
    case DELIVERY_RETRY:
        return TRANSFER_RETRY;
    case DELIVERY_GIVE_UP:
        return TRANSFER_GIVE_UP;
    }
    return TRANSFER_GIVE_UP;
}

void transfer_judge(const struct transfer *t, CURLcode code, struct transfer_result *ret)
{
    long status = 0;
    curl_off_t retry_after_s = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (retry_after_s < 0 || retry_after_s > RETRY_AFTER_MAX_NS / NS_PER_S)
        retry_after_s = retry_after_s < 0 ? 0 : RETRY_AFTER_MAX_NS / NS_PER_S;
    *ret = (struct transfer_result){.http_status = (int)status,
                                    .retry_after_ns = retry_after_s * NS_PER_S};
    /* A long answer is cut by us, which curl calls a write error; its status counts all the same. */
    if (code == CURLE_OK ||
        (code == CURLE_WRITE_ERROR && t->answer_bytes > ALERT_RESPONSE_BYTES_MAX)) {
        ret->verdict = verdict_of(delivery_of_status((int)status));
        if (ret->verdict != TRANSFER_SENT)
            (void)snprintf(ret->why, sizeof ret->why, "HTTP %ld%s%s%s", status,
                           status >= 300 && status < 400 ? " (redirects are not followed)" : "",
                           t->answer[0] != 0 ? ": " : "", t->answer);
        return;
    }
    ret->http_status = 0;
    ret->verdict = TRANSFER_RETRY;
    if (t->refused[0] != 0) {
        ret->verdict = TRANSFER_GIVE_UP;
        (void)snprintf(ret->why, sizeof ret->why,
                       "the address %s; `allow_private: true` would allow it", t->refused);
        return;
    }
    if (code == CURLE_URL_MALFORMAT)
        ret->verdict = TRANSFER_GIVE_UP;
    (void)snprintf(ret->why, sizeof ret->why, "%s",
                   t->curl_error[0] != 0 ? t->curl_error : curl_easy_strerror(code));
}
