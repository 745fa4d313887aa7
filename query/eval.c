/*
 * eval.c - walks an expression over a batch: arguments first, then the kernel, under SQL's three-valued
 * logic.
 *
 * Place:     sinks -> [here] -> kernels, eval_dict.c
 * Invariant: an argument is evaluated with `active` cleared for the rows that don't need it, so that
 *            CASE WHEN n > 0 THEN x / n END and n > 0 AND x / n > 1 never divide by zero.
 */
#include "query/eval.h"

#include <stdio.h>

#include "query/function.h"

enum status eval_fail(struct eval *ev, const struct expr *e, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return error_set_at(ev->reterr, STATUS_INVALID, e->position, "%s", text);
}

enum status eval_check(struct eval *ev)
{
    return ev->run == NULL ? STATUS_OK : run_check(ev->run, ev->reterr);
}

uint8_t *eval_own_valid(struct eval *ev, uint32_t rows, struct vec *out)
{
    uint8_t *valid = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    if (out->valid == NULL)
        memset(valid, 1, rows);
    else
        memcpy(valid, out->valid, rows);
    out->valid = valid;
    return valid;
}

static bool any_active(const struct eval *ev)
{
    return ev->active == NULL || memchr(ev->active, 1, ev->rows) != NULL;
}

static struct vec null_constant(const struct expr *e)
{
    static const uint8_t no = 0;
    static const struct slice nothing = {.data = (const uint8_t *)"", .size = 0};
    static const int64_t zero[2] = {0, 0};
    struct vec v = {.phys = e->phys, .constant = true, .valid = &no, .data = zero};
    if (e->phys == PHYS_TEXT)
        v.text = &nothing;
    return v;
}

/* A NULL argument of a strict function makes a NULL. */
static void combine_valid(struct eval *ev, const struct vec *args, uint32_t arg_count,
                          uint32_t rows, struct vec *out)
{
    uint8_t *own = NULL;
    for (uint32_t i = 0; i < arg_count; i++) {
        const uint8_t *valid = args[i].constant ? NULL : args[i].valid;
        if (valid == NULL)
            continue;
        if (out->valid == NULL) {
            out->valid = valid;
            continue;
        }
        if (own == NULL)
            own = eval_own_valid(ev, rows, out);
        for (uint32_t r = 0; r < rows; r++)
            own[r] &= valid[r];
    }
}

static enum status eval_call(struct eval *ev, const struct expr *e, struct vec *ret)
{
    enum status s;
    const struct function *f = e->function;
    bool strict = (f->flags & FN_NULLS) == 0;
    bool constant = true;
    /* IN keeps its list in e->data. */
    uint32_t arg_count = f->tag == TAG_IN ? 1 : e->arg_count;
    struct vec *args = SCRATCH_ARRAY(ev->scratch, struct vec, arg_count + 1);
    for (uint32_t i = 0; i < arg_count; i++) {
        if ((s = eval_expr(ev, e->args[i], &args[i])) < 0)
            return s;
        if (strict && vec_is_null_constant(&args[i])) {
            *ret = null_constant(e);
            return STATUS_OK;
        }
        if (args[i].phys == PHYS_CODES && f->tag != TAG_IS_NULL)
            vec_decode(&args[i], ev->rows, ev->scratch);
        constant = constant && args[i].constant;
    }
    if (constant && !any_active(ev)) {
        *ret = null_constant(e);
        return STATUS_OK;
    }
    uint32_t rows = constant ? 1 : ev->rows;
    struct vec out = {.phys = e->phys, .constant = constant};
    if (strict)
        combine_valid(ev, args, arg_count, rows, &out);
    /* With constant arguments row 0 stands for all rows, whichever of them are active. */
    const uint8_t *active = ev->active;
    if (constant)
        ev->active = NULL;
    s = f->run(ev, e, args, rows, &out);
    ev->active = active;
    if (s == STATUS_OK)
        *ret = out;
    return s;
}

/* truth = the row's value is true; known = it is not NULL. Constants are written out. */
static enum status eval_truth(struct eval *ev, const struct expr *e, const uint8_t **ret_truth,
                              const uint8_t **ret_known)
{
    struct vec v;
    enum status s = eval_expr(ev, e, &v);
    if (s < 0)
        return s;
    vec_expand(&v, ev->rows, ev->scratch);
    *ret_truth = v.truth;
    *ret_known = v.valid;
    return STATUS_OK;
}

