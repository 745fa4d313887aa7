/*
 * trace_print.h - one trace for people or as JSON.
 */
#ifndef DRIFTLINE_TOOLS_TRACE_PRINT_H
#define DRIFTLINE_TOOLS_TRACE_PRINT_H

#include "tools/rows.h"

struct trace_style {
    bool coloured;
    bool utf8;
    bool messages; /* show them */
    bool full;     /* uncut */
};

/* rows: `select * from spans` of one trace, by time. */
void trace_print(const struct rows *rows, const struct trace_style *style, struct buffer *to);
void trace_print_json(const struct rows *rows, struct buffer *to);

#endif
