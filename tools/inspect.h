/*
 * inspect.h - what the store holds, from the JSON of GET /api/v1/segments and /api/v1/text.
 */
#ifndef DRIFTLINE_TOOLS_INSPECT_H
#define DRIFTLINE_TOOLS_INSPECT_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

struct inspect_column {
    struct slice table;
    struct slice name;
    struct slice encoding; /* of the largest share */
    uint64_t encoding_bytes;
    uint64_t bytes;
};

struct inspect_segment {
    struct slice project, table, path, tier, time_min, time_max;
    uint64_t rows, bytes, patches;
};

/* Zero is empty; memory is the arena's. */
struct inspect {
    struct arena arena;
    struct inspect_segment *segments;
    size_t segments_capacity;
    uint32_t segment_count;
    struct inspect_column *columns; /* over all segments */
    size_t columns_capacity;
    uint32_t column_count;
};

MUST_CHECK enum status inspect_read(struct slice json, struct inspect *in, struct error *reterr);
void inspect_deinit(struct inspect *in);
/* A line a segment and the sums. */
void inspect_segments_print(const struct inspect *in, struct buffer *to);
/* A line a column, largest first, with bytes a row of its table. */
void inspect_columns_print(struct inspect *in, struct buffer *to);

#endif
