/*
 * pg_message.h - backend messages: type byte, big-endian length (itself included), body.
 */
#ifndef DRIFTLINE_PG_MESSAGE_H
#define DRIFTLINE_PG_MESSAGE_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

void pg_put_u16(struct buffer *to, uint16_t v);
void pg_put_u32(struct buffer *to, uint32_t v);
void pg_put_u64(struct buffer *to, uint64_t v);
/* With its terminating NUL; stops at a NUL inside. */
void pg_put_text(struct buffer *to, const char *text);
void pg_patch_u32(struct buffer *to, size_t at, uint32_t v);

/* pg_begin returns where the message started; pg_end fills its length in. */
size_t pg_begin(struct buffer *to, char type);
void pg_end(struct buffer *to, size_t start);

/* Whole messages. */
void pg_parameter_status(struct buffer *to, const char *name, const char *value);
void pg_ready_for_query(struct buffer *to, char transaction);
void pg_command_complete(struct buffer *to, const char *tag);
/* A message without a body: ParseComplete '1', BindComplete '2', CloseComplete '3', NoData 'n', PortalSuspended 's',
 * EmptyQueryResponse 'I'. */
void pg_bare(struct buffer *to, char type);
/* position: 1-based character, 0: none. severity: "ERROR", "FATAL". */
void pg_error(struct buffer *to, const char *severity, const char *sqlstate, const char *text,
              size_t position);
void pg_notice(struct buffer *to, const char *text);
/* SQLSTATE for our status. */
const char *pg_sqlstate(const struct error *error);

/* Frontend bodies: reads past the end fail once and stay failed. */
struct pg_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};
struct pg_reader pg_reader_over(struct slice body);
uint16_t pg_read_u16(struct pg_reader *r);
uint32_t pg_read_u32(struct pg_reader *r);
/* Up to the NUL, which is consumed; the slice is NUL-terminated in place. */
struct slice pg_read_text(struct pg_reader *r);
struct slice pg_read_bytes(struct pg_reader *r, size_t size);

#endif
