/*
 * render.h - the table format; the others are in render.c.
 */
#ifndef DRIFTLINE_QUERY_RENDER_H
#define DRIFTLINE_QUERY_RENDER_H

#include "query/query.h"

void render_table(const struct query_result *r, uint32_t width, struct buffer *to);

#endif
