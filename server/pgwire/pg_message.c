/*
 * pg_message.c - the encoding of messages both ways.
 */
#include "server/pgwire/pg_message.h"

void pg_put_u16(struct buffer *to, uint16_t v)
{
    v = __builtin_bswap16(v);
    buffer_add(to, &v, sizeof v);
}

void pg_put_u32(struct buffer *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    buffer_add(to, &v, sizeof v);
}

void pg_put_u64(struct buffer *to, uint64_t v)
{
    v = __builtin_bswap64(v);
    buffer_add(to, &v, sizeof v);
}

void pg_put_text(struct buffer *to, const char *text)
{
    buffer_add(to, text, strlen(text) + 1);
}

void pg_patch_u32(struct buffer *to, size_t at, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(to->data + at, &v, sizeof v);
}

size_t pg_begin(struct buffer *to, char type)
{
    buffer_add_byte(to, (uint8_t)type);
    size_t start = to->size;
    pg_put_u32(to, 0);
    return start;
}

void pg_end(struct buffer *to, size_t start)
{
    pg_patch_u32(to, start, (uint32_t)(to->size - start));
}

void pg_parameter_status(struct buffer *to, const char *name, const char *value)
{
    size_t start = pg_begin(to, 'S');
    pg_put_text(to, name);
    pg_put_text(to, value);
    pg_end(to, start);
}

void pg_ready_for_query(struct buffer *to, char transaction)
{
    size_t start = pg_begin(to, 'Z');
    buffer_add_byte(to, (uint8_t)transaction);
    pg_end(to, start);
}

void pg_command_complete(struct buffer *to, const char *tag)
{
    size_t start = pg_begin(to, 'C');
    pg_put_text(to, tag);
    pg_end(to, start);
}

void pg_bare(struct buffer *to, char type)
{
    pg_end(to, pg_begin(to, type));
}

static void add_field(struct buffer *to, char field, const char *text)
{
    buffer_add_byte(to, (uint8_t)field);
    pg_put_text(to, text);
}

void pg_error(struct buffer *to, const char *severity, const char *sqlstate, const char *text,
              size_t position)
{
    size_t start = pg_begin(to, 'E');
    add_field(to, 'S', severity);
    add_field(to, 'V', severity);
    add_field(to, 'C', sqlstate);
    add_field(to, 'M', text);
    if (position != 0) {
        buffer_add_byte(to, 'P');
        buffer_printf(to, "%zu", position);
        buffer_add_byte(to, 0);
    }
    buffer_add_byte(to, 0);
    pg_end(to, start);
}

void pg_notice(struct buffer *to, const char *text)
{
    size_t start = pg_begin(to, 'N');
    add_field(to, 'S', "WARNING");
    add_field(to, 'V', "WARNING");
    add_field(to, 'C', "01000");
    add_field(to, 'M', text);
    buffer_add_byte(to, 0);
    pg_end(to, start);
}

/* Codes of PostgreSQL's appendix A. Unknown names get theirs, since drivers look at them. */
const char *pg_sqlstate(const struct error *error)
{
    switch (error->status) {
    case STATUS_INVALID:
        if (strncmp(error->text, "column ", 7) == 0)
            return "42703";
        if (strncmp(error->text, "table ", 6) == 0 || strncmp(error->text, "relation ", 9) == 0)
            return "42P01";
        if (strncmp(error->text, "function ", 9) == 0)
            return "42883";
        if (strncmp(error->text, "current transaction is aborted", 30) == 0)
            return "25P02";
        return "42601";
    case STATUS_CANCELLED:
    case STATUS_TIMEOUT:
        return "57014";
    case STATUS_LIMIT:
        return "54000";
    case STATUS_BUSY:
        return "53300";
    case STATUS_DENIED:
        return "42501";
    case STATUS_CORRUPT:
        return "XX001";
    case STATUS_NOT_FOUND:
        return "3D000";
    case STATUS_UNAVAILABLE:
        return "0A000";
    case STATUS_FULL:
        return "53100";
    case STATUS_READ_ONLY:
        return "25006";
    case STATUS_OK:
    case STATUS_END:
    case STATUS_IO:
    case STATUS_EXISTS:
    case STATUS_UNREACHABLE:
        return "58030";
    }
    return "XX000";
}

struct pg_reader pg_reader_over(struct slice body)
{
    return (struct pg_reader){.at = body.data, .end = body.data + body.size};
}

struct slice pg_read_bytes(struct pg_reader *r, size_t size)
{
    if (size > (size_t)(r->end - r->at)) {
        r->failed = true;
        r->at = r->end;
        return SLICE_EMPTY;
    }
    struct slice bytes = slice_of(r->at, size);
    r->at += size;
    return bytes;
}

uint16_t pg_read_u16(struct pg_reader *r)
{
    struct slice bytes = pg_read_bytes(r, 2);
    return bytes.size == 0 ? 0 : (uint16_t)(bytes.data[0] << 8 | bytes.data[1]);
}

uint32_t pg_read_u32(struct pg_reader *r)
{
    struct slice bytes = pg_read_bytes(r, 4);
    uint32_t v = 0;
    if (bytes.size == 4)
        memcpy(&v, bytes.data, sizeof v);
    return __builtin_bswap32(v);
}

struct slice pg_read_text(struct pg_reader *r)
{
    size_t left = (size_t)(r->end - r->at);
    const uint8_t *nul = left == 0 ? NULL : memchr(r->at, 0, left);
    if (nul == NULL) {
        r->failed = true;
        r->at = r->end;
        return SLICE_EMPTY;
    }
    struct slice text = {.data = r->at, .size = (size_t)(nul - r->at)};
    r->at = nul + 1;
    return text;
}
