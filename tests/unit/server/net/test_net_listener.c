/*
 * test_net_listener.c - accepting, the limits, running out of descriptors, closing.
 */
#include "server/net/net.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_MAX 16

struct host {
    struct net_loop *loop;
    struct net_listener *listener;
    int fds[HELD_MAX];
    uint32_t slots[HELD_MAX];
    char peers[HELD_MAX][48];
    int held;
    int stop_at;
    bool close_on_accept;
};

static void host_accepted(void *context, int fd, const char *peer, uint32_t slot)
{
    struct host *host = context;
    cr_assert(host->held < HELD_MAX);
    host->fds[host->held] = fd;
    host->slots[host->held] = slot;
    (void)snprintf(host->peers[host->held], sizeof host->peers[0], "%s", peer);
    host->held++;
    if (host->close_on_accept) {
        net_listener_close(host->listener);
        host->close_on_accept = false;
    }
    if (host->held == host->stop_at)
        net_loop_stop(host->loop);
}

static void host_open(struct host *host, uint32_t connections_max, uint32_t per_address_max)
{
    struct net_address address;
    struct error error = {0};
    cr_assert_eq(net_loop_create(&host->loop, &error), STATUS_OK);
    cr_assert_eq(net_address_parse(slice_text("127.0.0.1:0"), 0, &address, &error), STATUS_OK);
    enum status s = net_listen(host->loop, &address,
                               &(struct net_listener_options){.what = "test",
                                                              .connections_max = connections_max,
                                                              .per_address_max = per_address_max,
                                                              .accepted = host_accepted,
                                                              .context = host},
                               &host->listener, &error);
    cr_assert(s == STATUS_OK, "%s", error.text);
    cr_assert(net_listener_port(host->listener) != 0);
}

static void host_release_last(struct host *host)
{
    host->held--;
    (void)close(host->fds[host->held]);
    net_listener_release(host->listener, host->slots[host->held]);
}

static int dial(const struct host *host)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(net_listener_port(host->listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* The peer closed without a word. */
static bool was_refused(int fd)
{
    char byte;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, 5000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    net_loop_stop(context);
}

static void run_for_ms(struct net_loop *loop, int ms)
{
    struct timeval after = {.tv_usec = ms * 1000};
    cr_assert_eq(event_base_once(net_loop_base(loop), -1, EV_TIMEOUT, on_timer, loop, &after), 0);
    net_loop_run(loop);
}

Test(net_listener, hands_out_ready_sockets_and_names_the_peer)
{
    struct host host = {.stop_at = 1};
    host_open(&host, 0, 0);
    int fd = dial(&host);
    net_loop_run(host.loop);
    cr_assert_str_eq(host.peers[0], "127.0.0.1");
    char byte;
    cr_assert_eq((int)recv(host.fds[0], &byte, 1, 0), -1);
    cr_assert(errno == EAGAIN);
    cr_assert_eq((int)net_listener_stats(host.listener).connections, 1);
    host_release_last(&host);
    cr_assert_eq((int)net_listener_stats(host.listener).connections, 0);
    (void)close(fd);
    net_listener_close(host.listener);
    net_loop_destroy(host.loop);
}

static void limit_check(uint32_t connections_max, uint32_t per_address_max)
{
    struct host host = {.stop_at = -1};
    int fds[4];
    host_open(&host, connections_max, per_address_max);
    for (int i = 0; i < 4; i++)
        fds[i] = dial(&host);
    run_for_ms(host.loop, 50);
    cr_assert_eq(host.held, 3);
    cr_assert_eq((int)net_listener_stats(host.listener).refused, 1);
    cr_assert(was_refused(fds[3]));
    /* A place that was released is taken again. */
    host_release_last(&host);
    int again = dial(&host);
    run_for_ms(host.loop, 50);
    cr_assert_eq(host.held, 3);
    while (host.held > 0)
        host_release_last(&host);
    for (int i = 0; i < 4; i++)
        (void)close(fds[i]);
    (void)close(again);
    net_listener_close(host.listener);
    net_loop_destroy(host.loop);
}

Test(net_listener, closes_connections_over_the_listeners_limit)
{
    limit_check(3, 100);
}

Test(net_listener, closes_connections_over_the_limit_of_one_address)
{
    limit_check(100, 3);
}

Test(net_listener, pauses_without_descriptors_and_does_not_spin)
{
    struct host host = {.stop_at = -1};
    host_open(&host, 0, 0);
    int fd = dial(&host);
    struct rlimit old;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_for_ms(host.loop, 350);
    uint64_t pauses = net_listener_stats(host.listener).pauses;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    cr_assert(pauses >= 1 && pauses <= 4, "%d pauses", (int)pauses);
    cr_assert_eq(host.held, 0);
    /* The connection waited in the backlog and is taken once descriptors are back. */
    host.stop_at = 1;
    net_loop_run(host.loop);
    cr_assert_eq(host.held, 1);
    host_release_last(&host);
    (void)close(fd);
    net_listener_close(host.listener);
    net_loop_destroy(host.loop);
}

Test(net_listener, may_be_closed_while_connections_live)
{
    struct host host = {.stop_at = 1};
    host_open(&host, 0, 0);
    int fd = dial(&host);
    net_loop_run(host.loop);
    net_listener_close(host.listener);
    host_release_last(&host); /* frees it; the sanitizer watches */
    (void)close(fd);
    net_loop_destroy(host.loop);
}

Test(net_listener, may_be_closed_from_accepted)
{
    struct host host = {.stop_at = 1, .close_on_accept = true};
    host_open(&host, 0, 0);
    int first = dial(&host);
    int second = dial(&host);
    net_loop_run(host.loop);
    cr_assert_eq(host.held, 1);
    host_release_last(&host);
    (void)close(first);
    (void)close(second);
    net_loop_destroy(host.loop);
}

Test(net_listener, names_the_port_that_is_taken)
{
    struct host host = {.stop_at = -1};
    host_open(&host, 0, 0);
    struct net_address address = {.host = "127.0.0.1", .port = net_listener_port(host.listener)};
    struct net_listener *second = NULL;
    struct error error = {0};
    enum status s = net_listen(
        host.loop, &address,
        &(struct net_listener_options){.what = "http", .accepted = host_accepted}, &second, &error);
    cr_assert_eq(s, STATUS_IO);
    cr_assert(strstr(error.text, "another process listens") != NULL, "%s", error.text);
    net_listener_close(host.listener);
    net_loop_destroy(host.loop);
}
