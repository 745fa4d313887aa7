/*
 * client_internal.h - what the files of the client share. Private to server/wire.
 */
#ifndef DRIFTLINE_WIRE_CLIENT_INTERNAL_H
#define DRIFTLINE_WIRE_CLIENT_INTERNAL_H

#include <netdb.h>

#include "engine/base/rng.h"
#include "server/wire/client.h"
#include "server/wire/handshake.h"
#include "server/wire/message_cache.h"
#include "server/wire/reply.h"

/* A run of frames that share dictionaries. The first carries the reset flag. */
struct generation {
    struct wire_strings strings;
    uint64_t number; /* from 1 */
    uint32_t frames; /* encoded in it so far */
    uint32_t users;  /* unsettled frames, and one while it is the current one */
};

/* A batch that is not settled. Its frame never changes: it is sent again as it is. */
struct outgoing {
    struct outgoing *next;
    struct buffer frame;
    uint64_t batch_seq;
    uint64_t rows;
    struct generation *generation;
    bool starts_generation;
    bool begun;        /* was written to some connection before */
    uint32_t attempts; /* times the server wanted messages for it */
};

enum client_state {
    CLIENT_DISCONNECTED,
    CLIENT_CONNECTING, /* the socket is not writable yet */
    CLIENT_GREETING,   /* HELLO is on its way */
    CLIENT_READY,
};

#define SPARE_FRAMES_MAX 32u
#define SPARE_BYTES_MAX  (1u << 20) /* of one frame that is kept */

/*
 * Invariants:
 * 1. first..last are the unsettled batches in order of batch_seq; those before `next` (and `writing`)
 *    were written whole to this connection.
 * 2. control is written only between frames; a frame is begun only when control is empty.
 * 3. remote is the number of the generation the server's dictionaries hold; 0 on a fresh connection.
 * 4. While rejected, the server drops batches until it sees RESUME.
 */
struct wire_client {
    struct wire_client_options options; /* slices point at the strings below */
    char *host;
    struct buffer key;
    struct buffer project;
    struct buffer name;

    enum client_state state;
    int fd;
    struct addrinfo *addresses;
    struct addrinfo *address; /* the one being tried */
    int64_t deadline_ns;      /* of connecting and greeting */
    int64_t retry_at_ns;
    int64_t backoff_ns;
    bool wanted; /* connect even with nothing to send */
    bool goaway;
    bool ever_ready;
    uint32_t fatal_count;    /* fatal ERRORs since the last ACK */
    struct error last_error; /* why there is no connection */
    struct error failed;     /* set: the client can't go on */

    struct buffer control;
    size_t control_at;
    struct outgoing *first;
    struct outgoing *last;
    struct outgoing *next;
    struct outgoing *writing;
    size_t writing_at;
    struct buffer spare[SPARE_FRAMES_MAX]; /* memory of settled frames, for new ones */
    uint32_t spare_count;
    struct generation *generation;
    uint64_t remote;
    bool rejected;
    int64_t resume_at_ns;

    struct buffer in;
    size_t in_at;
    int64_t heard_ns;
    bool pinged;

    uint32_t credit_rows;
    uint64_t credit_bytes;
    uint64_t unsettled_rows;
    uint64_t unsettled_bytes;
    uint64_t next_seq;
    struct wire_bounds bounds;
    struct message_cache cache;

    bool asking; /* HAVE is out, the next WANT for batch 0 answers it */
    struct id128 *answer;
    uint32_t answer_capacity;
    uint32_t answer_count;

    struct rng rng;
    struct wire_client_stats stats;
};

/* ---- client_connect.c ---- */
void client_connect_begin(struct wire_client *c);
/* The socket became writable while connecting. */
void client_connect_continue(struct wire_client *c);
/* Closes the connection for a reason and plans the next attempt. */
void client_disconnect(struct wire_client *c, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The client can't go on. */
void client_fail(struct wire_client *c, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- client_output.c ---- */
/* Writes what there is to write until the socket is full. */
void client_write(struct wire_client *c);
bool client_has_output(const struct wire_client *c);
/* All batches are to be sent again, from the first. */
void client_rewind_all(struct wire_client *c);
/* The server rejected o and waits for RESUME, which goes out at resume_at_ns. */
void client_rewind(struct wire_client *c, struct outgoing *o, int64_t resume_at_ns);
/* Sends RESUME if it is time. */
void client_resume(struct wire_client *c, int64_t now_ns);
/* Takes a settled batch off the queue. */
void client_settle(struct wire_client *c, struct outgoing *o);
struct outgoing *client_find(struct wire_client *c, uint64_t batch_seq);
/* Was o written whole to this connection? */
bool client_was_sent(const struct wire_client *c, const struct outgoing *o);
void generation_release(struct generation *g);

/* ---- client_input.c ---- */
/* Reads and handles what has come. */
void client_read(struct wire_client *c);

#endif
