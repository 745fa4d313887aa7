/*
 * net_wake.h - a bell that any thread may ring to run a callback on the loop thread (an eventfd
 * in the loop). Private to server/net.
 *
 * Threads:  net_wake_ring from any thread; the rest on the loop thread.
 */
#ifndef DRIFTLINE_NET_WAKE_H
#define DRIFTLINE_NET_WAKE_H

#include <event2/event.h>

#include <stdbool.h>

#include "engine/base/status.h"

/* Zero is closed. */
struct net_wake {
    int fd;
    bool open;
    struct event *event;
};

/* The callback calls net_wake_clear first, then looks for work. */
MUST_CHECK enum status net_wake_open(struct net_wake *wake, struct event_base *base,
                                     event_callback_fn callback, void *context,
                                     struct error *reterr);
void net_wake_close(struct net_wake *wake);
void net_wake_ring(struct net_wake *wake);
void net_wake_clear(struct net_wake *wake);

#endif
