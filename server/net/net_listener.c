/*
 * net_listener.c - a listening socket that counts: connections in all, and per peer address.
 *
 * Place:     kernel -> accept -> [here: limits] -> accepted(fd, peer, slot) -> a protocol
 * Invariant: slots in use = connections handed out and not yet released; a listener that was closed
 *            lives on until the last of its slots is released.
 * Failure:   a connection over a limit is closed at once and counted. Out of descriptors or memory
 *            (EMFILE, ENFILE, ENOBUFS, ENOMEM) accepting pauses for 100 ms, so that it does not spin.
 * Threads:   loop thread.
 */
#include "server/net/net.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define BACKLOG          1024
#define PAUSE_US         100000
#define SLOT_NONE        UINT32_MAX
#define CONNECTIONS_MAX  (1u << 20)

struct slot {
    struct id128 peer; /* IPv4 in its v6-mapped form */
    uint32_t next;     /* in the bucket while used, in the free list otherwise */
    bool used;
};

struct net_listener {
    int fd;
    bool closed;
    bool accepting; /* accepted() is running and may close the listener */
    uint16_t port;
    struct net_listener_options options;
    struct event *accept_event;
    struct event *resume_event;
    struct slot *slots; /* connections_max of them */
    uint32_t free_first;
    uint32_t used_count;
    uint32_t *buckets; /* first slot by hash of the peer address */
    uint32_t bucket_mask;
    uint64_t refused;
    uint64_t pauses;
};

static uint32_t *bucket_of(struct net_listener *l, struct id128 peer)
{
    return &l->buckets[id128_hash(peer) & l->bucket_mask];
}

static uint32_t slot_take(struct net_listener *l, struct id128 peer)
{
    if (l->free_first == SLOT_NONE)
        return SLOT_NONE;
    uint32_t *bucket = bucket_of(l, peer);
    uint32_t same = 0;
    for (uint32_t i = *bucket; i != SLOT_NONE; i = l->slots[i].next)
        same += id128_equal(l->slots[i].peer, peer);
    if (same >= l->options.per_address_max)
        return SLOT_NONE;
    uint32_t index = l->free_first;
    struct slot *slot = &l->slots[index];
    l->free_first = slot->next;
    *slot = (struct slot){.peer = peer, .next = *bucket, .used = true};
    *bucket = index;
    l->used_count++;
    return index;
}

/* Frees a closed listener once nobody needs it any more. */
static void listener_leave(struct net_listener *l)
{
    if (!l->closed || l->accepting || l->used_count != 0)
        return;
    mem_free(l->slots);
    mem_free(l->buckets);
    mem_free(l);
}

void net_listener_release(struct net_listener *l, uint32_t index)
{
    ASSERT(index < l->options.connections_max);
    struct slot *slot = &l->slots[index];
    ASSERT(slot->used);
    uint32_t *link = bucket_of(l, slot->peer);
    while (*link != index)
        link = &l->slots[*link].next;
    *link = slot->next;
    *slot = (struct slot){.next = l->free_first};
    l->free_first = index;
    l->used_count--;
    listener_leave(l);
}

/* The peer as a key for counting and as text. */
static struct id128 peer_describe(const struct sockaddr_storage *address,
                                  char text[INET6_ADDRSTRLEN])
{
    struct id128 key = {.bytes = {[10] = 0xff, [11] = 0xff}};
    (void)snprintf(text, INET6_ADDRSTRLEN, "unknown");
    if (address->ss_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        memcpy(key.bytes + 12, &v4.sin_addr, 4);
        (void)inet_ntop(AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN);
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(key.bytes, &v6.sin6_addr, 16);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            (void)inet_ntop(AF_INET, key.bytes + 12, text, INET6_ADDRSTRLEN);
        else
            (void)inet_ntop(AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN);
    }
    return key;
}

static void accepting_pause(struct net_listener *l)
{
    struct timeval pause = {.tv_usec = PAUSE_US};
    l->pauses++;
    (void)event_del(l->accept_event);
    (void)event_add(l->resume_event, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
    struct net_listener *l = context;
    (void)fd;
    (void)what;
    (void)event_add(l->accept_event, NULL);
}

static void connection_take(struct net_listener *l, int fd, const struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN];
    uint32_t slot = slot_take(l, peer_describe(address, text));
    if (slot == SLOT_NONE) {
        l->refused++;
        (void)close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    l->options.accepted(l->options.context, fd, text, slot);
}

static void on_acceptable(evutil_socket_t listening, short what, void *context)
{
    struct net_listener *l = context;
    (void)what;
    l->accepting = true;
    for (int i = 0; i < ACCEPTS_PER_TURN && !l->closed; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int fd =
            accept4(listening, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_take(l, fd, &address);
            continue;
        }
        if (errno == EAGAIN)
            break;
        /* These concern one connection that is gone already (accept(2) lists them). */
        if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO || errno == ENETDOWN ||
            errno == ENETUNREACH || errno == EHOSTUNREACH || errno == EHOSTDOWN ||
            errno == ENOPROTOOPT || errno == EPERM)
            continue;
        accepting_pause(l);
        break;
    }
    l->accepting = false;
    listener_leave(l);
}

