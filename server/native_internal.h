/*
 * native_internal.h - what the files of the native listener share.
 */
#ifndef DRIFTLINE_SERVER_NATIVE_INTERNAL_H
#define DRIFTLINE_SERVER_NATIVE_INTERNAL_H

#include <sys/queue.h>

#include "engine/base/clock.h"
#include "server/native.h"
#include "server/wire/batch_frame.h"
#include "server/wire/handshake.h"
#include "server/wire/reply.h"

/* A batch the engine took that is not acknowledged yet. */
struct pending {
    uint64_t ticket;
    uint64_t batch_seq;
    uint32_t accepted;
    uint32_t duplicates;
};

enum connection_state {
    CONNECTION_GREETING,
    CONNECTION_OPEN,
    CONNECTION_DRAINING, /* no more batches; closes once the acks are out */
    CONNECTION_CLOSING,  /* writes what is left, then waits for the peer to hang up */
    CONNECTION_DEAD,     /* closed; freed when the stack has unwound */
};

/* What came of a frame. */
enum outcome {
    OUTCOME_TAKEN,
    OUTCOME_STALLED, /* stays where it is, to be tried again */
    OUTCOME_ENDED,   /* the connection is closing or dead */
};

/*
 * Invariants:
 * 1. in[in_at..in_size) is what was read and not handled; in_at is a multiple of 8.
 * 2. While stalled nothing is read, and in does not move. If held is set, held_batch is the decoded
 *    frame at in_at.
 * 3. pending is in order of arrival; its tickets need not be (a repeated batch has an old one).
 * 4. While rejected, BATCH and DICTIONARY frames are dropped: the client sends them again after RESUME.
 */
struct native_connection {
    TAILQ_ENTRY(native_connection) all;
    TAILQ_ENTRY(native_connection) stalled_link;
    TAILQ_ENTRY(native_connection) acking_link;
    struct native *native;
    enum connection_state state;
    int fd;
    uint32_t slot;
    char peer[48];
    struct event *read_event;
    struct event *write_event;

    uint32_t project;
    unsigned scopes;
    struct id128 client; /* project and client id together; zero: none */
    int64_t since_ns;    /* when the state was entered */
    int64_t heard_ns;

    uint8_t *in;
    size_t in_at;
    size_t in_size;
    size_t in_capacity;
    size_t frame_bytes; /* what the frame at in_at will take, once its header is there */
    bool hungry;        /* the last read filled all the room */

    struct buffer out;
    size_t out_at;

    struct wire_dictionaries dictionaries;
    uint64_t dictionary_memory; /* as counted in the listener's total */

    bool rejected;
    bool stalled;
    bool held;
    int64_t stalled_ns; /* since when no batch was taken; 0: all is well */
    struct wire_batch held_batch;
    struct arena held_arena;
    size_t held_bytes;
    enum status stall_status;
    char stall_text[256];

    bool acking;
    struct pending *pending;
    size_t pending_capacity;
    uint32_t pending_first;
    uint32_t pending_count;
    uint64_t pending_rows;
};
TAILQ_HEAD(connection_list, native_connection);

struct native {
    struct net_loop *loop;
    struct engine *engine;
    struct net_listener *listener;
    struct native_options options;
    struct native_hooks hooks;
    struct connection_list connections;
    struct connection_list stalled; /* first come, first served */
    struct connection_list acking;  /* those with pending batches */
    struct connection_list dead;
    struct event *sweep_event;
    struct event *retry_event;
    struct event *reap_event;
    struct arena arena; /* of the batch being decoded */
    uint64_t durable;
    uint16_t port;
    bool draining;
    bool retrying; /* a stalled connection has its turn */
    bool appended; /* since the hook was told */
    struct native_stats stats;
};

/* ---- native_connection.c ---- */
void connection_open(struct native *n, int fd, const char *peer, uint32_t slot);
/* Handles what is in the input buffer; the socket is read on unless the connection stalls. */
void connection_process(struct native_connection *c);
/* Sends what was added to out. */
void connection_flush(struct native_connection *c);
/* Says ERROR for the connection as a whole, then closes it. */
enum outcome connection_fail(struct native_connection *c, enum status status, bool retryable,
                             const char *format, ...) PRINTF_LIKE(4, 5);
/* Closes once out is written. */
void connection_close_soon(struct native_connection *c);
void connection_close(struct native_connection *c);
void connection_free(struct native_connection *c);
/* Stops reading until connection_unstall. */
void connection_stall(struct native_connection *c, const struct error *error);
void connection_unstall(struct native_connection *c);
/* Lets go of an input buffer nobody needs at the moment. */
void connection_trim(struct native_connection *c);

/* ---- native_frames.c ---- */
enum outcome native_frame_handle(struct native_connection *c, const struct frame *frame,
                                 size_t frame_bytes);

/* ---- native_append.c ---- */
enum outcome native_batch_handle(struct native_connection *c, const struct frame *frame,
                                 size_t frame_bytes);
enum outcome native_messages_handle(struct native_connection *c, const struct frame *frame);
/* Tries a held batch again. */
enum outcome native_batch_retry(struct native_connection *c);
/* Gives a stalled batch back to the client. */
void native_batch_give_back(struct native_connection *c);
/* ACK for pending batches that are durable. */
void native_ack(struct native_connection *c);
/* Tells the core that commits wait. */
void native_tell_appended(struct native *n);

#endif
