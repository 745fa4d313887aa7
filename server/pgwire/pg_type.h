/*
 * pg_type.h - our SQL types as PostgreSQL types: OIDs, text and binary forms.
 */
#ifndef DRIFTLINE_PG_TYPE_H
#define DRIFTLINE_PG_TYPE_H

#include "query/query.h"

/* OIDs of pg_type.dat. */
enum pg_oid {
    PG_BOOL = 16,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_OID = 26,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_UNKNOWN = 705,
    PG_VARCHAR = 1043,
    PG_TIMESTAMP = 1114,
    PG_TIMESTAMPTZ = 1184,
    PG_INTERVAL = 1186,
    PG_NUMERIC = 1700,
};

enum pg_format {
    PG_FORMAT_TEXT = 0,
    PG_FORMAT_BINARY = 1
};

uint32_t pg_oid_of(enum sql_type type);
/* pg_type.typlen: bytes, or -1 for varying. */
int16_t pg_size_of(uint32_t oid);
/* Appends the value, as DataRow wants it: int32 length (-1 for NULL), then the bytes. */
void pg_value_write(const struct query_value *v, enum sql_type column, enum pg_format format,
                    struct buffer *to);
/* A bound parameter. oid 0 or unknown: guess is used. The text borrows from bytes. STATUS_INVALID says what does not fit. */
MUST_CHECK enum status pg_parameter_read(struct slice bytes, uint32_t oid, enum pg_format format,
                                         enum sql_type guess, struct query_value *ret,
                                         struct error *reterr);

#endif
