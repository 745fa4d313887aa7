/*
 * trace_tree.h - the spans of a trace in the order a reader wants them: parents before children, by time.
 */
#ifndef DRIFTLINE_TOOLS_TRACE_TREE_H
#define DRIFTLINE_TOOLS_TRACE_TREE_H

#include "tools/rows.h"

#define TRACE_SPANS_MAX 20000u
#define TREE_DEPTH_MAX  64u /* deeper spans are drawn at this depth */

struct tree_node {
    uint32_t row;   /* of the rows given */
    uint32_t depth; /* 0: a root */
    bool is_last;   /* of its siblings */
    uint64_t open;  /* bit d: a sibling of the ancestor at depth d follows */
};

/* rows sorted by time, with columns span_id and parent_id. Spans whose parent is missing are roots, and so is the first of those
 * that are their own ancestors. Every row comes once. ret has room for row_count nodes. */
void trace_tree_build(const struct rows *rows, struct tree_node *ret);

#endif
