/*
 * grpc_limits.h - bounds on what an HTTP/2 peer can make us hold.
 */
#ifndef DRIFTLINE_GRPC_LIMITS_H
#define DRIFTLINE_GRPC_LIMITS_H

#define GRPC_STREAMS_MAX         100u        /* open at once on a connection */
#define GRPC_HEADER_BYTES_MAX    16384u      /* names and values of one call's metadata */
#define GRPC_STREAM_WINDOW       (1u << 20)  /* bytes a client may send ahead of us on a stream */
#define GRPC_CONNECTION_WINDOW   (4u << 20)  /* and on a connection */
#define GRPC_FRAME_BYTES         (64u << 10)
#define GRPC_OUTPUT_BYTES_MAX    (1u << 20)  /* unsent answers; then a connection is not read */
#define GRPC_DISCARDED_BYTES_MAX (16u << 20) /* a refused client may go on sending; then its stream is reset */
#define GRPC_RESETS_BURST        200u        /* streams a client may cancel at once, */
#define GRPC_RESETS_PER_SECOND   20u         /* and steadily; beyond: GOAWAY */
#define GRPC_HANDSHAKE_SECONDS   10          /* TLS and the first frames */
#define GRPC_MESSAGE_BYTES_MAX   (64u << 20) /* default of message_bytes_max */
#define GRPC_INFLIGHT_BYTES_MAX  (256ull << 20)
#define GRPC_CONNECTIONS_MAX     1024u
#define GRPC_IDLE_SECONDS        300

#endif