/* AND: one FALSE decides. OR: one TRUE decides. Else any NULL makes NULL. */
static enum status eval_logic(struct eval *ev, const struct expr *e, struct vec *ret)
{
    enum status s = STATUS_OK;
    bool is_and = e->kind == EXPR_AND;
    uint32_t rows = ev->rows;
    const uint8_t *active = ev->active;
    uint8_t *open = SCRATCH_ARRAY(ev->scratch, uint8_t, rows); /* not decided, and active */
    uint8_t *decided = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    uint8_t *unknown = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    memset(decided, 0, rows);
    memset(unknown, 0, rows);
    bool any_unknown = false;
    if (active == NULL)
        memset(open, 1, rows);
    else
        memcpy(open, active, rows);
    for (uint32_t i = 0; i < e->arg_count && s == STATUS_OK; i++) {
        const uint8_t *truth;
        const uint8_t *known;
        ev->active = i == 0 ? active : open;
        if ((s = eval_truth(ev, e->args[i], &truth, &known)) < 0)
            break;
        uint8_t flip = is_and ? 1 : 0;
        for (uint32_t r = 0; r < rows; r++) {
            uint8_t decides = (uint8_t)((truth[r] ^ flip) & (known == NULL ? 1 : known[r]));
            decided[r] |= decides;
            open[r] &= (uint8_t)~decides;
        }
        if (known != NULL) {
            any_unknown = true;
            for (uint32_t r = 0; r < rows; r++)
                unknown[r] |= (uint8_t)(known[r] ^ 1);
        }
    }
    ev->active = active;
    if (s < 0)
        return s;
    uint8_t *truth = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    for (uint32_t r = 0; r < rows; r++)
        truth[r] = (uint8_t)(is_and ? (decided[r] | unknown[r]) ^ 1 : decided[r]);
    *ret = (struct vec){.phys = PHYS_BOOL, .truth = truth};
    if (any_unknown) {
        for (uint32_t r = 0; r < rows; r++)
            unknown[r] = (uint8_t)(decided[r] | (unknown[r] ^ 1));
        ret->valid = unknown;
    }
    return STATUS_OK;
}

/* A result that is put together from pieces of several columns. */
struct blend {
    enum phys phys;
    uint8_t *valid;
    void *data;
};

static struct blend blend_begin(struct eval *ev, enum phys phys)
{
    struct blend b = {.phys = phys,
                      .valid = SCRATCH_ARRAY(ev->scratch, uint8_t, ev->rows),
                      .data = scratch_alloc(ev->scratch, ev->rows * phys_width(phys))};
    memset(b.valid, 0, ev->rows);
    memset(b.data, 0, ev->rows * phys_width(phys));
    if (phys == PHYS_TEXT)
        for (uint32_t r = 0; r < ev->rows; r++)
            ((struct slice *)b.data)[r] = SLICE_EMPTY;
    return b;
}

#define BLEND(type, member)                                                                        \
    for (uint32_t r = 0; r < ev->rows; r++)                                                        \
        if (take[r] != 0 && (from->valid == NULL || from->valid[r & mask] != 0)) {                 \
            ((type *)b->data)[r] = from->member[r & mask];                                         \
            b->valid[r] = 1;                                                                       \
        }                                                                                          \
    break

static void blend_rows(struct eval *ev, struct blend *b, struct vec *from, const uint8_t *take)
{
    vec_decode(from, ev->rows, ev->scratch);
    uint32_t mask = from->constant ? 0 : UINT32_MAX;
    switch (b->phys) {
    case PHYS_I64:
        BLEND(int64_t, i64);
    case PHYS_F64:
        BLEND(double, f64);
    case PHYS_BOOL:
        BLEND(uint8_t, truth);
    case PHYS_TEXT:
    case PHYS_CODES:
        BLEND(struct slice, text);
    case PHYS_ID64:
        BLEND(uint64_t, id64);
    case PHYS_ID128:
        BLEND(struct id128, id128);
    }
}

static struct vec blend_end(const struct blend *b)
{
    return (struct vec){.phys = b->phys, .valid = b->valid, .data = b->data};
}