/* A socket bound to the first address of the list that takes it, or -1 with errno. */
static int socket_bind(const struct addrinfo *addresses)
{
    int error_number = EADDRNOTAVAIL;
    for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
        int on = 1;
        int fd =
            socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) {
            error_number = errno;
            continue;
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->ai_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
            return fd;
        error_number = errno;
        (void)close(fd);
    }
    errno = error_number;
    return -1;
}

static enum status socket_open(const struct net_address *address, const char *what, int *ret_fd,
                               struct error *reterr)
{
    char port[8];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
    int failure = getaddrinfo(address->host, port, &hints, &found);
    if (failure != 0)
        return error_set(reterr, STATUS_INVALID, "%s address %s: %s", what, address->host,
                         gai_strerror(failure));
    int fd = socket_bind(found);
    int error_number = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return error_set(reterr, STATUS_IO, "%s: can't listen on %s port %u: %s%s", what,
                         address->host, (unsigned)address->port, strerror(error_number),
                         error_number == EADDRINUSE
                             ? " (another process listens there; choose another port)"
                             : "");
    *ret_fd = fd;
    return STATUS_OK;
}

static uint16_t socket_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    struct sockaddr_in v4;
    memcpy(&v4, &address, sizeof v4); /* sin6_port stands where sin_port does */
    return ntohs(v4.sin_port);
}

static void slots_init(struct net_listener *l)
{
    uint32_t count = l->options.connections_max;
    uint32_t buckets = 16;
    while (buckets < count)
        buckets *= 2;
    l->bucket_mask = buckets - 1;
    l->buckets = mem_alloc(buckets * sizeof *l->buckets);
    for (uint32_t i = 0; i < buckets; i++)
        l->buckets[i] = SLOT_NONE;
    l->slots = mem_zero(count, sizeof *l->slots);
    for (uint32_t i = 0; i < count; i++)
        l->slots[i].next = i + 1 < count ? i + 1 : SLOT_NONE;
}

enum status net_listen(struct net_loop *loop, const struct net_address *address,
                       const struct net_listener_options *options, struct net_listener **ret,
                       struct error *reterr)
{
    enum status s;
    struct event_base *base = net_loop_base(loop);
    struct net_listener *l = MEM_NEW(struct net_listener);
    l->fd = -1;
    l->options = *options;
    if (l->options.connections_max == 0)
        l->options.connections_max = 4096;
    if (l->options.per_address_max == 0)
        l->options.per_address_max = 256;
    if (l->options.connections_max > CONNECTIONS_MAX)
        l->options.connections_max = CONNECTIONS_MAX;
    slots_init(l);
    if ((s = socket_open(address, options->what, &l->fd, reterr)) < 0)
        goto out;
    l->port = socket_port(l->fd);
    l->accept_event = event_new(base, l->fd, EV_READ | EV_PERSIST, on_acceptable, l);
    l->resume_event = evtimer_new(base, on_resume, l);
    if (l->accept_event == NULL || l->resume_event == NULL ||
        event_add(l->accept_event, NULL) != 0) {
        s = error_set(reterr, STATUS_IO, "%s: the event loop does not take the listening socket",
                      options->what);
        goto out;
    }
    *ret = l;
    l = NULL;
out:
    net_listener_close(l);
    return s;
}

void net_listener_close(struct net_listener *l)
{
    if (l == NULL)
        return;
    ASSERT(!l->closed);
    if (l->accept_event != NULL)
        event_free(l->accept_event);
    if (l->resume_event != NULL)
        event_free(l->resume_event);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->closed = true;
    listener_leave(l);
}

uint16_t net_listener_port(const struct net_listener *l)
{
    return l->port;
}

struct net_listener_stats net_listener_stats(const struct net_listener *l)
{
    return (struct net_listener_stats){
        .connections = l->used_count, .refused = l->refused, .pauses = l->pauses};
}
