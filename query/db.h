/*
 * db.h - what a query_db holds: the engine and the tables the server registered.
 */
#ifndef DRIFTLINE_QUERY_DB_H
#define DRIFTLINE_QUERY_DB_H

#include "query/relation.h"

struct query_db {
    struct engine *engine;
    struct query_table *tables;
    size_t tables_capacity;
    uint32_t table_count;
};

/* Where fill() puts its rows. */
struct query_table_rows {
    struct relation *to;
    const struct query_column *columns;
    uint32_t column_count;
    struct run *run;
    struct error *reterr;
    enum status status; /* the first failure: too much memory */
};

#endif