static uint8_t *open_rows(struct eval *ev)
{
    uint8_t *open = SCRATCH_ARRAY(ev->scratch, uint8_t, ev->rows);
    if (ev->active == NULL)
        memset(open, 1, ev->rows);
    else
        memcpy(open, ev->active, ev->rows);
    return open;
}

static enum status eval_case(struct eval *ev, const struct expr *e, struct vec *ret)
{
    enum status s = STATUS_OK;
    const uint8_t *active = ev->active;
    struct blend b = blend_begin(ev, e->phys);
    uint8_t *open = open_rows(ev);
    uint8_t *take = SCRATCH_ARRAY(ev->scratch, uint8_t, ev->rows);
    for (uint32_t i = 0; i < e->arg_count; i += 2) {
        bool otherwise = i + 1 == e->arg_count;
        struct vec value;
        ev->active = open;
        if (otherwise) {
            memcpy(take, open, ev->rows);
        } else {
            const uint8_t *truth;
            const uint8_t *known;
            if ((s = eval_truth(ev, e->args[i], &truth, &known)) < 0)
                break;
            for (uint32_t r = 0; r < ev->rows; r++) {
                take[r] = (uint8_t)(open[r] & truth[r] & (known == NULL ? 1 : known[r]));
                open[r] ^= take[r];
            }
        }
        ev->active = take;
        if (memchr(take, 1, ev->rows) == NULL)
            continue;
        if ((s = eval_expr(ev, e->args[otherwise ? i : i + 1], &value)) < 0)
            break;
        blend_rows(ev, &b, &value, take);
    }
    ev->active = active;
    *ret = blend_end(&b);
    return s;
}

static enum status eval_coalesce(struct eval *ev, const struct expr *e, struct vec *ret)
{
    enum status s = STATUS_OK;
    const uint8_t *active = ev->active;
    struct blend b = blend_begin(ev, e->phys);
    uint8_t *open = open_rows(ev);
    for (uint32_t i = 0; i < e->arg_count && s == STATUS_OK; i++) {
        struct vec value;
        if (memchr(open, 1, ev->rows) == NULL)
            break;
        ev->active = open;
        if ((s = eval_expr(ev, e->args[i], &value)) < 0)
            break;
        if (i == 0 && active == NULL && !value.constant && value.phys != PHYS_CODES &&
            value.valid == NULL) {
            *ret = value;
            return STATUS_OK;
        }
        blend_rows(ev, &b, &value, open);
        for (uint32_t r = 0; r < ev->rows; r++)
            open[r] &= (uint8_t)(b.valid[r] ^ 1);
    }
    ev->active = active;
    *ret = blend_end(&b);
    return s;
}

enum status eval_expr(struct eval *ev, const struct expr *e, struct vec *ret)
{
    if (e->dict_slot != 0 && ev->cache != NULL) {
        bool done = false;
        enum status s = eval_by_dictionary(ev, e, ret, &done);
        if (s < 0 || done)
            return s;
    }
    switch (e->kind) {
    case EXPR_CONST:
        *ret = expr_constant_vec(e);
        return STATUS_OK;
    case EXPR_COLUMN:
        *ret = ev->columns[e->column];
        return STATUS_OK;
    case EXPR_CALL:
        return eval_call(ev, e, ret);
    case EXPR_AND:
    case EXPR_OR:
        return eval_logic(ev, e, ret);
    case EXPR_CASE:
        return eval_case(ev, e, ret);
    case EXPR_COALESCE:
        return eval_coalesce(ev, e, ret);
    case EXPR_AGGREGATE:
        break;
    }
    return error_set_at(ev->reterr, STATUS_INVALID, e->position, "an aggregate is out of place");
}

enum status eval_mask(struct eval *ev, const struct expr *e, uint8_t *mask, uint32_t *ret_left)
{
    struct vec v;
    const uint8_t *active = ev->active;
    ev->active = mask;
    enum status s = eval_expr(ev, e, &v);
    ev->active = active;
    if (s < 0)
        return s;
    if (v.constant && (!vec_has(&v, 0) || v.truth[0] == 0))
        memset(mask, 0, ev->rows);
    vec_expand(&v, ev->rows, ev->scratch);
    if (v.valid != NULL)
        (void)mask_and(mask, v.valid, ev->rows);
    *ret_left = mask_and(mask, v.truth, ev->rows);
    return STATUS_OK;
}
