/*
 * alert_condition_tree.h - what the reader and the evaluator of conditions share.
 */
#ifndef DRIFTLINE_ALERT_CONDITION_TREE_H
#define DRIFTLINE_ALERT_CONDITION_TREE_H

#include "server/alert/alert_condition.h"
#include "server/alert/alert_limits.h"

enum condition_kind {
    CONDITION_OR,
    CONDITION_AND,
    CONDITION_NOT,
    CONDITION_COMPARE,
    CONDITION_IS_NULL,
    CONDITION_COLUMN,
    CONDITION_LITERAL,
};

enum condition_compare {
    COMPARE_LT,
    COMPARE_LE,
    COMPARE_GT,
    COMPARE_GE,
    COMPARE_EQ,
    COMPARE_NE
};

struct condition_node {
    enum condition_kind kind;
    enum condition_compare compare;
    uint32_t left, right;     /* nodes before this one */
    uint32_t column;          /* index into columns */
    uint32_t position;        /* byte in the text */
    struct query_value value; /* LITERAL: INT, FLOAT, BOOL or TEXT */
    bool is_duration;         /* a text that can stand for one */
    bool is_time;
    int64_t duration_ns;
    int64_t time_ns;
};

struct alert_condition {
    uint32_t root;
    uint32_t node_count;
    struct condition_node *nodes;
    uint32_t column_count;
    struct slice *columns;
};

/* The column of that name, else the only-by-case different one. */
bool result_column_find(const struct query_column *columns, uint32_t count, struct slice name,
                        uint32_t *ret_index);

#endif
