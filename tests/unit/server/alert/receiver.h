/*
 * receiver.h - a tiny HTTP receiver that answers by a script and keeps what it got.
 *
 * Each request takes the next answer of the script; the last one repeats. An answer is the bytes to send; "" closes the
 * connection without one, "hang" never answers.
 */
#ifndef DRIFTLINE_TESTS_ALERT_RECEIVER_H
#define DRIFTLINE_TESTS_ALERT_RECEIVER_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/bytes_text.h"
#include "engine/base/memory.h"
#include "engine/base/thread.h"

#define RECEIVER_REQUESTS_MAX 256

#define ANSWER_OK    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define ANSWER_503   "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy"
#define ANSWER_400   "HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nwrong"
#define ANSWER_LATER "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"

struct receiver {
    int listener;
    uint16_t port;
    const char *const *script;
    size_t script_count;
    struct thread thread;
    atomic_bool stop;
    struct mutex lock;
    char *requests[RECEIVER_REQUESTS_MAX]; /* head and body */
    uint32_t request_count;
};

static inline void receiver_read(int fd, struct buffer *request)
{
    size_t wanted = SIZE_MAX;
    while (request->size < wanted) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 5000) <= 0)
            return;
        ssize_t got = recv(fd, buffer_reserve(request, 65536), 65536, 0);
        if (got <= 0)
            return;
        request->size += (size_t)got;
        const uint8_t *end = memmem(request->data, request->size, "\r\n\r\n", 4);
        const uint8_t *length = memmem(request->data, request->size, "Content-Length: ", 16);
        if (end != NULL && length != NULL)
            wanted =
                (size_t)(end - request->data) + 4 + strtoul((const char *)length + 16, NULL, 10);
    }
}

static inline void receiver_serve(struct receiver *r, int fd)
{
    struct buffer request = {0};
    receiver_read(fd, &request);
    buffer_add_byte(&request, 0);
    mutex_lock(&r->lock);
    uint32_t number = r->request_count;
    if (number < RECEIVER_REQUESTS_MAX)
        r->requests[r->request_count++] = (char *)request.data;
    else
        buffer_deinit(&request);
    mutex_unlock(&r->lock);
    const char *answer = r->script[number < r->script_count ? number : r->script_count - 1];
    if (strcmp(answer, "hang") == 0) {
        while (!atomic_load(&r->stop))
            (void)usleep(10000);
    } else if (answer[0] != 0) {
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static inline void receiver_run(void *context)
{
    struct receiver *r = context;
    while (!atomic_load(&r->stop)) {
        struct pollfd ready = {.fd = r->listener, .events = POLLIN};
        if (poll(&ready, 1, 20) <= 0)
            continue;
        int fd = accept(r->listener, NULL, NULL);
        if (fd >= 0)
            receiver_serve(r, fd);
    }
}

/* port 0: any. */
static inline void receiver_start(struct receiver *r, uint16_t port, const char *const *script,
                                  size_t script_count)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int one = 1;
    *r = (struct receiver){.script = script, .script_count = script_count};
    mutex_init(&r->lock);
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(r->listener >= 0);
    cr_assert(setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    cr_assert(bind(r->listener, (struct sockaddr *)&address, size) == 0);
    cr_assert(listen(r->listener, 64) == 0);
    cr_assert(getsockname(r->listener, (struct sockaddr *)&address, &size) == 0);
    r->port = ntohs(address.sin_port);
    thread_start(&r->thread, "receiver", receiver_run, r);
}

static inline void receiver_stop(struct receiver *r)
{
    atomic_store(&r->stop, true);
    thread_join(&r->thread);
    (void)close(r->listener);
    for (uint32_t i = 0; i < r->request_count; i++)
        mem_free(r->requests[i]);
    mutex_deinit(&r->lock);
}

static inline uint32_t receiver_count(struct receiver *r)
{
    mutex_lock(&r->lock);
    uint32_t count = r->request_count;
    mutex_unlock(&r->lock);
    return count;
}

/* Waits for that many requests, at most ten seconds. */
static inline void receiver_await(struct receiver *r, uint32_t count)
{
    for (int i = 0; i < 1000 && receiver_count(r) < count; i++)
        (void)usleep(10000);
    cr_assert(receiver_count(r) >= count, "%u requests, not %u", receiver_count(r), count);
}

/* The value of a header of a request; empty when it is not there. */
static inline struct slice receiver_header(struct receiver *r, uint32_t request, const char *name)
{
    char needle[64];
    (void)snprintf(needle, sizeof needle, "\r\n%s: ", name);
    const char *at = strstr(r->requests[request], needle);
    if (at == NULL)
        return SLICE_EMPTY;
    at += strlen(needle);
    return slice_of(at, strcspn(at, "\r"));
}

static inline const char *receiver_body(struct receiver *r, uint32_t request)
{
    const char *at = strstr(r->requests[request], "\r\n\r\n");
    return at == NULL ? "" : at + 4;
}

#endif
