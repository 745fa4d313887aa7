/*
 * eval.h - evaluates checked expressions over a batch, a column at a time.
 *
 * Place:   plan, sinks -> [here] -> kernels
 * Shape:   a kernel gets its arguments as whole columns and fills a whole column.
 * Masks:   CASE, AND, OR and COALESCE evaluate an argument for the rows that need it: `active` says
 *          which. A row that is not active must not raise an error, and expensive kernels skip it.
 * Threads: one struct eval a thread.
 */
#ifndef DRIFTLINE_QUERY_EVAL_H
#define DRIFTLINE_QUERY_EVAL_H

#include "query/expr.h"
#include "query/run.h"

struct dict_cache;

struct eval {
    struct run *run;         /* NULL while folding constants */
    struct scratch *scratch; /* results live here until the caller resets it */
    struct arena *texts;     /* bytes of computed texts, likewise */
    const struct vec *columns;
    uint32_t rows;
    const uint8_t *active;    /* one byte a row; NULL: all */
    struct dict_cache *cache; /* NULL: evaluate row by row */
    struct error *reterr;
};

MUST_CHECK enum status eval_expr(struct eval *ev, const struct expr *e, struct vec *ret);
/* A BOOL expression as bytes, NULL counting as false, ANDed into mask. Returns rows left by *ret_left. */
MUST_CHECK enum status eval_mask(struct eval *ev, const struct expr *e, uint8_t *mask,
                                 uint32_t *ret_left);

/* ---- for kernels ---- */

typedef enum status (*kernel)(struct eval *ev, const struct expr *e, const struct vec *args,
                              uint32_t rows, struct vec *out);

/* Does row i matter: active and (valid NULL or set)? */
static inline bool eval_row_counts(const struct eval *ev, const uint8_t *valid, uint32_t row)
{
    return (ev->active == NULL || ev->active[row]) && (valid == NULL || valid[row]);
}
/* Fails the statement at the expression's position. */
enum status eval_fail(struct eval *ev, const struct expr *e, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Makes out->valid a private array of rows bytes, filled from what it was, so that a kernel can clear some. */
uint8_t *eval_own_valid(struct eval *ev, uint32_t rows, struct vec *out);
/* Work that is not proportional to rows calls this now and then. */
MUST_CHECK enum status eval_check(struct eval *ev);

/* ---- results kept per dictionary (eval_dict.c) ---- */

/* slots: one for each expression that is evaluated by dictionary. */
struct dict_cache *dict_cache_create(uint32_t slots);
void dict_cache_destroy(struct dict_cache *c);
/* Gives each maximal subexpression that reads nothing but one dictionary column its slot. is_dict says which
 * columns may come as codes; *slots counts. */
void expr_assign_dict_slots(struct expr *e, const bool *is_dict, uint32_t *slots);
/* Evaluates e through its cache when that pays; *ret_done false: evaluate it row by row. */
enum status eval_by_dictionary(struct eval *ev, const struct expr *e, struct vec *ret,
                               bool *ret_done);

#endif
