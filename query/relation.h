/*
 * relation.h - rows in memory, column by column: results of plans, of groupings, and tables of the server.
 *
 * Texts are owned by the relation unless the writer promised that they outlive it. Threads: one writer.
 */
#ifndef DRIFTLINE_QUERY_RELATION_H
#define DRIFTLINE_QUERY_RELATION_H

#include "query/block.h"
#include "query/run.h"
#include "query/vec.h"

struct relation_column {
    enum phys phys; /* never CODES */
    uint8_t *valid;
    size_t valid_capacity;
    uint8_t *data;
    size_t data_capacity;
};

struct relation {
    struct text_store texts;
    struct relation_column *columns;
    uint32_t column_count;
    uint64_t rows;
    uint64_t charged; /* bytes the statement's account holds for it */
};

/* How rows are ordered: by keys, then by every column from the first on, so that equal rows alone may swap. */
struct sort_key {
    uint32_t column;
    bool descending;
    bool nulls_first;
};

void relation_init(struct relation *r, const enum phys *phys, uint32_t column_count);
void relation_deinit(struct relation *r);
void relation_free_column(struct relation_column *c);
/* Room for rows more rows; the caller fills valid and data at [rows, rows + more) and adds to r->rows. */
void relation_reserve(struct relation *r, uint64_t more);
/* Appends a batch. Texts are copied, except those of dictionaries when keep_dicts says that they stay. */
void relation_append(struct relation *r, const struct vec *columns, uint32_t rows, bool keep_dicts,
                     struct scratch *scratch);
/* Moves all rows of from to the end of to; from is empty afterwards. */
void relation_concat(struct relation *to, struct relation *from);
/* All rows of a column. */
struct vec relation_vec(const struct relation *r, uint32_t column);
uint64_t relation_bytes(const struct relation *r);
/* Brings the account up to date. */
MUST_CHECK enum status relation_charge(struct relation *r, struct run *run, struct error *reterr);

/* The order of rows as indexes; STATUS_CANCELLED or STATUS_TIMEOUT while sorting. The array is the caller's to free. */
MUST_CHECK enum status relation_sort(const struct relation *r, const struct sort_key *keys,
                                     uint32_t key_count, struct run *run, uint32_t **ret_order,
                                     struct error *reterr);
/* Keeps the rows order[first .. first + count), in that order. */
void relation_pick(struct relation *r, const uint32_t *order, uint64_t first, uint64_t count);
int relation_compare(const struct relation *r, const struct sort_key *keys, uint32_t key_count,
                     uint32_t a, uint32_t b);

#endif
